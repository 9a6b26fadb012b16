"""Which aircraft need their legs derived again, and the positions and looks to derive them from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select, text

from models.store.positions import mark_for_derivation
from models.tables import AircraftLook, DeriveMark, Leg, Position
from models.vocab.position import Position as Fix

CONTEXT = timedelta(hours=72)
"""How much before the first new position is read, so that a leg is seen whole."""
SETTLED_AFTER = timedelta(hours=24)
"""Legs that ended so long before the first new position stay as they are."""
GROUND_BEFORE = timedelta(hours=3)
"""How much before the first fix of a leg tells where it left from."""
SILENCE_WATCHED = timedelta(hours=3)
"""After so much silence that was watched, more of it says nothing new of a leg."""


@dataclass(frozen=True)
class Mark:
    """Why an aircraft is derived again: positions since an instant. ``version`` is None when only time has passed."""

    icao24: str
    since_at: datetime
    version: int | None


@dataclass(frozen=True)
class Looks:
    """How an aircraft was looked for last, by sources that were well, without a break since ``looking_since_at``."""

    looked_at: datetime
    looking_since_at: datetime

    def silent_until(self, last_heard_at: datetime) -> datetime:
        """The last position's instant plus the silence that was watched: an outage is not silence."""
        return last_heard_at + max(timedelta(), self.looked_at - max(last_heard_at, self.looking_since_at))


@dataclass(frozen=True)
class Track:
    """The positions to derive legs from, one a second, and what the publishers' databases say of the airframe."""

    fixes: tuple[Fix, ...]
    registration: str | None
    aircraft_type: str | None


def list_marked(connection: Connection) -> list[str]:
    """Aircraft with new positions, and aircraft whose last leg is open and that were looked for since."""
    return list(
        connection.execute(
            text(
                """
                select icao24 from derive_mark
                union
                select leg.icao24 from leg
                where leg.status in ('airborne', 'lost')
                  and (leg.looked_until_at is null or leg.looked_until_at < leg.last_fix_at + :watched)
                  and exists (select 1 from aircraft_look look where look.icao24 = leg.icao24
                              and look.looked_at > coalesce(leg.looked_until_at, leg.last_fix_at))
                order by 1
                """
            ),
            {"watched": SILENCE_WATCHED},
        ).scalars()
    )


def read_mark(connection: Connection, icao24: str) -> Mark | None:
    """Why an aircraft is to be derived again; None when it has neither new positions nor an open leg."""
    row = connection.execute(
        select(DeriveMark.since_at, DeriveMark.version).where(DeriveMark.icao24 == icao24)
    ).one_or_none()
    if row is not None:
        return Mark(icao24, row.since_at, row.version)
    first_at = connection.execute(
        select(func.min(Leg.first_fix_at)).where(Leg.icao24 == icao24, Leg.status.in_(("airborne", "lost")))
    ).scalar()
    return Mark(icao24, first_at, None) if first_at else None


def clear_mark(connection: Connection, mark: Mark) -> None:
    """Forget a mark, unless positions came in since it was read."""
    if mark.version is not None:
        connection.execute(
            delete(DeriveMark).where(DeriveMark.icao24 == mark.icao24, DeriveMark.version == mark.version)
        )


def mark_everything(connection: Connection, icao24s: Iterable[str] | None = None) -> int:
    """Mark all aircraft, or those given, to be derived from their first position on. Returns how many."""
    query = select(Position.icao24, func.min(Position.observed_at)).group_by(Position.icao24)
    if icao24s is not None:
        query = query.where(Position.icao24.in_(list(icao24s)))
    first = {row[0]: row[1] for row in connection.execute(query)}
    mark_for_derivation(connection, first)
    return len(first)


def find_window(connection: Connection, mark: Mark) -> datetime:
    """From when on positions are read: early enough that no known leg is cut in two."""
    start_at = mark.since_at - CONTEXT
    while True:
        cut_at = connection.execute(
            select(func.min(Leg.first_fix_at)).where(
                Leg.icao24 == mark.icao24, Leg.first_fix_at < start_at + GROUND_BEFORE, Leg.last_fix_at >= start_at
            )
        ).scalar()
        if cut_at is None:
            return start_at
        start_at = cut_at - GROUND_BEFORE


def read_looks(connection: Connection, icao24: str) -> Looks | None:
    """How an aircraft was looked for last; None when it never was."""
    row = connection.execute(
        select(AircraftLook.looked_at, AircraftLook.looking_since_at)
        .where(AircraftLook.icao24 == icao24)
        .order_by(AircraftLook.looked_at.desc(), AircraftLook.looking_since_at)
        .limit(1)
    ).one_or_none()
    return Looks(row.looked_at, row.looking_since_at) if row else None


def read_track(connection: Connection, icao24: str, since_at: datetime) -> Track:
    """The positions of an aircraft from all sources: of one second, what was received by radio and fresh goes first."""
    rows = connection.execute(
        text(
            """
            select distinct on (observed_at)
                extract(epoch from observed_at)::float8 as at_s, latitude, longitude, altitude_ft, on_ground,
                ground_speed_kt, track_deg, vertical_rate_fpm, callsign, is_stale, altitude_is_geometric, qnh_hpa,
                source, is_interpolated, registration, aircraft_type
            from position where icao24 = :icao24 and observed_at >= :since_at
            order by observed_at, is_interpolated, is_stale, source like '%\\_traces' desc, source
            """
        ),
        {"icao24": icao24, "since_at": since_at},
    ).all()
    return Track(
        fixes=tuple(
            Fix(
                at_s=row.at_s,
                latitude=row.latitude,
                longitude=row.longitude,
                altitude_ft=row.altitude_ft,
                on_ground=row.on_ground,
                ground_speed_kt=row.ground_speed_kt,
                track_deg=row.track_deg,
                vertical_rate_fpm=row.vertical_rate_fpm,
                callsign=row.callsign,
                is_stale=row.is_stale,
                altitude_is_geometric=row.altitude_is_geometric,
                qnh_hpa=row.qnh_hpa,
                source=row.source,
                is_interpolated=row.is_interpolated,
            )
            for row in rows
        ),
        registration=next((row.registration for row in reversed(rows) if row.registration), None),
        aircraft_type=next((row.aircraft_type for row in reversed(rows) if row.aircraft_type), None),
    )


def last_heard_at(track: Track) -> datetime | None:
    """When an aircraft was last really heard; a position the publisher repeated does not count."""
    return next((datetime.fromtimestamp(fix.at_s, UTC) for fix in reversed(track.fixes) if not fix.is_stale), None)
