"""Say so when we have gone blind: a source, or all sources of a kind, that has not answered well for too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, func, select

from models.store.events import record_event
from models.tables import Crawl, Event, Source
from models.vocab.certainty import Certainty
from models.vocab.event import EventKind, HealthPayload


@dataclass(frozen=True)
class Promise:
    """How fresh something is meant to be: one of ``slugs`` answers well every ``cadence``."""

    name: str
    slugs: tuple[str, ...]
    cadence: timedelta
    may_miss: int = 5

    @property
    def patience(self) -> timedelta:
        """How long may pass without a good answer before people are told."""
        return self.cadence * self.may_miss


def report_silences(connection: Connection, now: datetime, promises: Sequence[Promise]) -> list[UUID]:
    """Raise ``source.silent`` for each promise that is broken and ``source.recovered`` for each that holds again.

    Each silence is told once, however often this runs. What was never crawled has promised nothing.
    """
    told = [event_id for promise in promises for event_id in (_report(connection, now, promise),)]
    return [event_id for event_id in told if event_id is not None]


def _report(connection: Connection, now: datetime, promise: Promise) -> UUID | None:
    last_ok_at = connection.execute(
        select(func.max(Source.last_ok_at)).where(Source.slug.in_(promise.slugs))
    ).scalar_one_or_none()
    since_at = (
        last_ok_at
        or connection.execute(
            select(func.min(Crawl.started_at)).where(Crawl.source.in_(promise.slugs))
        ).scalar_one_or_none()
    )
    if since_at is None:
        return None
    if now - since_at > promise.patience:
        return _record(connection, now, promise, EventKind.SOURCE_SILENT, since_at, now, _say_why(connection, promise))
    silent_since_at = _last_told_silence(connection, promise)
    if silent_since_at is None or last_ok_at is None or last_ok_at <= silent_since_at:
        return None
    reason = f"answers again since {last_ok_at.isoformat(timespec='minutes')}"
    return _record(connection, now, promise, EventKind.SOURCE_RECOVERED, silent_since_at, last_ok_at, reason)


def _last_told_silence(connection: Connection, promise: Promise) -> datetime | None:
    """When the last silence that was told began."""
    payload = connection.execute(
        select(Event.payload)
        .where(Event.subject == promise.name, Event.kind == EventKind.SOURCE_SILENT.value)
        .order_by(Event.recorded_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return HealthPayload.model_validate(payload).since_at if payload else None


def _say_why(connection: Connection, promise: Promise) -> str:
    row = connection.execute(
        select(Source.slug, Source.state, Source.reason)
        .where(Source.slug.in_(promise.slugs))
        .order_by(Source.last_run_at.desc().nulls_last())
        .limit(1)
    ).one_or_none()
    if row is None or row.state in {"ok", "never"}:
        return "it is no longer asked"
    return f"{row.state}: {row.reason}"[:300]


def _record(
    connection: Connection,
    now: datetime,
    promise: Promise,
    kind: EventKind,
    since_at: datetime,
    occurred_at: datetime,
    reason: str,
) -> UUID | None:
    return record_event(
        connection,
        kind=kind,
        subject=promise.name,
        dedupe_key=f"{kind.value}:{promise.name}:{since_at.isoformat()}",
        certainty=Certainty.CONFIRMED,
        occurred_at=occurred_at,
        payload=HealthPayload(name=promise.name, reason=reason, since_at=since_at, sources=promise.slugs),
        recorded_at=now,
    )
