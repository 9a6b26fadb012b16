"""Which source is asked, what happens when it fails, and that nothing a crawl brought is lost."""

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flows.crawl import LOADED_FILE, crawl_source, load_left_bundles, remove_old_bundles
from flows.installation import Installation
from flows.replay.recording import load_recording
from flows.replay.server import ReplayServer, serve_replay
from flows.upkeep import keep_up
from flows.watch import FLIGHT_SOURCES, confirm_legs, order_sources, watch_flights, watch_news
from models import clock
from models.archive import Archive
from models.items import Verdict
from models.queries.watch import SourceState, list_source_states
from models.settings import Settings
from models.store.locks import hold_source
from models.store.session import transaction
from models.vocab.watchlist import load_watchlist

WATCHLIST = Path(__file__).parents[2] / "flows" / "replay" / "watchlist.yml"
NOW = datetime(2026, 1, 10, 13, tzinfo=UTC)
POLL = timedelta(seconds=60)


@pytest.fixture(scope="module")
def replay() -> Iterator[ReplayServer]:
    with serve_replay(load_recording()) as server:
        yield server


@pytest.fixture
def installation(engine: Engine, replay: ReplayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", replay.base_url)
    settings = Settings(home=tmp_path, watchlist=WATCHLIST)
    return Installation(settings, engine, Archive(settings.archive_location), clock.now())


def count(installation: Installation, table: str) -> int:
    with transaction(installation.engine) as connection:
        return int(connection.execute(text(f"select count(*) from {table}")).scalar() or 0)


def make_state(slug: str, **changes: object) -> SourceState:
    known: dict[str, object] = {
        "slug": slug,
        "state": "ok",
        "reason": "",
        "since_at": NOW,
        "last_run_at": NOW,
        "last_ok_at": NOW,
        "not_before_at": None,
        "failure_count": 0,
    }
    return SourceState(**known | changes)  # type: ignore[arg-type]


def order(*states: SourceState, now: datetime = NOW) -> list[str]:
    return order_sources(FLIGHT_SOURCES, {state.slug: state for state in states}, now, POLL)


def test_default_source_comes_first_and_sources_never_asked_are_asked() -> None:
    assert order() == ["adsb_lol", "adsb_fi", "airplanes_live"]


def test_source_that_asked_for_a_pause_is_left_alone_until_then() -> None:
    paused = make_state("adsb_lol", state="refused", not_before_at=NOW + timedelta(minutes=2))
    assert order(paused) == ["adsb_fi", "airplanes_live"]
    assert order(paused, now=NOW + timedelta(minutes=3))[0] == "adsb_lol"


def test_pause_that_a_source_asked_for_is_kept_even_when_no_other_is_left() -> None:
    later = NOW + timedelta(hours=1)
    assert order(*[make_state(slug, state="refused", not_before_at=later) for slug in FLIGHT_SOURCES]) == []


def test_source_that_keeps_failing_rests_longer_each_time_but_never_for_good() -> None:
    failing = make_state("adsb_lol", state="unreachable", failure_count=4)
    assert order(failing, now=NOW + timedelta(seconds=90)) == ["adsb_fi", "airplanes_live"]
    assert order(failing, now=NOW + timedelta(seconds=150))[0] == "adsb_lol"
    given_up = make_state("adsb_lol", state="unreachable", failure_count=400)
    assert order(given_up, now=NOW + timedelta(minutes=11))[0] == "adsb_lol"


def test_without_any_network_one_source_is_still_asked_each_time() -> None:
    states = [
        make_state(slug, state="unreachable", failure_count=9, last_run_at=NOW - timedelta(seconds=number))
        for number, slug in enumerate(FLIGHT_SOURCES)
    ]
    assert order(*states) == ["airplanes_live"]


def test_others_stand_in_for_a_source_that_fails_and_each_verdict_is_kept(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, replay: ReplayServer
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", nowhere)
    runs = watch_flights(installation, clock.now())
    assert [(run.source, run.verdict) for run in runs] == [(slug, Verdict.UNREACHABLE) for slug in FLIGHT_SOURCES]
    assert count(installation, "event where kind like 'flight.%'") == 0, "an outage is not an event in the sky"
    monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", replay.base_url)
    (run,) = watch_flights(installation, clock.now())
    assert run.verdict is Verdict.OK
    with transaction(installation.engine) as connection:
        states = {state.slug: state.state for state in list_source_states(connection)}
    assert states == {"adsb_lol": "ok", "adsb_fi": "unreachable", "airplanes_live": "unreachable"}


def test_source_is_not_crawled_by_two_processes_at_once_and_a_dead_one_holds_nothing(
    installation: Installation, database_url: str
) -> None:
    holder = (
        "import sys, time\nfrom models.store.locks import hold_source\nfrom models.store.session import make_engine\n"
        "with hold_source(make_engine(sys.argv[1]), 'adsb_lol') as held:\n    print(held, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder, database_url], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"True\n"
        assert crawl_source(installation, "adsb_lol") is None
        assert watch_flights(installation, clock.now()) == []
        with hold_source(installation.engine, "adsb_fi") as is_ours:
            assert is_ours, "another source is another lock"
        process.kill()
    run = crawl_source(installation, "adsb_lol", {"watchlist": str(WATCHLIST)})
    assert run is not None


def test_bundle_left_by_a_killed_process_is_loaded_later_and_only_once(installation: Installation) -> None:
    run = crawl_source(installation, "adsb_lol", {"watchlist": str(WATCHLIST)})
    assert run is not None
    (mark,) = installation.bundles.glob(f"*/*/{LOADED_FILE}")
    # as if the process had been killed between the crawl and the load
    mark.unlink()
    with transaction(installation.engine) as connection:
        connection.execute(text("truncate crawl cascade"))
    assert load_left_bundles(installation) == 1
    assert count(installation, "crawl") == 1
    assert load_left_bundles(installation) == 0
    # as if it had been killed between the load and the mark
    mark.unlink()
    before = count(installation, "position")
    assert load_left_bundles(installation) == 1
    assert (count(installation, "crawl"), count(installation, "position")) == (1, before)


def test_bundle_that_cannot_be_loaded_does_not_block_the_others(installation: Installation) -> None:
    assert crawl_source(installation, "adsb_lol", {"watchlist": str(WATCHLIST)})
    (good,) = installation.bundles.glob("*/*")
    broken = good.with_name("20200101T000000-broken")
    shutil.copytree(good, broken)
    (good / LOADED_FILE).unlink()
    (broken / LOADED_FILE).unlink()
    report = (broken / "run.json").read_text()
    (broken / "run.json").write_text(report.replace('"started_at": "20', '"started_at": "19'))
    assert load_left_bundles(installation) == 1
    assert (broken / LOADED_FILE).read_text() == "refused\n"


def test_loaded_bundles_go_after_some_days_and_others_stay(installation: Installation) -> None:
    assert crawl_source(installation, "adsb_lol", {"watchlist": str(WATCHLIST)})
    assert remove_old_bundles(installation, clock.now() + timedelta(days=2)) == 0
    (bundle,) = installation.bundles.glob("*/*")
    waiting = bundle.with_name("waiting")
    shutil.copytree(bundle, waiting)
    (waiting / LOADED_FILE).unlink()
    assert remove_old_bundles(installation, clock.now() + timedelta(days=4)) == 1
    assert [folder.name for folder in installation.bundles.glob("*/*")] == ["waiting"]


def test_day_files_confirm_what_was_seen_live_and_alert_nobody_twice(
    installation: Installation, replay: ReplayServer
) -> None:
    for _ in range(6):
        replay.clock.advance(240)  # type: ignore[attr-defined]
        watch_flights(installation, clock.now())
    told = count(installation, "event")
    assert count(installation, "leg where standing = 'provisional'") > 0
    run = confirm_legs(installation)
    assert run is not None
    assert run.verdict is Verdict.OK
    with transaction(installation.engine) as connection:
        keys = connection.execute(text("select dedupe_key, revision from event")).fetchall()
    assert len(keys) == len({tuple(key) for key in keys}) >= told


def test_news_are_read_once(installation: Installation) -> None:
    first = watch_news(installation, clock.now())
    assert {run.source: run.verdict for run in first} == {"moscow_times": Verdict.OK, "meduza": Verdict.OK}
    articles = count(installation, "observation")
    again = watch_news(installation, clock.now())
    assert sum(run.item_counts.get("article", 0) for run in again) == 0
    assert count(installation, "observation") == articles


def test_upkeep_makes_room_for_the_coming_month_and_may_run_at_any_time(installation: Installation) -> None:
    now = datetime(2030, 5, 20, tzinfo=UTC)
    keep_up(installation, now)
    keep_up(installation, now)
    with transaction(installation.engine) as connection:
        for month in ("position_2030_05", "position_2030_06"):
            assert connection.execute(text("select to_regclass(:name)"), {"name": month}).scalar() == month


def test_what_happened_while_nobody_looked_is_found_in_the_day_files(
    installation: Installation, replay: ReplayServer
) -> None:
    watch_flights(installation, clock.now())
    replay.clock.advance(3600)  # type: ignore[attr-defined]
    watch_flights(installation, clock.now())
    seen = count(installation, "leg")
    run = confirm_legs(installation)
    assert run is not None
    assert set(run.asked) >= set(load_watchlist(WATCHLIST).polled)
    assert count(installation, "leg") > seen


class Publisher(BaseHTTPRequestHandler):
    """A publisher on loopback with one feed of one article."""

    def do_GET(self) -> None:
        pages = {
            "/feed_invented/rss": "<rss version='2.0'><channel><title>N</title><item><title>Invented flight</title>"
            "<link>https://news.example/one</link></item></channel></rss>",
            "/feed_invented/one": f"<html><body><p>{'Invented people were on it. ' * 20}</p></body></html>",
        }
        page = pages.get(self.path, "").encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_feed_named_in_a_file_is_read_under_its_own_name_and_a_bad_file_stops_nothing(
    engine: Engine, publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", publisher)
    monkeypatch.setattr("flows.watch.NEWS_SOURCES", ())
    feeds = tmp_path / "feeds.yml"
    feeds.write_text("- {url: 'https://news.example/rss', publisher: Invented Times, slug: invented}\n")
    settings = Settings(home=tmp_path, feeds=feeds, live=True)
    place = Installation(settings, engine, Archive(settings.archive_location), clock.now())
    (run,) = watch_news(place, clock.now())
    assert (run.source, run.verdict) == ("feed_invented", Verdict.OK), run
    with transaction(engine) as connection:
        assert connection.execute(text("select payload->>'publisher' from event")).scalars().all() == ["Invented Times"]
        assert [state.slug for state in list_source_states(connection)] == ["feed_invented"]
    feeds.write_text("- {url: 'file:///etc/passwd', publisher: x}\n")
    assert watch_news(place, clock.now()) == []
