"""Bring the stored legs of an aircraft into agreement with its positions, and record what changed with them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, insert, select, text, update

from models.derive.changes import (
    Context,
    KnownLeg,
    News,
    Told,
    end_s,
    find_news,
    judge_standing,
    make_dedupe_key,
    pair_legs,
    retract_leg,
    to_last_fix,
)
from models.derive.legs import Leg
from models.store.events import record_event
from models.tables import Event
from models.tables import Leg as LegRow
from models.vocab.event import EventKind, FlightPayload, LegEnd

LEG_NAMESPACE = UUID("d2e0a7c4-0c43-4f0b-9a55-6f0f6d1f5c02")
TOLD_KINDS = (EventKind.FLIGHT_DEPARTED, EventKind.FLIGHT_LANDED, EventKind.FLIGHT_SIGNAL_LOST)

_ends: TypeAdapter[LegEnd | None] = TypeAdapter(LegEnd | None)


def lock_aircraft(connection: Connection, icao24: str) -> None:
    """Wait until nobody else derives the legs of this aircraft, until the transaction ends."""
    connection.execute(text("select pg_advisory_xact_lock(hashtext('legs'), hashtext(:icao24))"), {"icao24": icao24})


def reconcile_legs(
    connection: Connection,
    icao24: str,
    legs: Sequence[Leg],
    *,
    since_at: datetime,
    looked_at: datetime | None,
    clock_at: datetime,
    now: datetime,
    looked_until_at: datetime | None = None,
    operator_of: Callable[[str], str | None] = lambda icao24: None,
    registration_of: Callable[[str], str | None] = lambda icao24: None,
) -> list[UUID]:
    """Store ``legs`` as the legs of an aircraft that end at or after ``since_at``; return the ids of events raised.

    ``looked_at``: when a source that was well last looked for it. ``clock_at``: the present by the sources' clock,
    which tells old news from new. ``looked_until_at``: the instant up to which ``legs`` were derived.
    """
    lock_aircraft(connection, icao24)
    rows = {row.id: row for row in _read_rows(connection, icao24, since_at)}
    told = _read_told(connection, icao24, since_at, set(rows))
    known = {leg_id: _to_known(row) for leg_id, row in rows.items()}
    for leg_id, by_kind in told.items():
        known.setdefault(leg_id, _recall(leg_id, by_kind))
    pairing = pair_legs(list(known.values()), [leg for leg in legs if end_s(leg) >= since_at.timestamp()])
    taken = set(known)
    news: list[News] = []
    for earlier, leg in pairing.pairs:
        leg_id = earlier.id if earlier else _make_id(leg, taken)
        taken.add(leg_id)
        context = Context(leg_id, registration_of(icao24), operator_of(icao24), clock_at, looked_at)
        row = rows.get(leg_id)
        values = _to_values(leg, context, looked_until_at)
        values["standing"] = judge_standing(earlier, row.standing if row else None, leg)
        _write(connection, leg_id, row, values, now)
        news.extend(find_news(leg, told.get(leg_id, {}), context))
    for gone in pairing.vanished:
        connection.execute(delete(LegRow).where(LegRow.id == gone.id))
        context = Context(gone.id, registration_of(icao24), operator_of(icao24), clock_at, looked_at)
        news.extend(retract_leg(told.get(gone.id, {}), context))
    return _record(connection, icao24, news, now)


def _record(connection: Connection, icao24: str, news: Sequence[News], now: datetime) -> list[UUID]:
    recorded = [
        record_event(
            connection,
            kind=item.kind,
            subject=icao24,
            dedupe_key=item.dedupe_key,
            certainty=item.certainty,
            occurred_at=item.occurred_at,
            payload=item.payload,
            recorded_at=now,
            revision=item.revision,
            supersedes_id=item.supersedes_id,
            is_quiet=item.is_quiet,
        )
        for item in news
    ]
    return [event_id for event_id in recorded if event_id is not None]


def _read_rows(connection: Connection, icao24: str, since_at: datetime) -> Sequence[Row[Any]]:
    return connection.execute(
        select(LegRow.__table__)
        .where(
            LegRow.icao24 == icao24,
            func.greatest(LegRow.last_fix_at, func.coalesce(LegRow.arrived_at, LegRow.last_fix_at)) >= since_at,
        )
        .order_by(LegRow.first_fix_at)
    ).all()


def _read_told(
    connection: Connection, icao24: str, since_at: datetime, leg_ids: set[UUID]
) -> dict[UUID, dict[EventKind, Told]]:
    """The latest revision of all that was recorded of these legs, and of legs since ``since_at`` whose row is gone."""
    kinds = {make_dedupe_key(kind, ""): kind for kind in TOLD_KINDS}
    since = select(Event.payload["leg_id"].astext).where(Event.subject == icao24, Event.occurred_at >= since_at)
    named = {UUID(leg_id) for leg_id in connection.execute(since.distinct()).scalars() if leg_id}
    elsewhere = set(connection.execute(select(LegRow.id).where(LegRow.id.in_(named - leg_ids))).scalars())
    wanted = (named | leg_ids) - elsewhere
    rows = connection.execute(
        select(Event.id, Event.dedupe_key, Event.revision, Event.payload, Event.is_quiet)
        .where(
            Event.subject == icao24,
            Event.dedupe_key.in_([make_dedupe_key(kind, leg_id) for kind in TOLD_KINDS for leg_id in wanted]),
        )
        .order_by(Event.dedupe_key, Event.revision)
    )
    told: dict[UUID, dict[EventKind, Told]] = {}
    for event_id, key, revision, payload, is_quiet in rows:
        prefix, _, leg_id = key.rpartition(":")
        read = Told(event_id, revision, FlightPayload.model_validate(payload), is_quiet)
        told.setdefault(UUID(leg_id), {})[kinds[f"{prefix}:"]] = read
    return told


def _recall(leg_id: UUID, told: Mapping[EventKind, Told]) -> KnownLeg:
    """A leg as it was told, where the legs themselves were dropped to be derived again."""
    payloads = [item.payload for item in told.values()]
    departure = next((payload.departure for payload in payloads if payload.departure), None)
    arrival = next((payload.arrival for payload in payloads if payload.arrival), None)
    fixes = [payload.last_fix.at for payload in payloads if payload.last_fix]
    instants = [*fixes, *(end.at for end in (departure, arrival) if end)]
    return KnownLeg(leg_id, departure, arrival, min(instants), max(instants))


def _to_known(row: Row[Any]) -> KnownLeg:
    return KnownLeg(
        row.id,
        _ends.validate_python(row.departure),
        _ends.validate_python(row.arrival),
        row.first_fix_at,
        row.last_fix_at,
    )


def _make_id(leg: Leg, taken: set[UUID]) -> UUID:
    """An id that follows from the aircraft and the first position of the leg, so that deriving again gives the same."""
    name = f"{leg.icao24}:{int(leg.first_fix.at_s)}"
    leg_id = uuid5(LEG_NAMESPACE, name)
    number = 1
    while leg_id in taken:
        number += 1
        leg_id = uuid5(LEG_NAMESPACE, f"{name}:{number}")
    return leg_id


def _to_values(leg: Leg, context: Context, looked_until_at: datetime | None) -> dict[str, Any]:
    return {
        "icao24": leg.icao24,
        "registration": context.registration or leg.registration,
        "operator": context.operator,
        "callsigns": list(leg.callsigns),
        "status": leg.status,
        "departure": leg.departure.model_dump(mode="json") if leg.departure else None,
        "arrival": leg.arrival.model_dump(mode="json") if leg.arrival else None,
        "departed_at": leg.departure.at if leg.departure else None,
        "arrived_at": leg.arrival.at if leg.arrival else None,
        "departure_airport": leg.departure.airport if leg.departure else None,
        "arrival_airport": leg.arrival.airport if leg.arrival else None,
        "first_fix": to_last_fix(leg.first_fix).model_dump(mode="json"),
        "last_fix": to_last_fix(leg.last_fix).model_dump(mode="json"),
        "first_fix_at": datetime.fromtimestamp(leg.first_fix.at_s, UTC),
        "last_fix_at": datetime.fromtimestamp(leg.last_fix.at_s, UTC),
        "max_gap_s": round(leg.max_gap_s),
        "position_count": leg.position_count,
        "is_interpolated": leg.is_interpolated,
        "sources": list(leg.sources),
        # What is over does not depend on how long we looked afterwards.
        "looked_until_at": looked_until_at if leg.status in ("airborne", "lost") else None,
    }


def _write(connection: Connection, leg_id: UUID, row: Row[Any] | None, values: dict[str, Any], now: datetime) -> None:
    """Write a leg only where it differs, so that deriving the same again changes nothing."""
    if row is None:
        connection.execute(insert(LegRow).values(id=leg_id, derived_at=now, **values))
    elif any(getattr(row, name) != value for name, value in values.items()):
        connection.execute(update(LegRow).where(LegRow.id == leg_id).values(derived_at=now, **values))
