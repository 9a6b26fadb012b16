"""What happened, one row per revision: never changed, only followed by another."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Table


class Event(Table):
    """A change of fact. ``matched_at`` is null until its subscriptions have been looked up."""

    __tablename__ = "event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    dedupe_key: Mapped[str]
    revision: Mapped[int] = mapped_column(server_default="1")
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"))
    certainty: Mapped[str]
    occurred_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
    matched_at: Mapped[datetime | None]
    is_quiet: Mapped[bool] = mapped_column(
        server_default="false", comment="old news, kept for the record; told to nobody"
    )

    __table_args__ = (
        UniqueConstraint("dedupe_key", "revision"),
        Index("ix_event_unmatched", "recorded_at", postgresql_where=text("matched_at is null")),
        Index(None, "subject"),
        Index(None, "recorded_at"),
    )
