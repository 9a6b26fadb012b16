"""What a subscription is about, looked at before it is kept: can it ever match, and was something else meant?"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from models.vocab.aircraft import clean_icao24, icao24_of
from models.vocab.airport import find_airport
from models.vocab.watchlist import Watchlist, WatchStatus, show_path

REGISTRATION = re.compile(r"(?=.{3,8}$)[A-Z0-9]{1,5}(-[A-Z0-9]{1,5})?|[A-Z0-9]{3,7}")
N_NUMBER_LIKE = re.compile(r"N[0-9].*")


class SubscriptionError(ValueError):
    """A subscription that could never match anything; says why."""


@dataclass(frozen=True)
class Subject:
    """The value as it is kept. ``warning``: why it may match nothing as things are, with what may have been meant."""

    value: str
    warning: str | None = None


def check_subject(what: str, value: str, watchlist: Watchlist, sources: Collection[str]) -> Subject:
    """Read what a subscription is about. Raises SubscriptionError for an airport or aircraft that cannot exist.

    ``sources``: the names under which silence is reported. An operator, aircraft or source that is not known is kept
    with a warning, for it may be on the list tomorrow.
    """
    value = value.strip()
    if what == "airport":
        return _check_airport(value)
    if what == "aircraft":
        return _check_aircraft(value, watchlist)
    if what == "operator":
        known = {aircraft.operator for aircraft in watchlist.by_icao24.values() if aircraft.operator}
        return _check_name(value, known, f"no aircraft of {value} is on the watchlist {show_path(watchlist.path)}")
    if what == "source":
        if value in sources:
            return Subject(value)
        return Subject(value, _suggest(f"no source is called {value}", value, sources))
    if what == "keyword" and not value.strip("*").strip():
        raise SubscriptionError("a keyword needs at least one letter")
    return Subject(value)


def _check_airport(value: str) -> Subject:
    airport = find_airport(value)
    if airport is None:
        raise SubscriptionError(f"no airport is known as {value.upper()}")
    return Subject(airport.id)


def _check_aircraft(value: str, watchlist: Watchlist) -> Subject:
    registration = value.upper()
    icao24 = clean_icao24(value)
    aircraft = watchlist.by_icao24.get(icao24 or "") or watchlist.find_registration(registration)
    if aircraft is None and icao24 is None:
        compact = registration.replace("-", "")
        if not REGISTRATION.fullmatch(registration) or (N_NUMBER_LIKE.match(compact) and icao24_of(compact) is None):
            raise SubscriptionError(
                f"{value!r} is neither a registration nor a 24-bit address (six hexadecimal digits)"
            )
        aircraft = next(
            (one for one in watchlist.by_icao24.values() if one.registration.replace("-", "") == compact), None
        )
    if aircraft is None:
        known = [text for one in watchlist.by_icao24.values() for text in (one.registration, one.icao24)]
        return Subject(value, _suggest(f"{value} is not on the watchlist {show_path(watchlist.path)}", value, known))
    if aircraft.status is not WatchStatus.CURRENT:
        return Subject(value, f"{value} is on the watchlist as {aircraft.status.value} and not looked for")
    return Subject(value)


def _check_name(value: str, known: Collection[str], complaint: str) -> Subject:
    for name in known:
        if " ".join(name.split()).casefold() == " ".join(value.split()).casefold():
            return Subject(name)
    return Subject(value, _suggest(complaint, value, known))


def _suggest(complaint: str, value: str, known: Iterable[str]) -> str:
    """The complaint, with up to three known names that look like the value."""
    by_folded = {name.casefold(): name for name in sorted(known)}
    near = get_close_matches(value.casefold(), by_folded, n=3, cutoff=0.5)
    return f"{complaint}; nearest: {', '.join(by_folded[name] for name in near)}" if near else complaint
