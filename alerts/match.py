"""From an event to the people who asked for it, with the reason in words.

A correction goes to everyone who was told what it corrects, whatever their subscription says now. News about a channel
goes to the other channels, never to the one it is about.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from models.store.match import (
    EventRow,
    Told,
    claim_unmatched_events,
    list_told,
    mark_matched,
    record_match,
    wake_senders,
)
from models.store.session import Connection, Engine, transaction
from models.store.subscription import SubscriptionLine, list_subscriptions
from models.vocab.airport import find_airport
from models.vocab.certainty import Certainty
from models.vocab.event import AnyPayload, ArticlePayload, EventKind, FlightPayload, HealthPayload

BATCH_SIZE = 100
GIVE_UP_AFTER = timedelta(hours=24)
"""How long a message is tried (reliability.md §3.2); a corrected or repeated alert after a day helps nobody."""

CHANNEL_KINDS = frozenset({EventKind.CHANNEL_DISABLED, EventKind.CHANNEL_FAILING})

_payloads: TypeAdapter[AnyPayload] = TypeAdapter(AnyPayload)


@dataclass(frozen=True)
class Hit:
    """One subscription that an event is for, and why."""

    subscription_id: UUID
    channel_id: UUID
    reason: str


def read_payload(event: EventRow) -> AnyPayload | None:
    """The payload as its type, or None when it cannot be read: such an event is still told, in fewer words."""
    try:
        return _payloads.validate_python(event.payload, strict=False)
    except ValidationError:
        return None


def match_events(engine: Engine, now: datetime) -> int:
    """Give every new event to those who asked for it; how many messages that made. Raises StoreUnavailable."""
    made_count = 0
    while True:
        with transaction(engine) as connection:
            events = claim_unmatched_events(connection, BATCH_SIZE)
            subscriptions = list_subscriptions(connection) if events else []
            batch_count = sum(_record_hits(connection, event, subscriptions, now) for event in events)
            if batch_count:
                wake_senders(connection)
        made_count += batch_count
        if len(events) < BATCH_SIZE:
            return made_count


def find_hits(event: EventRow, subscriptions: Sequence[SubscriptionLine], told: Sequence[Told] = ()) -> list[Hit]:
    """Whom an event is for. ``told``: those who were told what this event corrects."""
    hits = {
        earlier.subscription_id: Hit(
            earlier.subscription_id, earlier.channel_id, "you were told what this message corrects"
        )
        for earlier in told
    }
    if event.kind in CHANNEL_KINDS:
        found = _find_channel_hits(event, subscriptions)
    else:
        found = _find_plain_hits(event, subscriptions)
    for hit in found:
        hits.setdefault(hit.subscription_id, hit)
    return list(hits.values())


def _record_hits(
    connection: Connection, event: EventRow, subscriptions: Sequence[SubscriptionLine], now: datetime
) -> int:
    told: list[Told] = []
    if event.revision > 1 or event.supersedes_id is not None or event.kind == EventKind.FLIGHT_CORRECTED:
        leg_id = event.payload.get("leg_id") if event.supersedes_id is None else None
        told = list_told(connection, event, leg_id if isinstance(leg_id, str) else None)
    made_count = sum(
        record_match(
            connection,
            subscription_id=hit.subscription_id,
            channel_id=hit.channel_id,
            event_id=event.id,
            reason=hit.reason,
            now=now,
            life=GIVE_UP_AFTER,
        )
        for hit in find_hits(event, subscriptions, told)
    )
    mark_matched(connection, event.id, now)
    return made_count


def _find_plain_hits(event: EventRow, subscriptions: Sequence[SubscriptionLine]) -> Iterator[Hit]:
    payload = read_payload(event)
    certainty = Certainty(event.certainty) if event.certainty in set(Certainty) else Certainty.POSSIBLE
    for subscription in subscriptions:
        if subscription.kinds is not None and event.kind not in subscription.kinds:
            continue
        if certainty.rank < Certainty(subscription.least_certainty).rank:
            continue
        reason = _say_why(subscription, payload)
        if reason:
            yield Hit(subscription.id, subscription.channel_id, reason)


def _find_channel_hits(event: EventRow, subscriptions: Sequence[SubscriptionLine]) -> Iterator[Hit]:
    """Those on other working channels who want everything or this channel's news; when there are none, all others."""
    others = [
        subscription
        for subscription in subscriptions
        if str(subscription.channel_id) != event.subject and subscription.channel_state == "active"
    ]
    payload = read_payload(event)
    name = payload.name if isinstance(payload, HealthPayload) else ""
    wanted = [
        subscription
        for subscription in others
        if (subscription.what == "any" or (subscription.what == "source" and subscription.value in {"", name}))
        and (subscription.kinds is None or event.kind in subscription.kinds)
    ]
    for subscription in wanted or others:
        yield Hit(subscription.id, subscription.channel_id, "another channel of this installation is in trouble")


def _say_why(
    subscription: SubscriptionLine, payload: FlightPayload | ArticlePayload | HealthPayload | None
) -> str | None:
    """Why a subscription wants an event, or None when it does not. An unreadable event goes to those who want all."""
    value = subscription.value.strip()
    if subscription.what == "any":
        return "you asked for everything"
    if payload is None:
        return None
    if subscription.what == "source":
        is_about = isinstance(payload, HealthPayload) and value in {payload.name, *payload.sources}
        return f"you watch the source {value}" if is_about else None
    if isinstance(payload, ArticlePayload):
        if subscription.what == "keyword" and _mentions(payload, value):
            return f"you watch the word {value}"
        return None
    if not isinstance(payload, FlightPayload):
        return None
    if subscription.what == "aircraft" and _names_aircraft(payload, value):
        return f"you watch the aircraft {value.upper()}"
    if subscription.what == "operator" and payload.operator and _fold(value) == _fold(payload.operator):
        return f"you watch the operator {payload.operator}"
    if subscription.what == "airport":
        return _say_why_airport(payload, value)
    return None


def _say_why_airport(payload: FlightPayload, value: str) -> str | None:
    wanted = _airport_id(value)
    if payload.departure and payload.departure.airport and _airport_id(payload.departure.airport) == wanted:
        return f"you watch the airport {value.upper()}, where this flight began"
    if payload.arrival and payload.arrival.airport and _airport_id(payload.arrival.airport) == wanted:
        return f"you watch the airport {value.upper()}, where this flight ended"
    return None


def _airport_id(code: str) -> str:
    airport = find_airport(code.strip().upper())
    return airport.id if airport else code.strip().upper()


def _names_aircraft(payload: FlightPayload, value: str) -> bool:
    wanted = value.replace("-", "").lower()
    return wanted in {payload.icao24.lower(), (payload.registration or "").replace("-", "").lower()} - {""}


def _mentions(payload: ArticlePayload, value: str) -> bool:
    """Whether an article has the word or phrase; ``deport*`` stands for every ending."""
    words = _fold(value)
    if not words.strip("*"):
        return False
    ending = r"\w*" if words.endswith("*") else r"(?!\w)"
    pattern = r"(?<!\w)" + re.escape(words.rstrip("*")) + ending
    return re.search(pattern, _fold(f"{payload.title}\n{payload.summary}\n{payload.text}")) is not None


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()
