"""A bundle is loaded whole or not at all, once, and without what nobody can vouch for."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.archive import Archive
from models.items import ArticleItem, PositionItem, Verdict
from models.store import bundle_files
from models.store.bundle import LoadReport, load_bundle
from models.store.bundle_files import ArticleLine, BundleError
from models.store.position_lines import PositionLine
from models.store.session import transaction
from tests.bundles import CAPTURE, ICAO24, NOON, after, dump_tables, fly, make_article, make_bundle, make_position


class Loader:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.archive = Archive(str(folder / "archive"))

    def make(self, *args: Any, **kwargs: Any) -> Path:
        return make_bundle(self.folder, *args, **kwargs)

    def load(self, *args: Any, **kwargs: Any) -> LoadReport:
        return load_bundle(self.engine, self.make(*args, **kwargs), self.archive, after(1))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with transaction(self.engine) as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def loader(engine: Engine, tmp_path: Path) -> Loader:
    return Loader(engine, tmp_path)


def test_loading_the_same_bundle_twice_changes_nothing(loader: Loader) -> None:
    folder = loader.make(
        [*fly(NOON), make_article(), make_article(text="A longer text", title="Flight leaves again")],
        lines=[b"{not json"],
        retry_after_s=30,
    )
    report = load_bundle(loader.engine, folder, loader.archive, after(70))
    assert (report.was_known, report.article_count, report.refused_count) == (False, 2, 1)
    loader.ask("delete from derive_mark returning 1")
    before = dump_tables(loader.engine)
    again = load_bundle(loader.engine, folder, loader.archive, after(500))
    assert (again.was_known, again.position_count, again.article_count) == (True, 0, 0)
    assert dump_tables(loader.engine) == before


def test_two_loaders_of_one_bundle_do_not_disturb_each_other(loader: Loader) -> None:
    folders = [loader.make(fly(NOON), at=after(70)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(
            pool.map(lambda folder: load_bundle(loader.engine, folder, loader.archive, after(70)), folders * 2)
        )
    assert sum(report.position_count for report in reports) == len(list(fly(NOON)))


def test_every_position_leads_back_to_the_bytes_it_was_read_from(loader: Loader) -> None:
    body = b'{"ac": [{"hex": "a1b2c3"}]}'
    loader.load([make_position(capture=hashlib.sha256(body).hexdigest())], bodies=[body])
    ((sha256, url),) = loader.ask(
        "select encode(sha256, 'hex'), answer.url from position join capture on capture.id = position.capture_id "
        'join "fetch" as answer on answer.capture_id = capture.id'
    )
    assert loader.archive.read(sha256) == body
    assert url.startswith("https://api.example.org/")


def test_of_two_positions_within_one_second_the_first_stays(loader: Loader) -> None:
    loader.load([make_position(altitude_ft=100), make_position(NOON + timedelta(milliseconds=400), altitude_ft=200)])
    loader.load([make_position(altitude_ft=300)])
    loader.load([make_position(altitude_ft=400)], source="adsb_fi")
    assert loader.ask("select source, altitude_ft from position order by source") == [
        ("adsb_fi", 400),
        ("adsb_lol", 100),
    ]


def test_positions_keep_all_that_the_source_said(loader: Loader) -> None:
    item = make_position(
        altitude_ft=-75,
        altitude_geometric_ft=12,
        altitude_is_geometric=True,
        on_ground=None,
        ground_speed_kt=0.5,
        track_deg=359.9,
        vertical_rate_fpm=-1088,
        qnh_hpa=1013.6,
        callsign="TST\t1\\N",
        squawk="7700",
        registration="N1",
        aircraft_type="B738",
        position_kind="mlat",
        is_stale=True,
        basis="interpolated",
        locator="trace[3]",
    )
    loader.load([item])
    ((row,),) = loader.ask("select to_jsonb(position) from position")
    kept = {name: value for name, value in row.items() if name not in {"capture_id", "source", "is_interpolated"}}
    said = json.loads(item.model_dump_json(exclude={"kind", "capture", "basis"}))
    assert kept | {"observed_at": said["observed_at"]} == pytest.approx(said)
    assert row["is_interpolated"] is True


def test_unusable_lines_are_left_out_counted_and_kept_as_issues(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_files, "LONGEST_LINE_BYTES", 10_000)
    good = make_position().model_dump(mode="json", exclude_none=True)
    bad = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 5000,
        b'{"kind": "position"}',
        json.dumps(good | {"kind": "rumour"}).encode(),
        json.dumps(good | {"surprise": 1}).encode(),
        json.dumps(good | {"latitude": 91}).encode(),
        json.dumps(good | {"altitude_ft": 10**12}).encode(),
        json.dumps(good | {"ground_speed_kt": 1e300}).encode(),
        json.dumps(good | {"icao24": "A1B2C3"}).encode(),
        json.dumps(good | {"icao24": "a1b2c3\n"}).encode(),
        json.dumps(good | {"callsign": "\ud800"}).encode(),
        json.dumps(good | {"callsign": "x" * 100}).encode(),
        json.dumps(good | {"observed_at": "2026-01-10T12:00:00"}).encode(),
        json.dumps(good | {"observed_at": "2009-12-31T23:59:59Z"}).encode(),
        json.dumps(good | {"observed_at": "9999-12-31T23:59:59Z"}).encode(),
        json.dumps(good | {"capture": "0" * 64}).encode(),
        json.dumps(good | {"locator": "x" * 20_000}).encode(),
        b'{"latitude": NaN}',
    ]
    report = loader.load([make_position()], lines=[*bad, json.dumps(good | {"icao24": "abcdef"}).encode()])
    assert report.position_count == 2
    assert report.refused_count == len(bad)
    ((refused_count, issues),) = loader.ask("select refused_count, load_issues from crawl")
    assert refused_count == len(bad)
    assert len(issues) == len(bad)


def test_text_postgresql_cannot_store_does_not_stop_a_load(loader: Loader) -> None:
    report = loader.load(
        [make_position(callsign="A\0B"), make_article(title="nul \0", url="https://n.example/" + "x" * 9000)]
    )
    assert (report.position_count, report.article_count, report.refused_count) == (1, 1, 0)
    assert loader.ask("select callsign from position") == [("A\ufffdB",)]


def test_reader_of_positions_knows_the_fields_of_the_items() -> None:
    assert set(PositionLine.__struct_fields__) | {"kind"} == set(PositionItem.model_fields)
    assert set(ArticleLine.__struct_fields__) | {"kind"} == set(ArticleItem.model_fields)


def test_article_is_told_once_however_its_text_changes(loader: Loader) -> None:
    loader.load([make_article()])
    loader.load([make_article(text="changed")], at=after(0.5))
    loader.load([make_article()], at=after(0.6))
    assert len(loader.ask("select 1 from observation")) == 2
    ((kind, payload),) = loader.ask("select kind, payload from event")
    assert (kind, payload["title"], payload["sources"]) == ("news.article", "Flight leaves", ["adsb_lol"])
    assert max(loader.ask("select seen_at from observation where body->>'text' = ''"))[0] == after(0.6)


def test_only_a_crawl_that_went_well_has_looked_for_an_aircraft(loader: Loader) -> None:
    loader.load(at=after(-20))
    loader.load(at=after(-18), source="adsb_fi")
    loader.load(at=after(-10), verdict=Verdict.DEGRADED)
    looks = "select source, looked_at, looking_since_at from aircraft_look order by source"
    assert loader.ask(looks) == [("adsb_fi", after(-18), after(-20)), ("adsb_lol", after(-20), after(-20))]
    loader.load(at=after(-9))
    assert loader.ask(looks)[1] == ("adsb_lol", after(-9), after(-9))
    loader.load(at=after(-8), source="adsb_lol_traces")
    assert len(loader.ask(looks)) == 2


def test_health_of_a_source_follows_its_latest_crawl(loader: Loader) -> None:
    health = "select state, state_since_at, last_ok_at, consecutive_failure_count, not_before_at from source"
    loader.load(at=after(-30))
    loader.load(at=after(-20), verdict=Verdict.REFUSED, retry_after_s=90)
    loader.load(at=after(-19), verdict=Verdict.REFUSED, retry_after_s=float("inf"))
    assert loader.ask(health) == [("refused", after(-20), after(-30), 2, None)]
    loader.load(at=after(-25), verdict=Verdict.UNREACHABLE)
    assert loader.ask(health)[0][0] == "refused"
    loader.load(at=after(-15), verdict=Verdict.REFUSED, retry_after_s=1e12)
    assert loader.ask(health)[0][4] == after(-15) + timedelta(days=1)
    loader.load(at=after(-10))
    assert loader.ask(health) == [("ok", after(-10), after(-10), 0, None)]


def test_new_positions_mark_their_aircraft_for_derivation(loader: Loader) -> None:
    loader.load([make_position(after(-5)), make_position(after(-6)), make_position(icao24="abcdef")])
    loader.load([make_position(after(-9))])
    assert loader.ask("select icao24, since_at, version from derive_mark order by 1") == [
        (ICAO24, after(-9), 2),
        ("abcdef", NOON, 1),
    ]


def break_run(folder: Path, **values: object) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | values))


@pytest.mark.parametrize(
    "values",
    [
        {"source": "../../etc"},
        {"source": "x" * 100},
        {"verdict": "excellent"},
        {"run_id": "1"},
        {"started_at": "2031-01-01T00:00:00Z", "finished_at": "2031-01-01T00:00:00Z"},
        {"started_at": "0001-01-01T00:00:00+14:00"},
        {"canary_count": 10**30},
        {"surprise": True},
    ],
)
def test_folder_that_is_no_bundle_is_refused_and_leaves_nothing(loader: Loader, values: dict[str, object]) -> None:
    folder = loader.make([make_position()])
    break_run(folder, **values)
    with pytest.raises(BundleError):
        load_bundle(loader.engine, folder, loader.archive, after(1))
    assert not any(dump_tables(loader.engine).values())


def test_bundle_cannot_make_us_read_other_files(loader: Loader, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    for name in ("run.json", "items.jsonl", "captures.warc.gz"):
        folder = loader.make([make_position()])
        (folder / name).unlink()
        (folder / name).symlink_to(secret)
        with pytest.raises(BundleError):
            load_bundle(loader.engine, folder, loader.archive, after(1))
    folder = loader.make()
    (folder / "items.jsonl").unlink()
    os.mkfifo(folder / "items.jsonl")
    with pytest.raises(BundleError, match="not a plain file"):
        load_bundle(loader.engine, folder, loader.archive, after(1))


def test_crawl_killed_while_it_wrote_is_loaded_as_far_as_it_got(loader: Loader) -> None:
    folder = loader.make([make_position(), make_position(after(-1))], bodies=[b"{}" * 400, b'{"ac": []}'])
    warc, items = folder / "captures.warc.gz", folder / "items.jsonl"
    warc.write_bytes(warc.read_bytes()[:-20])
    items.write_bytes(items.read_bytes()[:-30])
    report = load_bundle(loader.engine, folder, loader.archive, after(1))
    assert report.capture_count == 1
    assert report.position_count == 0
    assert CAPTURE[:10] in "".join(report.issues)


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2030-01-01T00:00:00Z"])
def test_date_that_cannot_be_is_not_believed(loader: Loader, written: str) -> None:
    folder = loader.make([make_article(published_at=written)])
    run = json.loads((folder / "run.json").read_text())
    run["recorded_at"] = run["fetches"][0]["fetched_at"] = written
    (folder / "run.json").write_text(json.dumps(run))
    report = load_bundle(loader.engine, folder, loader.archive, after(1))
    assert (report.article_count, report.refused_count) == (1, 1)
    assert loader.ask("select occurred_at, payload->>'published_at' from event") == [(NOON, None)]
    assert loader.ask("select recorded_at from crawl") == [(NOON,)]
    assert loader.ask("select looked_at from aircraft_look") == [(NOON,)]


def test_source_whose_clock_is_ahead_has_not_looked_at_the_future(loader: Loader) -> None:
    folder = loader.make(fly(NOON))
    run = json.loads((folder / "run.json").read_text())
    run["recorded_at"] = after(60 * 24).isoformat()
    (folder / "run.json").write_text(json.dumps(run))
    load_bundle(loader.engine, folder, loader.archive, after(1))
    assert loader.ask("select recorded_at from crawl union all select looked_at from aircraft_look") == [
        (NOON,),
        (NOON,),
    ]
