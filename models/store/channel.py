"""Ways to reach people: kept with their address sealed, switched off when they fail for good."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from models.tables.delivery import Channel, Delivery, Subscription

ACTIVE, DISABLED, REMOVED = "active", "disabled", "removed"


@dataclass(frozen=True)
class ChannelLine:
    """What may be shown of a channel: everything but its address."""

    id: UUID
    label: str
    scheme: str
    state: str
    reason: str
    created_at: datetime
    disabled_at: datetime | None
    last_success_at: datetime | None
    consecutive_failure_count: int


_SHOWN = (
    Channel.id,
    Channel.label,
    Channel.scheme,
    Channel.state,
    Channel.reason,
    Channel.created_at,
    Channel.disabled_at,
    Channel.last_success_at,
    Channel.consecutive_failure_count,
)


def add_channel(
    connection: Connection, *, channel_id: UUID, label: str, scheme: str, url_sealed: bytes, now: datetime
) -> bool:
    """Keep a channel. False when the label is taken; then nothing is written."""
    row = connection.execute(
        insert(Channel)
        .values(id=channel_id, label=label, scheme=scheme, url_sealed=url_sealed, created_at=now)
        .on_conflict_do_nothing(index_elements=[Channel.label])
        .returning(Channel.id)
    ).first()
    return row is not None


def list_channels(connection: Connection) -> list[ChannelLine]:
    """All channels but removed ones, oldest first."""
    rows = connection.execute(
        select(*_SHOWN).where(Channel.state != REMOVED).order_by(Channel.created_at, Channel.label)
    )
    return [ChannelLine(*row) for row in rows]


def find_channel(connection: Connection, name: str) -> ChannelLine | None:
    """The channel with this label, or with this id or an unmistakable beginning of it."""
    lines = list_channels(connection)
    for line in lines:
        if line.label == name:
            return line
    begun = [line for line in lines if len(name) >= 4 and str(line.id).startswith(name.lower())]
    return begun[0] if len(begun) == 1 else None


def read_sealed_url(connection: Connection, channel_id: UUID) -> bytes:
    """The sealed address of a channel, for the one who is about to send."""
    return connection.execute(select(Channel.url_sealed).where(Channel.id == channel_id)).scalar_one()


def enable_channel(connection: Connection, channel_id: UUID) -> None:
    """Use a channel again, with a clean record."""
    connection.execute(
        update(Channel)
        .where(Channel.id == channel_id, Channel.state != REMOVED)
        .values(state=ACTIVE, reason="", disabled_at=None, consecutive_failure_count=0)
    )


def disable_channel(connection: Connection, channel_id: UUID, reason: str, now: datetime) -> bool:
    """Stop using a channel. False when it was off already, so that its owner is told once."""
    row = connection.execute(
        update(Channel)
        .where(Channel.id == channel_id, Channel.state == ACTIVE)
        .values(state=DISABLED, reason=reason, disabled_at=now)
        .returning(Channel.id)
    ).first()
    return row is not None


def remove_channel(connection: Connection, channel_id: UUID, now: datetime) -> None:
    """Forget a channel's address and label, end its subscriptions and give up what waits; its history stays."""
    connection.execute(
        update(Channel)
        .where(Channel.id == channel_id)
        .values(state=REMOVED, label=f"removed {channel_id}", url_sealed=b"", reason="removed", disabled_at=now)
    )
    connection.execute(
        update(Subscription)
        .where(Subscription.channel_id == channel_id, Subscription.ended_at.is_(None))
        .values(ended_at=now)
    )
    connection.execute(
        update(Delivery)
        .where(Delivery.channel_id == channel_id, Delivery.state.in_(("queued", "failed_temporary")))
        .values(state="expired", last_code="channel removed")
    )


def note_success(connection: Connection, channel_id: UUID, now: datetime) -> None:
    """Record that a message got through."""
    connection.execute(
        update(Channel).where(Channel.id == channel_id).values(last_success_at=now, consecutive_failure_count=0)
    )


def note_failure(connection: Connection, channel_id: UUID) -> tuple[str, int]:
    """Record that a message did not get through; label of the channel and how many in a row that makes."""
    row = connection.execute(
        update(Channel)
        .where(Channel.id == channel_id)
        .values(consecutive_failure_count=Channel.consecutive_failure_count + 1)
        .returning(Channel.label, Channel.consecutive_failure_count)
    ).one()
    return row.label, row.consecutive_failure_count
