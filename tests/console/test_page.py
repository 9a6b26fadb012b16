"""The page tells a tired person what is so, how we know, and when we do not; and it trusts nothing it shows."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, insert

from alerts.inbox import append_message
from console.app import HEADINGS, make_app, read_attributions
from crawlers.sources_page import find_spiders
from models.archive import Archive
from models.settings import Settings
from models.store.partitions import ensure_partitions
from models.store.session import make_engine
from models.tables import Capture, Channel, Crawl, Delivery, Event, Fetch, Leg, Position, Source
from models.vocab.event import EventKind

AT = datetime(2026, 1, 10, 13, 30, tzinfo=UTC)
BODY = b'{"ac": []}'
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive"))


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application on a loopback port; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(tmp_path: Path, engine: Engine, archive: Archive) -> Iterator[str]:
    """Address of a running page on an empty installation."""
    with serving(make_app(Settings(home=tmp_path), engine, archive)) as address:
        yield address


@pytest.fixture
def told(tmp_path: Path, engine: Engine, archive: Archive) -> dict[str, str]:
    """A departure that was observed, concluded and told to the inbox; with ids to look for."""
    sha256 = archive.keep(BODY)
    event_id, leg_id, crawl_id, channel_id = uuid4(), uuid4(), uuid4(), uuid4()
    end = {"at": AT.isoformat(), "airport": "KELP", "evidence": "ground_observed", "certainty": "confirmed"}
    fix = {"at": AT.isoformat(), "latitude": 31.8, "longitude": -106.4}
    with engine.begin() as connection:
        ensure_partitions(connection, AT, AT)
        connection.execute(
            insert(Source).values(slug="adsb_lol", state="unreachable", state_since_at=AT, reason=HOSTILE)
        )
        connection.execute(
            insert(Crawl).values(
                id=crawl_id,
                source="adsb_lol",
                started_at=AT,
                finished_at=AT,
                verdict="ok",
                reason="",
                report={},
                loaded_at=AT,
            )
        )
        capture_id = connection.execute(
            insert(Capture)
            .values(sha256=bytes.fromhex(sha256), byte_count=len(BODY), archived_at=AT)
            .returning(Capture.id)
        ).scalar_one()
        connection.execute(
            insert(Fetch).values(
                crawl_id=crawl_id,
                capture_id=capture_id,
                source="adsb_lol",
                url="https://api.adsb.lol/v2/hex/a00001",
                status_code=200,
                fetched_at=AT,
            )
        )
        connection.execute(
            insert(Position).values(
                icao24="a00001",
                observed_at=AT,
                source="adsb_lol",
                latitude=31.8,
                longitude=-106.4,
                on_ground=True,
                altitude_is_geometric=False,
                is_stale=False,
                is_interpolated=False,
                capture_id=capture_id,
                locator="ac[0]",
                ground_speed_kt=120.0,
            )
        )
        connection.execute(
            insert(Leg).values(
                id=leg_id,
                icao24="a00001",
                registration="N1",
                operator=HOSTILE,
                callsigns=["TYSON45"],
                status="airborne",
                standing="provisional",
                departure=end,
                departed_at=AT,
                departure_airport="KELP",
                first_fix=fix,
                last_fix=fix,
                first_fix_at=AT,
                last_fix_at=AT,
                max_gap_s=60,
                position_count=3,
                is_interpolated=False,
                sources=["adsb_lol"],
                derived_at=AT,
            )
        )
        connection.execute(
            insert(Event).values(
                id=event_id,
                kind="flight.departed",
                subject="a00001",
                dedupe_key="k",
                certainty="confirmed",
                occurred_at=AT,
                recorded_at=AT,
                payload={"leg_id": str(leg_id), "icao24": "a00001", "type": "flight", "departure": end},
            )
        )
        connection.execute(
            insert(Channel).values(id=channel_id, label="inbox", scheme="inbox", url_sealed=b"x", created_at=AT)
        )
        connection.execute(
            insert(Delivery).values(
                id=uuid4(),
                event_id=event_id,
                channel_id=channel_id,
                idempotency_key="key-1",
                next_try_at=AT,
                expires_at=AT,
                created_at=AT,
            )
        )
    append_message(tmp_path / "inbox.jsonl", key="key-1", title=f"N1 left El Paso {HOSTILE}", body="body", at=AT)
    return {"event": str(event_id), "sha256": sha256}


def test_an_empty_installation_says_that_nothing_seen_proves_nothing(page: str) -> None:
    answer = httpx.get(page)
    assert answer.status_code == 200
    assert "That is not proof that none flew" in answer.text
    assert "No source has been asked yet" in answer.text


def test_a_reader_walks_from_the_alert_to_the_bytes(page: str, told: dict[str, str]) -> None:
    front = httpx.get(page).text
    assert f"/events/{told['event']}" in front
    event = httpx.get(f"{page}/events/{told['event']}").text
    assert f"/captures/{told['sha256']}" in event
    assert "10 Jan 2026 13:30Z" in event
    bytes_received = httpx.get(f"{page}/captures/{told['sha256']}")
    assert bytes_received.content == BODY
    assert bytes_received.headers["content-disposition"].startswith("attachment")


def test_local_time_and_z_stand_side_by_side(page: str, told: dict[str, str]) -> None:
    front = httpx.get(page).text
    assert "10 Jan 2026 13:30Z" in front
    assert "Sat 10 Jan 06:30 MST" in front


def test_a_source_in_trouble_is_named_with_its_beginning(page: str, told: dict[str, str]) -> None:
    front = httpx.get(page).text
    assert "unreachable" in front
    assert "since 10 Jan 2026 13:30Z" in front


def test_what_strangers_wrote_is_text(page: str, told: dict[str, str]) -> None:
    for path in ("/", "/flights", "/sources", f"/events/{told['event']}", f"/flights?aircraft={HOSTILE}"):
        assert "<script>alert" not in httpx.get(page + path).text


def test_damaged_bytes_are_not_handed_out_as_evidence(page: str, told: dict[str, str], tmp_path: Path) -> None:
    sha256 = told["sha256"]
    (tmp_path / "archive/sha256" / sha256[:2] / sha256[2:4] / sha256).write_bytes(b"changed")
    answer = httpx.get(f"{page}/captures/{sha256}")
    assert answer.status_code == 500
    assert b"changed" not in answer.content


def test_a_name_that_was_rebound_to_this_machine_is_refused(page: str) -> None:
    assert httpx.get(page, headers={"Host": "evil.example"}).status_code == 421
    assert httpx.get(page, headers={"Host": "localhost:8620"}).status_code == 200


def test_a_name_the_operator_gave_is_served(tmp_path: Path, engine: Engine, archive: Archive) -> None:
    settings = Settings(home=tmp_path, page_names="tarmac.example, Watch.Example")
    with serving(make_app(settings, engine, archive)) as address:
        assert httpx.get(address, headers={"Host": "watch.example"}).status_code == 200
        assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 421


def test_nothing_is_loaded_from_elsewhere(page: str, told: dict[str, str]) -> None:
    answer = httpx.get(page)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text.replace(page, "")


@pytest.mark.parametrize(
    "path", ["/events/not-an-id", "/events/7a98e237-d4d6-438e-a438-7ad25de48a76", "/captures/../../key", "/nowhere"]
)
def test_what_is_not_there_is_said_so(page: str, path: str) -> None:
    answer = httpx.get(page + path)
    assert answer.status_code in {404, 422}


def test_health_is_work_done(page: str, tmp_path: Path) -> None:
    assert httpx.get(f"{page}/health").status_code == 503
    now = datetime.now(UTC)
    (tmp_path / "notifier.json").write_text(json.dumps({"last_sweep_at": now.isoformat()}))
    assert httpx.get(f"{page}/health").json() == {"ok": True, "problems": []}
    (tmp_path / "notifier.json").write_text(json.dumps({"last_sweep_at": (now - timedelta(minutes=5)).isoformat()}))
    assert "has not done a round since" in httpx.get(f"{page}/health").json()["problems"][0]


def test_the_page_stays_up_while_the_database_is_away(tmp_path: Path, archive: Archive) -> None:
    engine = make_engine("postgresql://nobody@127.0.0.1:1/none")
    with serving(make_app(Settings(home=tmp_path), engine, archive)) as address:
        assert httpx.get(address).status_code == 503
        assert "the database does not answer" in httpx.get(f"{address}/health").text


def test_adsb_fi_is_named_with_a_link_as_it_asks(page: str) -> None:
    assert '<a href="https://adsb.fi"' in httpx.get(page).text


def test_every_kind_of_event_has_a_heading() -> None:
    assert set(HEADINGS) == {kind.value for kind in EventKind}


def test_attributions_are_those_the_sources_ask_for() -> None:
    asked = {spider.source.attribution for slug, spider in find_spiders().items() if slug != "feed"}
    assert set(read_attributions()) == asked


@pytest.mark.browser
def test_a_real_browser_shows_the_alert(page: str, told: dict[str, str]) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("NO BROWSER: install chromium to run this test")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--dump-dom",
        page,
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "N1 left El Paso" in shown
