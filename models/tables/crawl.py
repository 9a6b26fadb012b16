"""What was fetched: sources and their health, crawls, captured bytes, fetches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Table


class Source(Table):
    """Health of one source: when it last answered, and whether its silence means anything."""

    __tablename__ = "source"

    slug: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="never")
    reason: Mapped[str] = mapped_column(server_default="")
    state_since_at: Mapped[datetime | None]
    last_run_at: Mapped[datetime | None]
    last_ok_at: Mapped[datetime | None]
    canary_count: Mapped[int | None]
    consecutive_failure_count: Mapped[int] = mapped_column(server_default="0")
    not_before_at: Mapped[datetime | None]


class Crawl(Table):
    """One crawl, from its ``run.json``."""

    __tablename__ = "crawl"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(ForeignKey("source.slug"))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    recorded_at: Mapped[datetime | None]
    verdict: Mapped[str]
    reason: Mapped[str]
    report: Mapped[dict[str, Any]]
    refused_count: Mapped[int] = mapped_column(
        server_default="0", comment="items of the bundle that could not be loaded"
    )
    load_issues: Mapped[list[Any]] = mapped_column(
        JSONB, server_default="[]", comment="why, the first of them in words"
    )
    loaded_at: Mapped[datetime]

    __table_args__ = (Index(None, "source", "finished_at"),)


class Capture(Table):
    """Bytes as received, kept in the archive under their hash."""

    __tablename__ = "capture"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    byte_count: Mapped[int]
    content_type: Mapped[str | None]
    archived_at: Mapped[datetime]


class Fetch(Table):
    """One answer: which bytes came from which address at which minute."""

    __tablename__ = "fetch"

    id: Mapped[int] = mapped_column(primary_key=True)
    crawl_id: Mapped[UUID] = mapped_column(ForeignKey("crawl.id", ondelete="CASCADE"))
    capture_id: Mapped[int] = mapped_column(ForeignKey("capture.id"))
    source: Mapped[str]
    url: Mapped[str]
    status_code: Mapped[int]
    fetched_at: Mapped[datetime]

    # By the hash of the address: a batched query is longer than an index entry may be.
    __table_args__ = (
        Index("uq_fetch_answer", "source", func.md5(text("url")), "fetched_at", "capture_id", unique=True),
        Index(None, "capture_id"),
    )


class AircraftLook(Table):
    """When a source that was well was last asked about an aircraft: what turns no answer into silence."""

    __tablename__ = "aircraft_look"

    icao24: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]
    looking_since_at: Mapped[datetime] = mapped_column(
        comment="start of the unbroken run of looks, by whichever source"
    )


class Observation(Table):
    """What one source said at one time, for all that is not a position."""

    __tablename__ = "observation"

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    source_key: Mapped[str]
    content_hash: Mapped[str]
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    capture_id: Mapped[int] = mapped_column(ForeignKey("capture.id"))
    locator: Mapped[str]
    first_seen_at: Mapped[datetime]
    seen_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("source", "source_key", "content_hash"), Index(None, "kind", "first_seen_at"))
