"""From an event to those who asked for it: claimed once, written with its deliveries in one transaction."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from models.store.listen import EVENT_CHANNEL
from models.tables.delivery import Delivery, Match, Subscription
from models.tables.event import Event


@dataclass(frozen=True)
class EventRow:
    """An event as stored; the payload has not been read yet, and may turn out to be unreadable."""

    id: UUID
    kind: str
    subject: str
    dedupe_key: str
    revision: int
    supersedes_id: UUID | None
    certainty: str
    occurred_at: datetime
    payload: dict[str, Any]
    recorded_at: datetime


@dataclass(frozen=True)
class Told:
    """A subscription through which someone was told an earlier version of an event."""

    subscription_id: UUID
    channel_id: UUID


EVENT_COLUMNS = (
    Event.id,
    Event.kind,
    Event.subject,
    Event.dedupe_key,
    Event.revision,
    Event.supersedes_id,
    Event.certainty,
    Event.occurred_at,
    Event.payload,
    Event.recorded_at,
)


def idempotency_key(event_id: UUID, channel_id: UUID) -> str:
    """The same for the same event and channel for ever, so that whoever receives a repeat can know it for one."""
    return hashlib.sha256(event_id.bytes + channel_id.bytes).hexdigest()


def claim_unmatched_events(connection: Connection, limit: int) -> list[EventRow]:
    """Events nobody has looked up subscriptions for, oldest first, locked until the transaction ends."""
    rows = connection.execute(
        select(*EVENT_COLUMNS)
        .where(Event.matched_at.is_(None))
        .order_by(Event.recorded_at, Event.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [EventRow(*row) for row in rows]


def mark_matched(connection: Connection, event_id: UUID, now: datetime) -> None:
    """Say that all who asked for this event have a delivery."""
    connection.execute(update(Event).where(Event.id == event_id).values(matched_at=now))


def wake_senders(connection: Connection) -> None:
    """Have whoever sends look for new messages once the transaction commits; whoever matched need not be a sender."""
    connection.execute(text("select pg_notify(:channel, 'delivery')"), {"channel": EVENT_CHANNEL})


def list_told(connection: Connection, event: EventRow, leg_id: str | None) -> list[Told]:
    """Who was told, or is about to be told, an earlier version of this event or of the same leg."""
    earlier = select(Event.id).where(
        Event.id != event.id,
        or_(
            Event.id == event.supersedes_id,
            (Event.dedupe_key == event.dedupe_key) & (Event.revision < event.revision),
            *([(Event.subject == event.subject) & (Event.payload["leg_id"].astext == leg_id)] if leg_id else []),
        ),
        Event.recorded_at <= event.recorded_at,
    )
    ids = set(connection.execute(earlier).scalars())
    step = event.supersedes_id
    while step is not None:  # the chain of what replaced what
        ids.add(step)
        step = connection.execute(select(Event.supersedes_id).where(Event.id == step)).scalar()
        if step in ids:
            break
    rows = connection.execute(
        select(Match.subscription_id, Subscription.channel_id)
        .join(Subscription, Subscription.id == Match.subscription_id)
        .where(Match.event_id.in_(ids))
        .distinct()
        .order_by(Match.subscription_id)
    )
    return [Told(*row) for row in rows]


def record_match(
    connection: Connection,
    *,
    subscription_id: UUID,
    channel_id: UUID,
    event_id: UUID,
    reason: str,
    now: datetime,
    life: timedelta,
) -> bool:
    """Write a match and its delivery. True when that is new: two subscriptions of one channel make one message."""
    connection.execute(
        insert(Match)
        .values(id=uuid4(), subscription_id=subscription_id, event_id=event_id, reason=reason, matched_at=now)
        .on_conflict_do_nothing(index_elements=[Match.subscription_id, Match.event_id])
    )
    row = connection.execute(
        insert(Delivery)
        .values(
            id=uuid4(),
            event_id=event_id,
            channel_id=channel_id,
            idempotency_key=idempotency_key(event_id, channel_id),
            next_try_at=now,
            expires_at=now + life,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Delivery.idempotency_key])
        .returning(Delivery.id)
    ).first()
    return row is not None
