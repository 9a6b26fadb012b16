"""What goes wrong during the recorded day, as it does on real ones: read from YAML, one recorded window each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

FAULTS_FILE = Path(__file__).parent / "faults.yml"


class FaultsError(ValueError):
    """A faults file that cannot be used; the message is one line."""


class FaultKind(StrEnum):
    """The ways a source lets down those who ask it."""

    UNAVAILABLE = "unavailable"
    """HTTP 503"""
    RESET = "reset"
    """the connection is cut without an answer"""
    THROTTLE = "throttle"
    """HTTP 429 with Retry-After"""
    EMPTY = "empty"
    """200, "No error" and no aircraft anywhere, the canary's included"""
    HTML = "html"
    """200 with a web page"""
    REPEAT = "repeat"
    """the answer of the window's first instant again and again, with its old clock"""
    GAP = "gap"
    """no receiver hears these aircraft: neither live nor in the day file"""
    LATE = "late"
    """not live, but in the day file: the positions came in late"""
    OLDER = "older"
    """the live answer goes back to a position older than the last one given"""


OF_AIRCRAFT = {FaultKind.GAP, FaultKind.LATE, FaultKind.OLDER}


def _as_utc(value: object) -> object:
    # YAML's own timestamps lose the zone name but keep UTC
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Instant = Annotated[AwareDatetime, BeforeValidator(_as_utc)]


class Fault(BaseModel):
    """One fault in one window of recorded time, ``until`` excluded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    begins_at: Instant = Field(alias="from")
    ends_at: Instant = Field(alias="until")
    sources: tuple[str, ...] = Field(default=(), description="slugs; none means all of the live sources")
    icao24: tuple[str, ...] = ()
    retry_after_s: int = 30
    note: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Fault":
        if self.ends_at <= self.begins_at:
            raise ValueError("the window ends before it begins")
        if (self.kind in OF_AIRCRAFT) != bool(self.icao24):
            raise ValueError(f"{self.kind} needs {'some' if self.kind in OF_AIRCRAFT else 'no'} icao24")
        return self

    def covers(self, instant: datetime) -> bool:
        """Tell whether an instant lies in the window."""
        return self.begins_at <= instant < self.ends_at


@dataclass(frozen=True)
class Faults:
    """All faults of one run."""

    faults: tuple[Fault, ...] = ()

    def find_answer_fault(self, source: str, instant: datetime, live: Sequence[str]) -> Fault | None:
        """The fault of the answers of a source at an instant, or None."""
        for fault in self.faults:
            hit = source in fault.sources if fault.sources else source in live
            if fault.kind not in OF_AIRCRAFT and hit and fault.covers(instant):
                return fault
        return None

    def find_aircraft_fault(self, icao24: str, instant: datetime) -> Fault | None:
        """The fault of one aircraft at an instant, or None."""
        return next((f for f in self.faults if icao24 in f.icao24 and f.covers(instant)), None)

    def list_gaps(self, icao24: str) -> list[tuple[float, float]]:
        """The windows, as epoch seconds, in which no receiver heard an aircraft."""
        return [
            (fault.begins_at.timestamp(), fault.ends_at.timestamp())
            for fault in self.faults
            if fault.kind is FaultKind.GAP and icao24 in fault.icao24
        ]


def load_faults(path: Path | None = None) -> Faults:
    """Read a faults file, the one that comes with the recorded day by default. Raises FaultsError."""
    path = path or FAULTS_FILE
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows = document["faults"]
        return Faults(tuple(Fault.model_validate(row) for row in rows))
    except OSError as error:
        raise FaultsError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise FaultsError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise FaultsError(f"{path}: is not a faults file: {' '.join(str(error).split())}") from error
