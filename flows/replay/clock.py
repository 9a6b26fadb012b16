"""The recorded clock: runs faster than the real one, stands still at the end of the record, and survives a restart.

The recorded day begins to run with the first question, and stands still while the service is stopped, so that nobody
misses part of it. A restart goes on a little after the last saved instant and never before it: no answer of the server
is older than one already given.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

SAVE_EVERY_S = 2.0
"""real seconds between two saves of the recorded instant"""


class RecordedClock(Protocol):
    """Tells which instant of the recorded day it is, in whole seconds."""

    @property
    def ends_at(self) -> datetime: ...

    def start(self) -> None: ...

    def now(self) -> datetime: ...


def is_over(clock: RecordedClock) -> bool:
    """Tell whether the record has been played to its end."""
    return clock.now() >= clock.ends_at


class RunningClock:
    """Runs at ``speed`` recorded seconds a second from its start on, from ``starts_at`` until ``ends_at``."""

    def __init__(self, starts_at: datetime, ends_at: datetime, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed}: the recorded clock only runs forward")
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.speed = speed
        self._began_s: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started."""
        return self._began_s is not None

    def start(self) -> None:
        """Begin to run; a second start changes nothing."""
        if self._began_s is None:
            self._began_s = time.monotonic()

    def now(self) -> datetime:
        """The recorded instant."""
        if self._began_s is None:
            return self.starts_at
        gone = timedelta(seconds=int((time.monotonic() - self._began_s) * self.speed))
        return min(self.starts_at + gone, self.ends_at)


class ManualClock:
    """Stands where a test put it."""

    def __init__(self, starts_at: datetime, ends_at: datetime) -> None:
        self.ends_at = ends_at
        self._now = starts_at

    def start(self) -> None:
        """Nothing to start: a test moves it."""

    def now(self) -> datetime:
        """The recorded instant."""
        return self._now

    def advance_to(self, instant: datetime) -> None:
        """Go forward to an instant; going back is an error, as for any clock."""
        if instant < self._now:
            raise ValueError(f"the recorded clock stands at {self._now} and cannot go back to {instant}")
        self._now = min(instant.replace(microsecond=0), self.ends_at)

    def advance(self, seconds: float) -> None:
        """Go forward by some seconds."""
        self.advance_to(self._now + timedelta(seconds=seconds))


@dataclass(frozen=True)
class ClockFile:
    """Where the recorded instant is kept between two runs."""

    path: Path
    recording: str

    def read(self, speed: float) -> datetime | None:
        """The instant to go on from; None when nothing usable was saved for this recording."""
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            if saved["recording"] != self.recording:
                return None
            instant = datetime.fromisoformat(saved["recorded_at"]).astimezone(UTC)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return instant + timedelta(seconds=int(SAVE_EVERY_S * speed))

    def write(self, instant: datetime) -> None:
        """Save the instant, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = self.path.with_suffix(".new")
        text = json.dumps({"recording": self.recording, "recorded_at": instant.isoformat()})
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, self.path)
