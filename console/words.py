"""How the page words what the database holds: instants with their zone, places, states. Pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from models.vocab.airport import find_airport

STATES = {
    "ok": "answering",
    "degraded": "answering, but not to be relied on",
    "refused": "refuses us",
    "unreachable": "unreachable",
    "schema_changed": "answers in a way we do not understand",
    "failed": "our own reading failed",
    "never": "not asked yet",
}
STATUSES = {
    "landed": "landed",
    "airborne": "in the air",
    "lost": "signal lost in the air",
    "gap": "not heard to its end",
}
EVIDENCE = {
    "ground_observed": "heard on the ground",
    "low_observed": "heard low over the field",
    "inferred_gap": "inferred from where it was lost",
    "filed": "filed",
    "reported": "reported",
    "unknown": "place not known",
}


def zulu(at: datetime | None) -> str:
    """The instant in UTC, to the minute."""
    return "—" if at is None else at.astimezone(UTC).strftime("%d %b %Y %H:%MZ")


def instant(at: datetime | None) -> str:
    """The instant in UTC, to the second."""
    return "—" if at is None else at.astimezone(UTC).strftime("%d %b %Y %H:%M:%SZ")


def local(at: datetime, airport_id: str | None) -> str:
    """The instant on the clocks of an airport, or nothing where its zone is not known."""
    airport = find_airport(airport_id) if airport_id else None
    if airport is None or not airport.time_zone:
        return ""
    return at.astimezone(ZoneInfo(airport.time_zone)).strftime("%a %d %b %H:%M %Z")


def airport_name(airport_id: str) -> str:
    """City and name of an airport, or its code alone."""
    airport = find_airport(airport_id)
    return airport_id if airport is None else (airport.city or airport.name)


def state_words(state: str) -> str:
    """A source's state as a person would say it."""
    return STATES[state]


def status_words(status: str) -> str:
    """A leg's state as a person would say it."""
    return STATUSES.get(status, status.replace("_", " "))


def evidence_words(evidence: str) -> str:
    """What the end of a leg rests on."""
    return EVIDENCE[evidence]
