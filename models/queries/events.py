"""Events for people to look at, and the way from an event back to the bytes it rests on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, ScalarSelect, func, select
from sqlalchemy.orm import InstrumentedAttribute

from models.items import make_article_key
from models.tables.crawl import Capture, Fetch, Observation
from models.tables.delivery import Delivery
from models.tables.event import Event
from models.tables.flight import Position
from models.vocab.event import AnyPayload, ArticlePayload, FlightPayload, HealthPayload

PAYLOAD: TypeAdapter[FlightPayload | ArticlePayload | HealthPayload] = TypeAdapter(AnyPayload)
Value = TypeVar("Value")
AROUND_AN_END = timedelta(minutes=6)
"""how far around a take-off or landing positions count as its evidence"""


@dataclass(frozen=True)
class EventLine:
    """One revision of one event."""

    id: UUID
    kind: str
    subject: str
    dedupe_key: str
    revision: int
    certainty: str
    occurred_at: datetime
    recorded_at: datetime
    payload: FlightPayload | ArticlePayload | HealthPayload


@dataclass(frozen=True)
class EvidenceLine:
    """One observation an event rests on, and the captured bytes it was read from."""

    observed_at: datetime
    source: str
    latitude: float | None
    longitude: float | None
    altitude_ft: int | None
    on_ground: bool | None
    ground_speed_kt: float | None
    is_interpolated: bool
    locator: str
    capture_sha256: str
    url: str | None
    fetched_at: datetime | None


@dataclass(frozen=True)
class CaptureLine:
    """Captured bytes, and the first fetch that brought them."""

    sha256: str
    byte_count: int
    url: str | None
    fetched_at: datetime | None


COLUMNS = (
    Event.id,
    Event.kind,
    Event.subject,
    Event.dedupe_key,
    Event.revision,
    Event.certainty,
    Event.occurred_at,
    Event.recorded_at,
    Event.payload,
)


def find_event(connection: Connection, event_id: UUID) -> EventLine | None:
    """One event by its id."""
    row = connection.execute(select(*COLUMNS).where(Event.id == event_id)).one_or_none()
    return None if row is None else _event_line(row)


def list_revisions(connection: Connection, dedupe_key: str) -> list[EventLine]:
    """All that was said about one thing, first to last."""
    rows = connection.execute(select(*COLUMNS).where(Event.dedupe_key == dedupe_key).order_by(Event.revision))
    return [_event_line(row) for row in rows]


def list_events(connection: Connection, *, limit: int = 50) -> list[EventLine]:
    """The newest events first."""
    rows = connection.execute(select(*COLUMNS).order_by(Event.recorded_at.desc(), Event.id).limit(limit))
    return [_event_line(row) for row in rows]


def find_events_of_deliveries(connection: Connection, idempotency_keys: list[str]) -> dict[str, UUID]:
    """Which event each message told, by the message's key; a message about no event is left out."""
    rows = connection.execute(
        select(Delivery.idempotency_key, Delivery.event_id).where(
            Delivery.idempotency_key.in_(idempotency_keys), Delivery.event_id.is_not(None)
        )
    )
    return {key: event_id for key, event_id in rows if event_id is not None}


def list_evidence(connection: Connection, event: EventLine, *, limit: int = 40) -> list[EvidenceLine]:
    """The observations an event rests on, in time order: positions around each end of the leg, or the article."""
    if isinstance(event.payload, FlightPayload):
        return _flight_evidence(connection, event.payload, limit)
    if isinstance(event.payload, ArticlePayload):
        return _article_evidence(connection, event.payload, limit)
    return []


def find_capture(connection: Connection, sha256: str) -> CaptureLine | None:
    """Captured bytes by their hash (64 hexadecimal digits)."""
    row = connection.execute(
        select(Capture.byte_count, Fetch.url, Fetch.fetched_at)
        .outerjoin(Fetch, Fetch.capture_id == Capture.id)
        .where(Capture.sha256 == bytes.fromhex(sha256))
        .order_by(Fetch.fetched_at)
        .limit(1)
    ).one_or_none()
    return None if row is None else CaptureLine(sha256, *row)


def _event_line(row: Row[Any]) -> EventLine:
    values = dict(row._mapping)
    return EventLine(**values | {"payload": PAYLOAD.validate_python(values["payload"])})


def _flight_evidence(connection: Connection, payload: FlightPayload, limit: int) -> list[EvidenceLine]:
    moments = [end.at for end in (payload.departure, payload.arrival) if end is not None]
    if payload.last_fix is not None and payload.arrival is None:
        moments.append(payload.last_fix.at)
    found: dict[tuple[datetime, str], EvidenceLine] = {}
    for moment in moments:
        distance = func.abs(func.extract("epoch", Position.observed_at - moment))
        rows = connection.execute(
            select(
                Position.observed_at,
                Position.source,
                Position.latitude,
                Position.longitude,
                Position.altitude_ft,
                Position.on_ground,
                Position.ground_speed_kt,
                Position.is_interpolated,
                Position.locator,
                Capture.sha256,
                _first_fetch(Fetch.url).label("url"),
                _first_fetch(Fetch.fetched_at).label("fetched_at"),
            )
            .join(Capture, Capture.id == Position.capture_id)
            .where(
                Position.icao24 == payload.icao24,
                Position.observed_at.between(moment - AROUND_AN_END, moment + AROUND_AN_END),
            )
            .order_by(distance)
            .limit(max(1, limit // len(moments)))
        )
        for row in rows:
            values = dict(row._mapping)
            sha256 = values.pop("sha256").hex()
            found[row[0], row[1]] = EvidenceLine(**values, capture_sha256=sha256)
    return [found[key] for key in sorted(found)]


def _article_evidence(connection: Connection, payload: ArticlePayload, limit: int) -> list[EvidenceLine]:
    rows = connection.execute(
        select(
            Observation.first_seen_at,
            Observation.source,
            Observation.locator,
            Capture.sha256,
            _first_fetch(Fetch.url).label("url"),
            _first_fetch(Fetch.fetched_at).label("fetched_at"),
        )
        .join(Capture, Capture.id == Observation.capture_id)
        .where(Observation.source_key == make_article_key(payload.url))
        .order_by(Observation.first_seen_at)
        .limit(limit)
    )
    return [
        EvidenceLine(seen_at, source, None, None, None, None, None, False, locator, sha256.hex(), url, fetched_at)
        for seen_at, source, locator, sha256, url, fetched_at in rows
    ]


def _first_fetch(column: InstrumentedAttribute[Value]) -> ScalarSelect[Value]:
    """The column of the earliest fetch that brought a row's capture."""
    return select(column).where(Fetch.capture_id == Capture.id).order_by(Fetch.fetched_at).limit(1).scalar_subquery()
