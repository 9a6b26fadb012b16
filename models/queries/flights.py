"""Legs for people to look at, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, or_, select

from models.tables.flight import Leg
from models.vocab.event import LegEnd


@dataclass(frozen=True)
class LegLine:
    """One leg as it stands now."""

    id: UUID
    icao24: str
    registration: str | None
    operator: str | None
    callsigns: tuple[str, ...]
    status: str
    standing: str
    departure: LegEnd | None
    arrival: LegEnd | None
    first_fix_at: datetime
    last_fix_at: datetime
    max_gap_s: int
    position_count: int
    is_interpolated: bool
    sources: tuple[str, ...]


COLUMNS = (
    Leg.id,
    Leg.icao24,
    Leg.registration,
    Leg.operator,
    Leg.callsigns,
    Leg.status,
    Leg.standing,
    Leg.departure,
    Leg.arrival,
    Leg.first_fix_at,
    Leg.last_fix_at,
    Leg.max_gap_s,
    Leg.position_count,
    Leg.is_interpolated,
    Leg.sources,
)


def list_legs(connection: Connection, *, aircraft: str | None = None, limit: int = 50) -> list[LegLine]:
    """The latest legs by their last position; ``aircraft`` is an address or a registration in any case."""
    statement = select(*COLUMNS).order_by(Leg.last_fix_at.desc(), Leg.id).limit(limit)
    if aircraft is not None:
        statement = statement.where(
            or_(Leg.icao24 == aircraft.lower(), func.upper(Leg.registration) == aircraft.upper())
        )
    return [_leg_line(row) for row in connection.execute(statement)]


def _leg_line(row: Row[Any]) -> LegLine:
    values = dict(row._mapping)
    for end in ("departure", "arrival"):
        values[end] = None if values[end] is None else LegEnd.model_validate(values[end])
    values["callsigns"] = tuple(values["callsigns"])
    values["sources"] = tuple(values["sources"])
    return LegLine(**values)
