"""What people asked to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, select, update

from models.store.channel import REMOVED
from models.tables.delivery import Channel, Subscription

WHATS = ("any", "aircraft", "operator", "airport", "keyword", "source")


@dataclass(frozen=True)
class SubscriptionLine:
    """One subscription with what must be known of its channel to match an event."""

    id: UUID
    channel_id: UUID
    channel_label: str
    channel_state: str
    what: str
    value: str
    kinds: tuple[str, ...] | None
    least_certainty: str
    created_at: datetime


def add_subscription(
    connection: Connection,
    *,
    channel_id: UUID,
    what: str,
    value: str,
    kinds: Sequence[str] | None,
    least_certainty: str,
    now: datetime,
) -> UUID:
    """Keep a subscription and return its id."""
    subscription_id = uuid4()
    connection.execute(
        insert(Subscription).values(
            id=subscription_id,
            channel_id=channel_id,
            what=what,
            value=value,
            kinds=list(kinds) if kinds else None,
            least_certainty=least_certainty,
            created_at=now,
        )
    )
    return subscription_id


def list_subscriptions(connection: Connection) -> list[SubscriptionLine]:
    """All subscriptions that have not ended, oldest first."""
    rows = connection.execute(
        select(
            Subscription.id,
            Subscription.channel_id,
            Channel.label,
            Channel.state,
            Subscription.what,
            Subscription.value,
            Subscription.kinds,
            Subscription.least_certainty,
            Subscription.created_at,
        )
        .join(Channel, Channel.id == Subscription.channel_id)
        .where(Subscription.ended_at.is_(None), Channel.state != REMOVED)
        .order_by(Subscription.created_at, Subscription.id)
    )
    return [
        SubscriptionLine(
            id=row.id,
            channel_id=row.channel_id,
            channel_label=row.label,
            channel_state=row.state,
            what=row.what,
            value=row.value,
            kinds=None if row.kinds is None else tuple(row.kinds),
            least_certainty=row.least_certainty,
            created_at=row.created_at,
        )
        for row in rows
    ]


def end_subscription(connection: Connection, subscription_id: UUID, now: datetime) -> bool:
    """End a subscription. False when there is no such, or it had ended."""
    row = connection.execute(
        update(Subscription)
        .where(Subscription.id == subscription_id, Subscription.ended_at.is_(None))
        .values(ended_at=now)
        .returning(Subscription.id)
    ).first()
    return row is not None
