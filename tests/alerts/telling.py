"""What the tests of telling share: a web server to send to, channels, subscriptions and events."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from uuid import UUID, uuid4

from sqlalchemy import Engine

from alerts.addresses import seal_address
from models.secrets import InstanceKey
from models.store.channel import add_channel
from models.store.events import record_event
from models.store.session import transaction
from models.store.subscription import add_subscription
from models.vocab.certainty import Certainty, Evidence
from models.vocab.event import EventKind, FlightPayload, LegEnd

NOW = datetime(2025, 11, 3, 21, 5, tzinfo=UTC)


@dataclass
class Received:
    """One request a sink got."""

    path: str
    key: str | None
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, str]:
        return json.loads(self.body)


@dataclass
class Sink:
    """A real web server on loopback whose answers a test chooses by path."""

    port: int
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]]
    received: list[Received] = field(default_factory=list)

    def url(self, path: str = "/ok", scheme: str = "json") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @property
    def pair(self) -> str:
        return f"127.0.0.1:{self.port}"

    def wait_for(self, count: int, timeout_s: float = 15) -> list[Received]:
        wait_until(lambda: len(self.received) >= count, timeout_s)
        return self.received


def wait_until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    stop_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < stop_at, "waited too long"
        time.sleep(0.02)


def answer_with(status: int, *, body: bytes = b"ok", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def make_channel(engine: Engine, key: InstanceKey, url: str, label: str = "first", now: datetime = NOW) -> UUID:
    channel_id = uuid4()
    with transaction(engine) as connection:
        sealed = seal_address(key, channel_id, url)
        assert add_channel(
            connection, channel_id=channel_id, label=label, scheme=url.partition(":")[0], url_sealed=sealed, now=now
        )
    return channel_id


def subscribe(
    engine: Engine,
    channel_id: UUID,
    what: str = "any",
    value: str = "",
    *,
    kinds: tuple[str, ...] | None = None,
    least: str = "possible",
    now: datetime = NOW,
) -> UUID:
    with transaction(engine) as connection:
        return add_subscription(
            connection, channel_id=channel_id, what=what, value=value, kinds=kinds, least_certainty=least, now=now
        )


def make_flight(**changes: object) -> FlightPayload:
    known: dict[str, object] = {
        "leg_id": "leg-1",
        "icao24": "a1b2c3",
        "registration": "N123AB",
        "operator": "Invented Air",
        "callsigns": ("IVA12",),
        "departure": LegEnd(at=NOW, airport="KIWA", evidence=Evidence.GROUND_OBSERVED, certainty=Certainty.CONFIRMED),
        "sources": ("adsb_lol",),
        "last_looked_at": NOW,
    }
    return FlightPayload.model_validate(known | changes)


def make_event(
    engine: Engine,
    *,
    kind: EventKind = EventKind.FLIGHT_DEPARTED,
    payload: object = None,
    dedupe_key: str | None = None,
    revision: int = 1,
    supersedes_id: UUID | None = None,
    certainty: Certainty = Certainty.CONFIRMED,
    subject: str = "leg-1",
    now: datetime = NOW,
) -> UUID:
    with transaction(engine) as connection:
        event_id = record_event(
            connection,
            kind=kind,
            subject=subject,
            dedupe_key=dedupe_key or f"test:{uuid4()}",
            certainty=certainty,
            occurred_at=now,
            payload=payload or make_flight(),  # type: ignore[arg-type]
            recorded_at=now,
            revision=revision,
            supersedes_id=supersedes_id,
        )
    assert event_id is not None
    return event_id
