"""Who wants to know what, and every attempt to tell them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Table


class Channel(Table):
    """One way to reach someone. The address is a credential: encrypted, never shown, never logged."""

    __tablename__ = "channel"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(unique=True)
    scheme: Mapped[str]
    url_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default="active", comment="active | disabled | removed")
    reason: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    consecutive_failure_count: Mapped[int] = mapped_column(server_default="0")


class Subscription(Table):
    """What someone wants to be told, and on which channel."""

    __tablename__ = "subscription"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channel.id"))
    what: Mapped[str] = mapped_column(comment="any | aircraft | operator | airport | keyword | source")
    value: Mapped[str] = mapped_column(server_default="")
    kinds: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    least_certainty: Mapped[str] = mapped_column(server_default="possible")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "what", "value"),)


class Match(Table):
    """An event that a subscription asked for, with the reason in words."""

    __tablename__ = "match"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"))
    reason: Mapped[str]
    matched_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("subscription_id", "event_id"),)


class Delivery(Table):
    """One message to one channel: exists before the send, claimed with a lease and a fencing token."""

    __tablename__ = "delivery"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"))
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channel.id"))
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(
        server_default="queued", comment="queued | sending | sent | failed_temporary | failed_permanent | expired"
    )
    token: Mapped[int] = mapped_column(server_default="0")
    attempt_count: Mapped[int] = mapped_column(server_default="0")
    lease_until_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    last_code: Mapped[str | None]

    __table_args__ = (
        Index(
            "ix_delivery_due",
            "next_try_at",
            postgresql_where=text("state in ('queued', 'sending', 'failed_temporary')"),
        ),
        Index(None, "event_id"),
    )


class Attempt(Table):
    """One try to send one delivery; committed before the send, so that a crash leaves its trace."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.id"))
    token: Mapped[int]
    worker: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(
        comment="null while sending | sent | failed_temporary | failed_permanent | abandoned"
    )
    code: Mapped[str | None]

    __table_args__ = (UniqueConstraint("delivery_id", "token"),)
