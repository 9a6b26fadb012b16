"""Run PostgreSQL as a direct child of this process, so that a crash is noticed and mended in a fraction of a second.

Nothing listens on a network: there is one Unix socket in a folder of its own that only the server's user may enter,
and the server asks the kernel who is calling (peer). Data, ballast and lock lie in one folder of that user (0700).
"""

import ctypes
import logging
import logging.handlers
import os
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

from flows.local.binaries import Account, Binaries, PostgresError, choose_account, find_binaries
from flows.local.cluster import BALLAST_BYTES, OWNERS, ROOM_TO_WRITE_BYTES, Cluster
from models.store.server import make_databases, read_facts
from models.store.session import StoreUnavailable

READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 5.0
STARTS_BEFORE_GIVING_UP = 7
LAST_WORDS_S = 0.3
DISK_FULL = "No space left on device"
# Said while sessions of a killed server have not noticed yet: the next try, a moment later, succeeds.
SESSIONS_LEFT = "shared memory block"

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
    "shared_buffers": "64MB",
    # our statements are short; compiling them costs more memory and time than it saves
    "jit": "off",
    # a crash ends the server, so that we hear why and start it with the answer to a full disk; by itself it would come
    # back to the same full disk for ever
    "restart_after_crash": "off",
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
        self.account = account or choose_account()
        self.cluster = Cluster(folder, self.account, for_tests=for_tests)
        self.socket_folder = Path()
        self.start_count = 0
        self.is_read_only = False
        self._given_binaries = binaries
        self._for_tests = for_tests
        self._on_trouble = on_trouble
        self._log = _make_log(log_file)
        self._last_lines: list[str] = []
        self._child: subprocess.Popen[str] | None = None
        self._supervisor: threading.Thread | None = None
        self._relaying = threading.Thread()
        self._is_stopping = threading.Event()
        self._has_answered = False
        self._has_come_up = False
        self._failure: str | None = None

    def start(self) -> None:
        """Start; return when the server answers and its databases are there. Raises PostgresError, one line, if not."""
        self.cluster.take()
        try:
            self.binaries = self.cluster.pick_binaries(self._given_binaries)
            self.cluster.initialise(self.binaries)
            self.cluster.end_predecessor()
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
        self.cluster.release()
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

    def _make_socket_folder(self) -> None:
        self._remove_socket_folder()
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        usable = not self.account.drops_root and len(runtime) < 60 and os.access(runtime, os.W_OK | os.X_OK)
        short = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108 - mkdtemp makes it private
        self.socket_folder = Path(tempfile.mkdtemp(prefix="tarmac-", dir=runtime if usable else short))
        if self.account.drops_root:
            os.chown(self.socket_folder, self.account.uid, self.account.gid)
        (self.cluster.folder / "socket.path").write_text(str(self.socket_folder))

    def _remove_socket_folder(self) -> None:
        note = self.cluster.folder / "socket.path"
        if self.cluster.is_ours and note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
            note.unlink()

    # --- while it runs

    def _supervise(self) -> None:
        """Start the server again whenever it ends by itself. Runs in a thread that lives as long as the server may."""
        failures = 0
        while not self._is_stopping.is_set():
            child = self._spawn()
            if self._is_stopping.is_set():
                child.send_signal(signal.SIGINT)
            code = child.wait()
            if self._is_stopping.is_set():
                return
            # on a busy machine its last words are still on the way
            self._relaying.join(LAST_WORDS_S)
            is_held_up = any(SESSIONS_LEFT in line for line in self._last_lines)
            failures = 0 if self._has_come_up else failures + (not is_held_up)
            backoff_s = min(FIRST_BACKOFF_S * 2.0 ** max(0, failures - 1), LONGEST_BACKOFF_S)
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
        self._last_lines = []
        self._has_come_up = False
        self.start_count += 1
        self._child = subprocess.Popen(  # noqa: S603
            self.cluster.server_command(self.binaries, self.socket_folder, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
            **self.cluster.as_account(),
        )
        self._relaying = threading.Thread(target=self._relay, args=(self._child,), name="postgres-log", daemon=True)
        self._relaying.start()
        return self._child

    def _relay(self, child: "subprocess.Popen[str]") -> None:
        """Write what the server says to our own rotated log."""
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self._last_lines = [*self._last_lines[-50:], line.rstrip()]
                if "ready to accept connections" in line:
                    # what was wrong before is mended
                    self._has_come_up, self._last_lines = True, []
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
            (self.cluster.folder / "ballast").unlink(missing_ok=True)
            self._on_trouble("the disk is full: the database is read-only until there is room again")
            threading.Thread(target=self._wait_for_room, name="postgres-room", daemon=True).start()

    def _wait_for_room(self) -> None:
        while not self._is_stopping.wait(1.0):
            if shutil.disk_usage(self.cluster.folder).free > ROOM_TO_WRITE_BYTES + BALLAST_BYTES:
                self.cluster.make_ballast()
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


def _make_log(log_file: Path | None) -> logging.Logger:
    log = logging.Logger("postgres")
    log.addHandler(logging.NullHandler())
    if log_file:
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(log_file, maxBytes=5_000_000, backupCount=4, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    return log
