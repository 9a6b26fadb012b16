"""Deliver at least once, never silently zero: which message goes next, and what follows from how its send ended.

The rows and their locks are in models/store/delivery.py; this is the policy. Promise (reliability.md §3): nothing is
lost, and each crash in the middle of a send makes at most one repeat, which says that it may be one.
"""

import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from alerts.answer import Answer, Outcome
from models.store.channel import disable_channel, note_failure, note_success
from models.store.delivery import (
    Claimed,
    DueChannel,
    claim_delivery,
    expire_deliveries,
    finish_attempt,
    list_due_channels,
)
from models.store.events import record_event
from models.store.session import Connection, Engine, transaction
from models.vocab.certainty import Certainty
from models.vocab.event import EventKind, HealthPayload

LEASE = timedelta(seconds=90)
"""Longer than the deadline of a send (alerts/worker.py), so that a living sender always finishes first."""
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
LONGEST_RETRY_AFTER_S = 3600.0
BREAKER_FAILURES = 5
BREAKER_PAUSE = timedelta(seconds=60)
SLOW_SEND_S = 10.0

CODE_WORDS = {
    "unusable address": "its address cannot be used any more",
    "http 301": "the service says it has moved for good (301)",
    "http 308": "the service says it has moved for good (308)",
    "http 401": "the service refuses the credential (401)",
    "http 403": "the service refuses the credential (403)",
    "http 404": "the service does not know the address (404)",
    "http 410": "the service says the address is gone (410)",
    "smtp 535": "the mail server refuses the credential (535)",
    "smtp 550": "the mail server does not know the recipient (550)",
    "not reached": "it cannot be reached",
    "no answer": "it does not answer in time",
    "deadline": "it does not answer in time",
    "private address refused": "its name leads into a private network",
}


def describe_code(code: str) -> str:
    """A send's code in words; codes without words of their own are safe to show."""
    return CODE_WORDS.get(code, f"it answers {code}")


