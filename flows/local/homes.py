"""Which folder an installation lives in: one for the live watch, another for the replay, and never both in one.

Without TARMAC_HOME the live watch lives in ``.tarmac`` and the replay in ``.tarmac-replay``, so that neither finds the
other's channels, messages or legs. A home remembers what it is for (file ``mode``) and refuses the other. With
DATABASE_URL and no TARMAC_HOME both would share that database, so both take ``.tarmac`` and the second is refused.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from models.settings import Settings

REPLAY_HOME = Path(".tarmac-replay")
LOCK_FILE, MODE_FILE = "run.lock", "mode"
# Kept by the replay since before homes had a mode; beside it a key tells a whole service from a lone `tarmac replay`.
REPLAY_CLOCK_FILE = "replay.json"
DATABASE_FILE = "database.url"
"""Address of the database while Tarmac runs, for commands typed in another terminal."""
LOCK_PATIENCE_S = 0.5


class HomeError(Exception):
    """A home cannot be used; one line says why and what to do."""


def choose_home(settings: Settings, *, live: bool) -> Path:
    """The home of a run: TARMAC_HOME where it is set, else the one that belongs to the mode."""
    if "home" in settings.model_fields_set or settings.database_url or live:
        return settings.home
    return REPLAY_HOME


def find_home(settings: Settings) -> Path:
    """The home a command typed in another terminal means: TARMAC_HOME, else what runs, live before replay."""
    if "home" in settings.model_fields_set or settings.database_url or is_running(settings.home):
        return settings.home
    return REPLAY_HOME if is_running(REPLAY_HOME) else settings.home


def find_installation(settings: Settings) -> Settings:
    """The same settings for the home that ``find_home`` finds: its keys and its archive go with its database."""
    return settings.model_copy(update={"home": find_home(settings)})


def is_running(home: Path) -> bool:
    """Whether a run holds this home. What a killed run left behind does not count."""
    try:
        descriptor = os.open(home / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remember_mode(home: Path, *, live: bool) -> None:
    """Write down what a home is for at its first run. Raises HomeError when it is for the other mode."""
    file = home / MODE_FILE
    wanted = "live" if live else "replay"
    if file.exists():
        known = file.read_text(encoding="utf-8").strip()
    else:
        was_replayed = (home / REPLAY_CLOCK_FILE).exists() and (home / "instance.key").exists()
        known = "replay" if was_replayed else wanted
        file.write_text(f"{known}\n", encoding="utf-8")
    if known != wanted:
        now, before = ("the live watch", "a replay") if live else ("a replay", "the live watch")
        raise HomeError(f"{home} belongs to {before} and cannot be used for {now}; set TARMAC_HOME to another folder")


@contextlib.contextmanager
def take_home(home: Path) -> Iterator[None]:
    """Keep the home folder to this run. Raises HomeError when another run has it."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            # root's database runs as another user, who must pass through; what is secret in here is 0600 or 0700
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeError(f"cannot use the folder {home}: {error.strerror}") from None
    if not _lock(descriptor):
        holder = os.pread(descriptor, 20, 0).decode().strip()
        os.close(descriptor)
        raise HomeError(f"another Tarmac runs in {home} (process {holder}); stop it, or set TARMAC_HOME")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock; a command that only looks at it (``is_running``) is waited for."""
    give_up_at = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.02)
        else:
            return True
