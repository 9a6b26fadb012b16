"""The outbox: every message exists before it is sent, and every write after a claim carries the claim's token.

A claim lasts as long as its lease. When the lease runs out someone else may claim; the first one's later writes carry
an old token and change nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, update

from models.store.channel import ACTIVE, DISABLED
from models.store.match import EVENT_COLUMNS, EventRow
from models.tables.delivery import Attempt, Channel, Delivery, Match, Subscription
from models.tables.event import Event

WAITING = ("queued", "failed_temporary")
UNSENT = (*WAITING, "sending")
# How far two machines' clocks may differ before we say that one of them was set back.
CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True)
class DueChannel:
    """A channel that has something to send now."""

    channel_id: UUID
    consecutive_failure_count: int
    due_count: int
    oldest_at: datetime


@dataclass(frozen=True)
class Claimed:
    """One message that is ours to send until the lease ends; all later writes carry ``token``."""

    delivery_id: UUID
    token: int
    attempt_count: int
    is_repeat: bool
    idempotency_key: str
    expires_at: datetime
    channel_id: UUID
    channel_label: str
    url_sealed: bytes
    event: EventRow
    is_superseded: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Expired:
    """Messages of one channel that were given up."""

    channel_id: UUID
    label: str
    state: str
    count: int


def list_due_channels(connection: Connection, now: datetime, lease: timedelta) -> list[DueChannel]:
    """Active channels with something to send, the one that waits longest first."""
    rows = connection.execute(
        select(
            Delivery.channel_id,
            Channel.consecutive_failure_count,
            func.count(),
            func.min(Delivery.created_at).label("oldest_at"),
        )
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Channel.state == ACTIVE, _is_due(now, lease))
        .group_by(Delivery.channel_id, Channel.consecutive_failure_count)
        .order_by("oldest_at")
    )
    return [DueChannel(*row) for row in rows]


def claim_delivery(
    connection: Connection, channel_id: UUID, *, worker: str, now: datetime, lease: timedelta
) -> Claimed | None:
    """Take the oldest due message of a channel and write down the attempt; commit before sending."""
    due = connection.execute(
        select(Delivery.id)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.channel_id == channel_id, Channel.state == ACTIVE, _is_due(now, lease))
        .order_by(Delivery.created_at, Delivery.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Delivery)
    ).scalar()
    if due is None:
        return None
    row = connection.execute(
        update(Delivery)
        .where(Delivery.id == due)
        .values(
            state="sending",
            token=Delivery.token + 1,
            attempt_count=Delivery.attempt_count + 1,
            lease_until_at=now + lease,
        )
        .returning(
            Delivery.token, Delivery.attempt_count, Delivery.idempotency_key, Delivery.expires_at, Delivery.event_id
        )
    ).one()
    _abandon_open_attempts(connection, [due], now, "lease ran out")
    connection.execute(insert(Attempt).values(delivery_id=due, token=row.token, worker=worker, started_at=now))
    is_repeat = connection.execute(
        select(exists().where(Attempt.delivery_id == due, Attempt.outcome == "abandoned"))
    ).scalar_one()
    label, url_sealed = connection.execute(
        select(Channel.label, Channel.url_sealed).where(Channel.id == channel_id)
    ).one()
    event = EventRow(*connection.execute(select(*EVENT_COLUMNS).where(Event.id == row.event_id)).one())
    return Claimed(
        delivery_id=due,
        token=row.token,
        attempt_count=row.attempt_count,
        is_repeat=is_repeat,
        idempotency_key=row.idempotency_key,
        expires_at=row.expires_at,
        channel_id=channel_id,
        channel_label=label,
        url_sealed=url_sealed,
        event=event,
        is_superseded=connection.execute(
            select(exists().where(Event.dedupe_key == event.dedupe_key, Event.revision > event.revision))
        ).scalar_one(),
        reasons=_list_reasons(connection, event.id, channel_id),
    )


def finish_attempt(
    connection: Connection,
    *,
    delivery_id: UUID,
    token: int,
    state: str,
    outcome: str,
    code: str,
    now: datetime,
    next_try_at: datetime | None = None,
) -> bool:
    """Write how a claimed send ended. False, and nothing changed, when the claim is no longer ours."""
    values: dict[str, object] = {"state": state, "lease_until_at": None, "last_code": code}
    if next_try_at is not None:
        values["next_try_at"] = next_try_at
    if state == "sent":
        values["sent_at"] = now
    row = connection.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.token == token, Delivery.state == "sending")
        .values(values)
        .returning(Delivery.id)
    ).first()
    if row is None:
        return False
    connection.execute(
        update(Attempt)
        .where(Attempt.delivery_id == delivery_id, Attempt.token == token)
        .values(outcome=outcome, code=code, finished_at=now)
    )
    return True


def list_busy_workers(connection: Connection) -> list[str]:
    """Names of those who hold a claim at the moment."""
    return list(connection.execute(select(Attempt.worker).where(Attempt.outcome.is_(None)).distinct()).scalars())


def release_workers(connection: Connection, workers: Collection[str], now: datetime) -> int:
    """Take the claims back from workers known to be dead, without waiting for their leases; how many there were."""
    held = (
        select(Attempt.delivery_id)
        .join(Delivery, (Delivery.id == Attempt.delivery_id) & (Delivery.token == Attempt.token))
        .where(Attempt.worker.in_(workers), Attempt.outcome.is_(None), Delivery.state == "sending")
    )
    freed = list(
        connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(held))
            .values(state="failed_temporary", next_try_at=now, lease_until_at=None, last_code="sender died")
            .returning(Delivery.id)
        ).scalars()
    )
    _abandon_open_attempts(connection, freed, now, "sender died")
    return len(freed)


def expire_deliveries(connection: Connection, now: datetime, failure_limit: int) -> list[Expired]:
    """Give up what is past its time, a channel at a time.

    A message that was never tried on a working channel is not given up, however late: a machine that was off for two
    days still tells.
    """
    given_up = (
        update(Delivery)
        .where(
            Delivery.channel_id == Channel.id,
            or_(Delivery.state.in_(WAITING), and_(Delivery.state == "sending", Delivery.lease_until_at <= now)),
            Delivery.expires_at <= now,
            or_(
                Delivery.attempt_count > 0,
                Channel.state == DISABLED,
                Channel.consecutive_failure_count >= failure_limit,
            ),
        )
        .values(state="expired")
        .returning(Delivery.channel_id, Channel.label, Channel.state)
    )
    counts: dict[tuple[UUID, str, str], int] = {}
    for row in connection.execute(given_up):
        key = (row.channel_id, row.label, row.state)
        counts[key] = counts.get(key, 0) + 1
    return [Expired(*channel, count) for channel, count in counts.items()]


def _is_due(now: datetime, lease: timedelta) -> ColumnElement[bool]:
    # After a clock was set back, waits written before lie far ahead. A new message never waits, and neither does one
    # whose last try ended in what is now the future.
    was_tried_in_the_future = exists().where(
        Attempt.delivery_id == Delivery.id,
        Attempt.token == Delivery.token,
        Attempt.finished_at > now + CLOCK_TOLERANCE,
    )
    return or_(
        and_(
            Delivery.state.in_(WAITING),
            or_(Delivery.next_try_at <= now, Delivery.attempt_count == 0, was_tried_in_the_future),
        ),
        and_(
            Delivery.state == "sending",
            or_(Delivery.lease_until_at <= now, Delivery.lease_until_at > now + 2 * lease),
        ),
    )


def _abandon_open_attempts(connection: Connection, deliveries: Sequence[UUID], now: datetime, code: str) -> None:
    connection.execute(
        update(Attempt)
        .where(Attempt.delivery_id.in_(deliveries), Attempt.outcome.is_(None))
        .values(outcome="abandoned", code=code, finished_at=now)
    )


def _list_reasons(connection: Connection, event_id: UUID, channel_id: UUID) -> tuple[str, ...]:
    rows = connection.execute(
        select(Match.reason)
        .join(Subscription, Subscription.id == Match.subscription_id)
        .where(Match.event_id == event_id, Subscription.channel_id == channel_id)
        .order_by(Match.matched_at, Match.id)
    )
    return tuple(dict.fromkeys(rows.scalars()))
