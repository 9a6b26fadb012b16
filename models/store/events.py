"""Write down what happened, once, in the transaction of the fact it follows from."""

from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from models.store.listen import EVENT_CHANNEL
from models.tables import Event
from models.vocab.certainty import Certainty
from models.vocab.event import AnyPayload, EventKind

EVENT_NAMESPACE = UUID("5a8c1f86-6f1e-4a52-9f0f-2a4c0e2d7b11")


def record_event(
    connection: Connection,
    *,
    kind: EventKind,
    subject: str,
    dedupe_key: str,
    certainty: Certainty,
    occurred_at: datetime,
    payload: AnyPayload,
    recorded_at: datetime,
    revision: int = 1,
    supersedes_id: UUID | None = None,
    is_quiet: bool = False,
) -> UUID | None:
    """Record an event and wake whoever tells people, once the transaction commits. A quiet one is only recorded.

    Returns None and writes nothing when this revision of ``dedupe_key`` is already known. A revision above 1 corrects
    the event ``supersedes_id`` names.
    """
    event_id = uuid5(EVENT_NAMESPACE, f"{dedupe_key}#{revision}")
    row = connection.execute(
        insert(Event)
        .values(
            id=event_id,
            kind=kind.value,
            subject=subject,
            dedupe_key=dedupe_key,
            revision=revision,
            supersedes_id=supersedes_id,
            certainty=certainty.value,
            occurred_at=occurred_at,
            payload=payload.model_dump(mode="json"),
            recorded_at=recorded_at,
            matched_at=recorded_at if is_quiet else None,
            is_quiet=is_quiet,
        )
        .on_conflict_do_nothing()
        .returning(Event.id)
    ).first()
    if row is None:
        return None
    if not is_quiet:
        connection.execute(text("select pg_notify(:channel, :id)"), {"channel": EVENT_CHANNEL, "id": str(event_id)})
    return event_id
