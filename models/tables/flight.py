"""Where aircraft were, and the legs derived from it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Table


class Position(Table):
    """One position as one source said it. Partitioned by month of observed_at (UTC), which is rounded to the second.

    ``capture_id`` has no foreign key: the check costs more than the insert, captures are never deleted, and the load
    step resolves the id from the hash in the same transaction.
    """

    __tablename__ = "position"

    icao24: Mapped[str] = mapped_column(primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    latitude: Mapped[float]
    longitude: Mapped[float]
    altitude_ft: Mapped[int | None] = mapped_column(Integer)
    altitude_geometric_ft: Mapped[int | None] = mapped_column(Integer)
    altitude_is_geometric: Mapped[bool]
    on_ground: Mapped[bool | None]
    ground_speed_kt: Mapped[float | None] = mapped_column(REAL)
    track_deg: Mapped[float | None] = mapped_column(REAL)
    vertical_rate_fpm: Mapped[int | None] = mapped_column(Integer)
    qnh_hpa: Mapped[float | None] = mapped_column(REAL)
    callsign: Mapped[str | None]
    squawk: Mapped[str | None]
    registration: Mapped[str | None]
    aircraft_type: Mapped[str | None]
    position_kind: Mapped[str | None]
    is_stale: Mapped[bool]
    is_interpolated: Mapped[bool]
    capture_id: Mapped[int]
    locator: Mapped[str]

    __table_args__ = ({"postgresql_partition_by": "RANGE (observed_at)"},)


class Leg(Table):
    """One take-off to one landing, as far as it is known. Rewritten as more is known; events keep the history."""

    __tablename__ = "leg"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    icao24: Mapped[str]
    registration: Mapped[str | None]
    operator: Mapped[str | None]
    callsigns: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[str]
    standing: Mapped[str] = mapped_column(comment="provisional | confirmed | revised")
    departure: Mapped[dict[str, Any] | None]
    arrival: Mapped[dict[str, Any] | None]
    departed_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    departure_airport: Mapped[str | None]
    arrival_airport: Mapped[str | None]
    first_fix: Mapped[dict[str, Any]]
    last_fix: Mapped[dict[str, Any]]
    first_fix_at: Mapped[datetime]
    last_fix_at: Mapped[datetime]
    max_gap_s: Mapped[int]
    position_count: Mapped[int]
    is_interpolated: Mapped[bool]
    sources: Mapped[list[str]] = mapped_column(ARRAY(Text))
    looked_until_at: Mapped[datetime | None] = mapped_column(
        comment="watched so far; null when only the record is known"
    )
    derived_at: Mapped[datetime]

    __table_args__ = (Index(None, "icao24", "first_fix_at"), Index(None, "departed_at"), Index(None, "arrived_at"))


class DeriveMark(Table):
    """Which aircraft have positions that legs have not been derived from yet."""

    __tablename__ = "derive_mark"

    icao24: Mapped[str] = mapped_column(primary_key=True)
    since_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")