def next_wait_s(attempt_count: int, share: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next try: anything up to a doubling limit (full jitter), and never before Retry-After ends.

    ``attempt_count``: tries so far, from 1. ``share``: where between 0 and the limit, from 0 to 1.
    """
    limit = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt_count - 1, 20))
    return max(limit * share, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))


@dataclass
class _Pace:
    """What this process remembers of a channel: nothing that must survive it."""

    last_duration_s: float = 0.0
    paused_until: datetime | None = None


class Outbox:
    """Chooses what to send next and settles what was sent. Thread-safe."""

    def __init__(self, engine: Engine, *, worker: str, slot_count: int = 4, lease: timedelta = LEASE) -> None:
        self._engine = engine
        self._worker = worker
        self._lease = lease
        self._suspect_limit = max(1, slot_count // 2)
        self._lock = threading.Lock()
        self._busy: dict[UUID, bool] = {}
        self._paces: dict[UUID, _Pace] = {}
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def take_next(self, now: datetime) -> Claimed | None:
        """Claim the next message, one in flight a channel; None when nothing is due. Raises StoreUnavailable.

        Quick channels go first. Those that failed last time or are slow share half of the slots, so that however many
        hang, the others are served.
        """
        with self._lock:
            with transaction(self._engine) as connection:
                due = list_due_channels(connection, now, self._lease)
            for channel in sorted(due, key=self._rank):
                if not self._may_send(channel, now):
                    continue
                with transaction(self._engine) as connection:
                    claimed = claim_delivery(
                        connection, channel.channel_id, worker=self._worker, now=now, lease=self._lease
                    )
                if claimed is not None:
                    self._busy[channel.channel_id] = self._is_suspect(channel)
                    return claimed
        return None

    def settle(self, claimed: Claimed, answer: Answer, now: datetime) -> bool:
        """Write how a send ended. False when the claim was no longer ours. Raises StoreUnavailable; then try again."""
        wait_s = next_wait_s(claimed.attempt_count, self._random.random(), answer.retry_after_s)
        with transaction(self._engine) as connection:
            failure_count = settle_claim(connection, claimed, answer, now, timedelta(seconds=wait_s))
        if failure_count is not None and failure_count >= BREAKER_FAILURES:
            self._pace(claimed.channel_id).paused_until = now + BREAKER_PAUSE
        return failure_count is not None

    def release(self, claimed: Claimed, duration_s: float) -> None:
        """Let the channel send again, remembering how long it took."""
        with self._lock:
            self._busy.pop(claimed.channel_id, None)
            self._pace(claimed.channel_id).last_duration_s = duration_s

    def _pace(self, channel_id: UUID) -> _Pace:
        return self._paces.setdefault(channel_id, _Pace())

    def _rank(self, channel: DueChannel) -> tuple[bool, float, datetime]:
        return (self._is_suspect(channel), self._pace(channel.channel_id).last_duration_s, channel.oldest_at)

    def _is_suspect(self, channel: DueChannel) -> bool:
        return channel.consecutive_failure_count > 0 or self._pace(channel.channel_id).last_duration_s > SLOW_SEND_S

    def _may_send(self, channel: DueChannel, now: datetime) -> bool:
        if channel.channel_id in self._busy:
            return False
        if self._is_suspect(channel) and sum(self._busy.values()) >= self._suspect_limit:
            return False
        paused_until = self._pace(channel.channel_id).paused_until
        if channel.consecutive_failure_count < BREAKER_FAILURES or paused_until is None:
            return True
        # A pause that ends later than any pause can is a clock that was set back.
        return not now < paused_until <= now + BREAKER_PAUSE


def settle_claim(
    connection: Connection, claimed: Claimed, answer: Answer, now: datetime, wait: timedelta
) -> int | None:
    """Write how a send ended and what follows. The channel's failures in a row, or None when the claim was not ours."""
    state, next_try_at = answer.outcome.value, None
    if answer.outcome in (Outcome.TEMPORARY, Outcome.UNCERTAIN):
        state = "expired" if now >= claimed.expires_at else "failed_temporary"
        next_try_at = now + wait
    is_ours = finish_attempt(
        connection,
        delivery_id=claimed.delivery_id,
        token=claimed.token,
        state=state,
        outcome=answer.outcome.value,
        code=answer.code,
        now=now,
        next_try_at=next_try_at,
    )
    if not is_ours:
        return None
    if answer.outcome is Outcome.SENT:
        note_success(connection, claimed.channel_id, now)
        return 0
    label, failure_count = note_failure(connection, claimed.channel_id)
    words = describe_code(answer.code)
    if answer.outcome is Outcome.PERMANENT:
        if disable_channel(connection, claimed.channel_id, words, now):
            _report(connection, EventKind.CHANNEL_DISABLED, claimed.channel_id, label, words, now)
    elif state == "expired":
        _report_given_up(connection, claimed.channel_id, label, 1, now)
    elif failure_count == BREAKER_FAILURES:
        reason = f"{words}; {failure_count} tries failed in a row, messages wait and are tried again"
        _report(connection, EventKind.CHANNEL_FAILING, claimed.channel_id, label, reason, now)
    return failure_count


def expire_old(engine: Engine, now: datetime) -> int:
    """Give up what is past its time, and say so through the other channels; how many messages that was."""
    with transaction(engine) as connection:
        expired = expire_deliveries(connection, now, BREAKER_FAILURES)
        for channel in expired:
            if channel.state == "active":  # of a disabled one its people have been told
                _report_given_up(connection, channel.channel_id, channel.label, channel.count, now)
    return sum(channel.count for channel in expired)


def _report_given_up(connection: Connection, channel_id: UUID, label: str, count: int, now: datetime) -> None:
    messages = "1 message was" if count == 1 else f"{count} messages were"
    reason = f"{messages} not delivered within 24 hours and will not be tried again; see the page for what they said"
    _report(connection, EventKind.CHANNEL_FAILING, channel_id, label, reason, now, hourly=True)


def _report(
    connection: Connection,
    kind: EventKind,
    channel_id: UUID,
    label: str,
    reason: str,
    now: datetime,
    *,
    hourly: bool = False,
) -> None:
    """Record an event about a channel. ``hourly``: at most one an hour, however many messages it concerns."""
    moment = now.strftime("%Y-%m-%dT%H") if hourly else now.isoformat()
    record_event(
        connection,
        kind=kind,
        subject=str(channel_id),
        dedupe_key=f"{kind}:{channel_id}:{moment}",
        certainty=Certainty.CONFIRMED,
        occurred_at=now,
        payload=HealthPayload(name=label, reason=reason, since_at=now),
        recorded_at=now,
    )
