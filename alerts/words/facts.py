"""Turn a payload into the words a template prints: places with their names, times on both clocks, units spelt out."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from alerts.words.clean import clean_code, clean_link, clean_text
from models.vocab.airport import Airport, find_airport
from models.vocab.certainty import Basis, Certainty, Evidence
from models.vocab.event import ArticlePayload, FlightPayload, HealthPayload, LastFix, LegEnd

KM_PER_NM = 1.852


@dataclass(frozen=True)
class End:
    """One end of a leg in words."""

    place: str
    short_place: str
    time: str
    certainty: str
    evidence: str


@dataclass(frozen=True)
class Flight:
    """A flight in words."""

    short_name: str
    certainty: str
    verbs: dict[str, str]
    registration: str
    icao24: str
    callsigns: str
    operator: str
    departure: End | None
    arrival: End | None
    last_fix: dict[str, str] | None
    reach: list[dict[str, str]]
    corrections: list[dict[str, str]]
    is_interpolated: bool
    signal_was_lost: bool
    sources: str
    last_looked: str | None


@cache
def load_words(language: str) -> dict[str, Any]:
    """The words of one language, from its folder."""
    text = (files("alerts.words") / language / "words.yml").read_text(encoding="utf-8")
    words = yaml.safe_load(text)
    assert isinstance(words, dict)
    return words


def describe_flight(payload: FlightPayload, certainty: Certainty, words: dict[str, Any]) -> Flight:
    """All that a flight message can say, in words."""
    registration = clean_code(payload.registration or "")
    icao24 = clean_code(payload.icao24, 6).lower()
    return Flight(
        short_name=registration or f"{words['unknown_aircraft']} ({icao24})",
        certainty=words["certainty"][certainty],
        verbs=words["verbs"][certainty],
        registration=registration,
        icao24=icao24,
        callsigns=", ".join(filter(None, (clean_code(callsign, 8) for callsign in payload.callsigns[:5]))),
        operator=clean_text(payload.operator or "", 80),
        departure=describe_end(payload.departure, payload.basis, words) if payload.departure else None,
        arrival=describe_end(payload.arrival, payload.basis, words) if payload.arrival else None,
        last_fix=describe_fix(payload.last_fix, words) if payload.last_fix else None,
        reach=[
            {"after": words["hours"].get(hours, f"{clean_text(hours, 6)} h"), "radius": describe_radius(radius)}
            for hours, radius in sorted(payload.reach_nm.items(), key=lambda item: item[1])
        ],
        corrections=[
            {
                "what": clean_text(correction.what, 80).capitalize(),
                "told": describe_value(correction.told, words, "nothing_told"),
                "now": describe_value(correction.now, words, "withdrawn"),
            }
            for correction in payload.corrections
        ],
        is_interpolated=payload.basis is Basis.INTERPOLATED,
        signal_was_lost=payload.signal_was_lost,
        sources=", ".join(clean_text(source, 60) for source in payload.sources[:8]),
        last_looked=describe_time(payload.last_looked_at, None, words) if payload.last_looked_at else None,
    )


def describe_article(payload: ArticlePayload, words: dict[str, Any]) -> dict[str, str | None]:
    """A news article in words."""
    return {
        "title": clean_text(payload.title, 200) or "(no headline)",
        "publisher": clean_text(payload.publisher, 80) or "A publisher without a name",
        "summary": clean_text(payload.summary or payload.text, 600),
        "published": describe_time(payload.published_at, None, words) if payload.published_at else None,
        "link": clean_link(payload.url),
    }


def describe_health(payload: HealthPayload, words: dict[str, Any]) -> dict[str, str | None]:
    """The state of a source or channel in words."""
    return {
        "name": clean_text(payload.name, 60),
        "reason": clean_text(payload.reason, 300),
        "since": describe_time(payload.since_at, None, words) if payload.since_at else None,
    }


def describe_end(end: LegEnd, basis: Basis, words: dict[str, Any]) -> End:
    """One end of a leg: the airport by name and code, local time beside Z, and what it rests on."""
    airport = find_airport(end.airport) if end.airport else None
    code = clean_code(end.airport or "", 7)
    if airport is not None:
        place, short = (
            f"{clean_text(airport.name, 60)} ({code}), {_describe_town(airport)}",
            f"{_short(airport)} ({code})",
        )
    elif code:
        place = short = f"{code} ({words['unknown_airport']})"
    else:
        place, short = words["unknown_airport"], words["unknown_place"]
    is_logged = basis is Basis.INTERPOLATED and end.evidence is Evidence.REPORTED
    return End(
        place=place,
        short_place=short,
        time=describe_time(end.at, airport.time_zone if airport else None, words),
        certainty=words["certainty"][end.certainty].capitalize(),
        evidence=words["evidence_logged"] if is_logged else words["evidence"][end.evidence],
    )


def describe_time(at: datetime, time_zone: str | None, words: dict[str, Any]) -> str:
    """``14:05 MST on 3 Nov 2025 (21:05Z)``; only Z where the zone is not known, and Z's date where it is another."""
    utc = at.astimezone(ZoneInfo("UTC"))
    if time_zone is None:
        return f"{utc:%H:%M}Z on {_describe_date(utc, words)}"
    local = at.astimezone(ZoneInfo(time_zone))
    zone = local.tzname() or ""
    zone = zone if zone.isalpha() else f"UTC{zone}"
    z_date = "" if local.date() == utc.date() else f" on {_describe_date(utc, words)}"
    return f"{local:%H:%M} {zone} on {_describe_date(local, words)} ({utc:%H:%M}Z{z_date})"


def describe_fix(fix: LastFix, words: dict[str, Any]) -> dict[str, str]:
    """The last position heard."""
    details = []
    if fix.altitude_ft is not None:
        details.append(f"{fix.altitude_ft:,.0f} ft")
    if fix.ground_speed_kt is not None:
        details.append(f"{fix.ground_speed_kt:.0f} kt")
    if fix.track_deg is not None:
        heading = words["headings"][round(fix.track_deg / 45) % 8]
        details.append(f"heading {fix.track_deg % 360:.0f}°, {heading}")
    return {
        "time": describe_time(fix.at, None, words),
        "position": f"{abs(fix.latitude):.3f}° {'N' if fix.latitude >= 0 else 'S'} "
        f"{abs(fix.longitude):.3f}° {'E' if fix.longitude >= 0 else 'W'}",
        "details": ", ".join(details),
    }


def describe_radius(radius_nm: float) -> str:
    """A radius in both units that readers use."""
    return f"{radius_nm:,.0f} nautical miles ({radius_nm * KM_PER_NM:,.0f} km)"


def describe_value(value: str | None, words: dict[str, Any], absent: str) -> str:
    """A value that was or is told: an instant becomes a time, an airport gets its name, the rest stays as it is."""
    if value is None or not value.strip():
        return str(words[absent])
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        return describe_time(at, None, words)
    airport = find_airport(value) if value.isalnum() and len(value) <= 5 else None
    return f"{clean_text(airport.name, 60)} ({clean_code(value)})" if airport else clean_text(value, 200)


def _describe_town(airport: Airport) -> str:
    return clean_text(", ".join(filter(None, (airport.city, airport.country))), 60)


def _short(airport: Airport) -> str:
    return clean_text(airport.city or airport.name, 30)


def _describe_date(at: datetime, words: dict[str, Any]) -> str:
    return f"{at.day} {words['months'][at.month - 1]} {at.year}"
