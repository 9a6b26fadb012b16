"""Bundles and flights made up for tests, in the form a crawl leaves them."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from models.items import ArticleItem, Fetch, Item, PositionItem, Run, Verdict

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
ICAO24 = "a1b2c3"
BODY = b'{"ac": []}'
CAPTURE = hashlib.sha256(BODY).hexdigest()
ALEXANDRIA = (31.3274, -92.5486)
SAN_ANTONIO = (29.5337, -98.4698)

_numbers = count(1)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def make_bundle(
    parent: Path,
    items: Iterable[Item] = (),
    *,
    source: str = "adsb_lol",
    verdict: Verdict = Verdict.OK,
    at: datetime = NOON,
    asked: tuple[str, ...] = (ICAO24,),
    bodies: Iterable[bytes] = (BODY,),
    lines: Iterable[bytes] = (),
    run_id: UUID | None = None,
    retry_after_s: float | None = None,
    canary_count: int | None = 5,
) -> Path:
    """Write a bundle and return its folder. ``lines`` are added to the items as they are."""
    folder = parent / f"bundle-{next(_numbers)}"
    folder.mkdir()
    fetches = []
    with (folder / "captures.warc.gz").open("wb") as file:
        for number, body in enumerate(bodies):
            url = f"https://api.example.org/v2/hex/{number}"
            file.write(gzip.compress(_make_warc_record(url, body)))
            sha256 = hashlib.sha256(body).hexdigest()
            fetches.append(
                Fetch(url=url, fetched_at=at, status_code=200, sha256=sha256, byte_count=len(body), content_type="a/b")
            )
    written = [item.model_dump_json(exclude_none=True).encode() for item in items]
    (folder / "items.jsonl").write_bytes(b"".join(line + b"\n" for line in (*written, *lines)))
    run = Run(
        run_id=run_id or uuid4(),
        source=source,
        started_at=at,
        finished_at=at,
        verdict=verdict,
        reason="" if verdict is Verdict.OK else "made up",
        item_counts={"position": len(written)},
        canary_count=canary_count,
        asked=asked,
        retry_after_s=retry_after_s,
        recorded_at=at,
        fetches=tuple(fetches),
    )
    (folder / "run.json").write_text(run.model_dump_json())
    return folder


def _make_warc_record(url: str, body: bytes) -> bytes:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{uuid4()}>\r\nWARC-Target-URI: {url}\r\n"
        "WARC-Date: 2026-01-10T12:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


def make_position(at: datetime = NOON, **values: object) -> PositionItem:
    """A position in cruise over Texas."""
    given = {
        "capture": CAPTURE,
        "locator": "ac[0]",
        "icao24": ICAO24,
        "observed_at": at,
        "latitude": 30.5,
        "longitude": -95.5,
        "altitude_ft": 31000,
        "on_ground": False,
        "ground_speed_kt": 420.0,
        "callsign": "TST1",
    }
    return PositionItem.model_validate(given | values)


def make_article(url: str = "https://news.example.org/1", **values: object) -> ArticleItem:
    """A news article."""
    given = {"capture": CAPTURE, "locator": "entry[0]", "url": url, "publisher": "News", "title": "Flight leaves"}
    return ArticleItem.model_validate(given | values)


def fly(
    start: datetime,
    origin: tuple[float, float] = ALEXANDRIA,
    goal: tuple[float, float] = SAN_ANTONIO,
    *,
    minutes: float = 60,
    step_s: int = 20,
    taxi_minutes: float = 4,
    **values: object,
) -> Iterator[PositionItem]:
    """Positions of one flight, from taxiing out to standing at the gate; ``start`` is the lift-off."""
    taxi_s, air_s = int(taxi_minutes * 60), int(minutes * 60)
    for t in range(-taxi_s, air_s + taxi_s + 1, step_s):
        part = min(1.0, max(0.0, t / air_s))
        on_ground = t <= 0 or t >= air_s
        height = 0 if on_ground else min(31000, 2000 * t / 60, 1800 * (air_s - t) / 60)
        yield make_position(
            start + timedelta(seconds=t),
            latitude=round(origin[0] + (goal[0] - origin[0]) * part, 5),
            longitude=round(origin[1] + (goal[1] - origin[1]) * part, 5),
            altitude_ft=None if on_ground else round(height / 25) * 25 + 150,
            on_ground=on_ground,
            ground_speed_kt=12.0 if on_ground else min(380.0, 140 + height / 100),
            **values,
        )


def dump_tables(engine: Engine, *, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Everything in the database, table by table, row by row; columns named in ``without`` are left out."""
    with engine.connect() as connection:
        names = connection.execute(
            text("select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'")
        ).scalars()
        return {
            name: sorted(
                json.dumps({key: value for key, value in row.items() if key not in without}, sort_keys=True)
                for row in connection.execute(text(f'select to_jsonb(t) from "{name}" t')).scalars()
            )
            for name in sorted(names)
        }
