"""How far the telling is: what waits, for how long, and what became of each message."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from models.store.delivery import UNSENT
from models.tables.delivery import Attempt, Channel, Delivery
from models.tables.event import Event


@dataclass(frozen=True)
class Queue:
    """What waits to be sent on working channels, and events nobody has been matched to yet."""

    waiting_count: int
    oldest_at: datetime | None
    unmatched_count: int

    def age_s(self, now: datetime) -> float:
        """Seconds the oldest message has waited; 0 when nothing waits."""
        return 0.0 if self.oldest_at is None else max(0.0, (now - self.oldest_at).total_seconds())


@dataclass(frozen=True)
class DeliveryLine:
    """One message, for the page: to which channel, about what, and how it stands."""

    id: UUID
    event_id: UUID | None
    kind: str | None
    channel_label: str
    state: str
    attempt_count: int
    created_at: datetime
    sent_at: datetime | None
    next_try_at: datetime
    last_code: str | None


@dataclass(frozen=True)
class AttemptLine:
    """One try to send a message."""

    token: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: str | None


def measure_queue(connection: Connection) -> Queue:
    """What waits at this moment."""
    waiting, oldest_at = connection.execute(
        select(func.count(), func.min(Delivery.created_at))
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.state.in_(UNSENT), Channel.state == "active")
    ).one()
    unmatched = connection.execute(select(func.count()).where(Event.matched_at.is_(None))).scalar_one()
    return Queue(waiting, oldest_at, unmatched)


def list_deliveries(connection: Connection, *, limit: int = 50) -> list[DeliveryLine]:
    """The newest messages first."""
    rows = connection.execute(
        select(
            Delivery.id,
            Delivery.event_id,
            Event.kind,
            Channel.label.label("channel_label"),
            Delivery.state,
            Delivery.attempt_count,
            Delivery.created_at,
            Delivery.sent_at,
            Delivery.next_try_at,
            Delivery.last_code,
        )
        .join(Channel, Channel.id == Delivery.channel_id)
        .outerjoin(Event, Event.id == Delivery.event_id)
        .order_by(Delivery.created_at.desc(), Delivery.id)
        .limit(limit)
    )
    return [DeliveryLine(**row._mapping) for row in rows]


def list_attempts(connection: Connection, delivery_id: UUID) -> list[AttemptLine]:
    """Every try to send a message, first to last."""
    rows = connection.execute(
        select(Attempt.token, Attempt.started_at, Attempt.finished_at, Attempt.outcome, Attempt.code)
        .where(Attempt.delivery_id == delivery_id)
        .order_by(Attempt.token)
    )
    return [AttemptLine(*row) for row in rows]
