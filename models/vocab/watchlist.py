"""The watchlist: which airframes are watched, and on whose word. Read from YAML, checked, then frozen."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.vocab.aircraft import PairCheck, check_pair, clean_icao24, clean_registration, icao24_of

WATCHLIST_FILE = Path(__file__).parent.parent / "reference" / "watchlist.yml"

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class WatchlistError(ValueError):
    """A watchlist that must not be used; the message is one line and names the file and the row."""


class WatchStatus(StrEnum):
    """How an airframe's place on the list is to be read."""

    CURRENT = "current"
    HISTORICAL = "historical"
    """flew such work once; no claim of the present fleet"""
    PROPOSED = "proposed"
    """a claim too thin to act on; waits for a person to accept it"""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WatchSource(_Row):
    """Who said it, under what terms."""

    name: Text
    credit: Text
    url: str | None = None


class Claim(_Row):
    """One statement about an airframe by one source, with the first and last day the source saw it."""

    claim: Text
    source: Text
    first_on: date | None = None
    last_on: date | None = None
    note: str = ""


class WatchedAircraft(_Row):
    """One airframe on the list."""

    icao24: Text
    registration: Text
    type: str | None = Field(default=None, description="ICAO type designator")
    operator: str | None = None
    era: str | None = None
    status: WatchStatus
    claims: tuple[Claim, ...] = Field(min_length=1)

    @property
    def address_check(self) -> PairCheck:
        """Whether registration and address belong together."""
        return check_pair(self.icao24, self.registration)


class _WatchlistFile(_Row):
    note: str = ""
    sources: dict[str, WatchSource]
    aircraft: tuple[WatchedAircraft, ...]


@dataclass(frozen=True)
class Watchlist:
    """The airframes of one watchlist file, by address."""

    path: Path
    note: str
    sources: Mapping[str, WatchSource]
    by_icao24: Mapping[str, WatchedAircraft]

    @property
    def polled(self) -> tuple[str, ...]:
        """Addresses to ask the sources for: the current fleet, in order of address."""
        return tuple(sorted(a.icao24 for a in self.by_icao24.values() if a.status is WatchStatus.CURRENT))

    def operator_of(self, icao24: str) -> str | None:
        """The operator of an airframe as the list says; None when it is not on the list or not known."""
        aircraft = self.by_icao24.get(icao24)
        return aircraft.operator if aircraft else None

    def registration_of(self, icao24: str) -> str | None:
        """The registration of an airframe as the list says; None when it is not on the list."""
        aircraft = self.by_icao24.get(icao24)
        return aircraft.registration if aircraft else None

    def find_registration(self, registration: str) -> WatchedAircraft | None:
        """The airframe with this registration, or None."""
        wanted = clean_registration(registration)
        return next((a for a in self.by_icao24.values() if a.registration == wanted), None)

    def count_operators(self) -> Counter[str]:
        """How many airframes each operator has on the list."""
        return Counter(a.operator or "operator not known" for a in self.by_icao24.values())

    def count_checks(self) -> Counter[str]:
        """How many airframes had which outcome of the registration/address check."""
        return Counter(a.address_check.value for a in self.by_icao24.values())


def load_watchlist(path: Path | None = None) -> Watchlist:
    """Read a watchlist file, the one that comes with Tarmac when no path is given.

    Raises WatchlistError when the file cannot be read, has unknown keys, names an airframe twice, names a source it
    does not declare, or pairs a registration with an address that cannot be its own.
    """
    return _load_shipped() if path is None else read_watchlist(path)


@cache
def _load_shipped() -> Watchlist:
    return read_watchlist(WATCHLIST_FILE)


def read_watchlist(path: Path) -> Watchlist:
    """Read and check one watchlist file; see load_watchlist."""
    name = show_path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WatchlistError(f"{name}: {error.strerror or 'cannot be read'}") from error
    except UnicodeDecodeError as error:
        raise WatchlistError(f"{name}: is not UTF-8 text") from error
    except RecursionError as error:
        raise WatchlistError(f"{name}: is not YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day that no month has
        raise WatchlistError(f"{name}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise WatchlistError(f"{name}: is not a watchlist (no keys 'sources' and 'aircraft')")
    try:
        parsed = _WatchlistFile.model_validate(document)
    except ValidationError as error:
        raise WatchlistError(f"{name}: {_name_problem(document, error)}") from error
    return _check_rows(path, parsed)


def show_path(path: Path) -> str:
    """A path on one line, whatever its name holds."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(path))


def _check_rows(path: Path, parsed: _WatchlistFile) -> Watchlist:
    by_icao24: dict[str, WatchedAircraft] = {}
    registrations: dict[str, int] = {}
    for number, row in enumerate(parsed.aircraft, start=1):
        where = f"{show_path(path)}: aircraft {number} ({row.registration}, {row.icao24})"
        icao24 = clean_icao24(row.icao24)
        if icao24 is None:
            raise WatchlistError(f"{where}: {row.icao24!r} is not a 24-bit address (six hexadecimal digits)")
        registration = clean_registration(row.registration)
        if row.address_check is PairCheck.MISMATCH:
            expected = icao24_of(registration)
            hint = f"the address of {registration} is {expected}" if expected else f"{registration} is no N-number"
            raise WatchlistError(f"{where}: registration and address do not belong together; {hint}")
        if icao24 in by_icao24 or registration in registrations:
            raise WatchlistError(f"{where}: is on the list twice")
        for claim in row.claims:
            if claim.source not in parsed.sources:
                raise WatchlistError(f"{where}: source {claim.source!r} is not declared under 'sources'")
            if claim.first_on and claim.last_on and claim.last_on < claim.first_on:
                raise WatchlistError(f"{where}: a claim of {claim.source} ends before it begins")
        by_icao24[icao24] = row.model_copy(update={"icao24": icao24, "registration": registration})
        registrations[registration] = number
    return Watchlist(path, parsed.note, MappingProxyType(parsed.sources), MappingProxyType(by_icao24))


def _name_problem(document: dict[object, object], error: ValidationError) -> str:
    """Say in one line what is wrong with the first bad value and which row holds it."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    rows = document.get("aircraft")
    if len(place) > 1 and place[0] == "aircraft" and isinstance(rows, list):
        index = int(place[1])
        row = rows[index]
        name = f" ({row.get('registration')}, {row.get('icao24')})" if isinstance(row, dict) else ""
        place = [f"aircraft {index + 1}{name}", *place[2:]]
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{': '.join(place)}: {what}" if place else what
