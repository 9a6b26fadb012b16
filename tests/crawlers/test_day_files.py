"""A missing day file is silence only when the archive has that day; a range of days can be interrupted and resumed."""

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner, Result
from conftest import Crawl
from ugly_upstream import UglyUpstream, bomb, hang, reply

from flows.cli import tarmac
from models.items import PositionItem, Verdict
from models.vocab.certainty import Basis

MIDNIGHT_S = 1_782_345_600
"""2026-06-25T00:00:00Z"""
ROW = [
    60.5,
    30.1,
    -90.2,
    3000,
    250.5,
    91.0,
    0,
    -64,
    {"flight": "GXA1    ", "squawk": "3506"},
    "adsb_icao",
    3100,
    0,
    250,
]


def day_file(icao24: str, *rows: list, timestamp: float = MIDNIGHT_S, **extra: object) -> dict:
    return {"icao": icao24, "r": "N703KW", "t": "B763", "timestamp": timestamp, "trace": list(rows or [ROW]), **extra}


def place(upstream: UglyUpstream, icao24: str, document: object, day: str = "2026/06/25", **headers: str) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    path = f"/adsb_lol_traces/globe_history/{day}/traces/{icao24[-2:]}/trace_full_{icao24}.json"
    upstream.answers[path] = reply(body, **headers)


def test_rows_of_every_form_become_positions(crawl: Crawl, upstream: UglyUpstream) -> None:
    ground, stale = [10.0, 30.0, -90.0, "ground", 12.0, 90.0, 0], [70.0, 30.2, -90.3, None, None, None, 1, None, None]
    document = day_file("a960a9", ROW, ground, stale, tarmac_basis="interpolated")
    place(upstream, "a960a9", gzip.compress(json.dumps(document).encode()))
    crawled = crawl("adsb_lol_traces", days="2026-06-25", icao24="a960a9,a95584")
    assert crawled.run.verdict is Verdict.OK, crawled.log
    first, second, third = (PositionItem.model_validate_json(line) for line in crawled.lines)
    assert (first.locator, first.on_ground, first.callsign) == ("trace[1]", True, None)
    assert (second.locator, second.altitude_ft, second.squawk) == ("trace[0]", 3000, "3506")
    assert second.observed_at.timestamp() == MIDNIGHT_S + 60.5
    assert (second.callsign, second.position_kind, second.altitude_geometric_ft) == ("GXA1", "adsb_icao", 3100)
    assert (third.locator, third.is_stale, third.altitude_ft) == ("trace[2]", True, None)
    assert {first.basis, second.basis} == {Basis.INTERPOLATED}
    assert any("not heard on that day: 1" in issue.message for issue in crawled.run.issues)
    assert not any("ac134a" in path for path in upstream.asked)


def test_day_without_anybody_counts_only_when_the_archive_has_it(crawl: Crawl, upstream: UglyUpstream) -> None:
    place(upstream, "ac671b", day_file("ac671b"))
    quiet = crawl("adsb_lol_traces", days="2026-06-25", icao24="a960a9")
    assert (quiet.run.verdict, quiet.run.canary_count, quiet.lines) == (Verdict.OK, 1, [])
    absent = crawl("adsb_lol_traces", days="2026-06-26", icao24="a960a9")
    assert absent.run.verdict is Verdict.DEGRADED
    assert "nothing for 2026-06-26" in absent.run.reason


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (day_file("a95584"), "another aircraft"),
        (day_file("a960a9", timestamp=MIDNIGHT_S - 86_400 * 30), "another day"),
        (day_file("a960a9", [1, 91.5, 0, 0, 0, 0, 0]), "row 0"),
        (b"\x1f\x8b\x08\x00broken", "gzip"),
        (gzip.compress(b'{"icao":"a960a9","trace":[')[:-4], "gzip"),
        (bomb(64 * 1024 * 1024), "larger than we read"),
        (b"<html>moved</html>", "web page"),
    ],
)
def test_file_that_is_not_what_was_asked_for_brings_nothing(
    crawl: Crawl, upstream: UglyUpstream, body: object, says: str
) -> None:
    place(upstream, "a960a9", body)
    crawled = crawl("adsb_lol_traces", days="2026-06-25", icao24="a960a9", control="")
    assert crawled.run.verdict is Verdict.SCHEMA_CHANGED, crawled.run
    assert says in crawled.run.reason
    assert crawled.lines == []


def call_traces(upstream: UglyUpstream, home: Path, *options: str) -> Result:
    environment = {"TARMAC_SOURCE_BASE_URL": upstream.address, "TARMAC_HOME": str(home)}
    return CliRunner().invoke(tarmac, ["traces", *options], env=environment)


def test_range_of_days_goes_on_where_it_stopped(upstream: UglyUpstream, tmp_path: Path) -> None:
    for number, day in enumerate(("2026/06/25", "2026/06/26")):
        place(upstream, "a960a9", day_file("a960a9", timestamp=MIDNIGHT_S + 86_400 * number), day)
    upstream.answers["/adsb_lol_traces/globe_history/2026/06/26"] = reply("", 429, Retry_After="60")
    refused = upstream.answers.pop(next(path for path in upstream.answers if "/06/26/" in path))
    days = ("--from", "2026-06-25", "--to", "2026-06-26", "--aircraft", "a960a9")
    stopped = call_traces(upstream, tmp_path, *days)
    assert stopped.exit_code == 1
    assert "stopped at 2026-06-26; call again" in stopped.stderr
    assert "asked to wait 60 s" in stopped.stdout
    upstream.answers["/adsb_lol_traces/globe_history/2026/06/26"] = refused
    asked = len(upstream.asked)
    paused = call_traces(upstream, tmp_path, *days)
    assert paused.exit_code == 1
    assert "call again in" in paused.stderr
    assert len(upstream.asked) == asked
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)):
        resumed = call_traces(upstream, tmp_path, *days)
    assert resumed.exit_code == 0, resumed.output
    assert "2026-06-25 done before" in resumed.stdout
    assert [path for path in upstream.asked[asked:] if "/06/25/" in path] == []
    for line in resumed.stdout.splitlines():
        assert (Path(line.rpartition(": ")[2]) / "items.jsonl").read_text().count("a960a9") == 1


def test_wrong_ranges_and_aircraft_are_refused(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answers["/"] = hang
    for options in (("--from", "2026-06-25", "--to", "2026-06-24"), ("--from", "2026-06-25", "--aircraft", "N0TREAL")):
        done = call_traces(upstream, tmp_path, *options)
        assert done.exit_code == 2
    assert upstream.asked == []
