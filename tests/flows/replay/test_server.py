"""The replay must be asked and must answer as the publishers are and do, or it proves nothing about them."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.replay.faults import Fault, Faults
from flows.replay.recording import load_recording
from flows.replay.server import serve_replay
from flows.replay.sky import UNRECORDED
from models.vocab.aircraft import PairCheck, check_pair
from models.vocab.watchlist import load_watchlist
from tests.flows.replay.asking import ask

REPLAY_FOLDER = Path(__file__).parents[3] / "flows" / "replay"
ANSWERS = [json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "answers").glob("*.json"))]
LATER_FIELDS = {
    *(
        "alt_geom",
        "r",
        "t",
        "desc",
        "ownOp",
        "year",
        "dbFlags",
        "baro_rate",
        "geom_rate",
        "true_heading",
        "mag_heading",
    ),
    *(
        "ias",
        "tas",
        "mach",
        "wd",
        "ws",
        "oat",
        "tat",
        "track_rate",
        "roll",
        "nav_altitude_fms",
        "nic_a",
        "nic_c",
        "gpsOkBefore",
    ),
}
"""further fields of readsb's README-json.md, which the two saved answers happen not to carry"""
OURS = {"tarmac_basis"}
HEXES = "aaeb6a,a8d231,a83951,a61c53,a960a9,ac671b,ac134a"


@pytest.fixture(scope="module")
def recording():
    return load_recording()


def at(text):
    return datetime.fromisoformat(f"2026-01-{text}").replace(tzinfo=UTC)


def fault(kind, start, end, **more):
    return Fault.model_validate({"kind": kind, "from": at(start), "until": at(end), **more})


def kind_of(value):
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_an_answer_has_the_envelope_the_fields_and_the_types_of_real_ones(recording):
    known = {key: kind_of(value) for answer in ANSWERS for row in answer["ac"] for key, value in row.items()}
    required = {"hex", "type", "messages", "seen", "rssi", "mlat", "tisb"}
    with serve_replay(recording) as server:
        for minutes in range(0, 1160, 29):
            server.clock.advance_to(recording.begins_at + timedelta(minutes=minutes))
            answer = ask(server.base_url, f"/adsb_lol/v2/hex/{HEXES}").json()
            assert list(answer) == list(ANSWERS[0])
            assert {key: kind_of(value) for key, value in answer.items()} == {
                key: kind_of(value) for key, value in ANSWERS[0].items()
            }
            assert answer["now"] == server.clock.now().timestamp() * 1000
            assert answer["total"] == len(answer["ac"])
            for row in answer["ac"]:
                assert required <= row.keys()
                assert row.keys() <= known.keys() | LATER_FIELDS | OURS
                assert len(row.get("flight", " " * 8)) == 8
                for key in row.keys() & known.keys() - {"alt_baro"}:
                    assert kind_of(row[key]) == known[key], key
                assert row["alt_baro"] == "ground" or isinstance(row["alt_baro"], int)
                assert 0 <= row["seen_pos"] <= 60
                assert 0 <= row["seen"] <= 1


@pytest.mark.parametrize("base", ["/adsb_lol/v2", "/adsb_fi/api/v2", "/airplanes_live/v2"])
def test_each_publisher_is_asked_under_its_own_path(recording, base):
    with serve_replay(recording, start_at=at("10 13:20")) as server:
        by_address = ask(server.base_url, f"{base}/hex/aaeb6a,000001,zzz").json()
        assert [row["hex"] for row in by_address["ac"]] == ["aaeb6a"]
        assert ask(server.base_url, f"{base}/icao/AAEB6A").json()["total"] == 1
        assert ask(server.base_url, f"{base}/type/B738").json()["total"] > 10
        assert ask(server.base_url, f"{base}/point/33.64/-84.43/50").json()["total"] > 10
        assert ask(server.base_url, f"{base}/lat/33.64/lon/-84.43/dist/50").json()["total"] > 10
        near = ask(server.base_url, f"{base}/point/44.88/-93.22/50").json()["ac"]
        assert [row["hex"] for row in near] == ["ac671b"]
        assert near[0]["dst"] < 50
        assert ask(server.base_url, f"{base}/nonsense").status == 404
        assert ask(server.base_url, "/robots.txt").status == 200
        assert {asked.source for asked in server.asked} >= {base.split("/")[1]}


def test_every_interpolated_position_says_so_and_no_received_one_does(recording):
    with serve_replay(recording, start_at=at("10 13:20")) as server:
        rows = ask(server.base_url, f"/adsb_lol/v2/hex/{HEXES}").json()["ac"]
        assert {row["hex"] for row in rows if row.get("tarmac_basis") == "interpolated"} == {"aaeb6a"}
        assert {row["type"] for row in rows if "tarmac_basis" in row} == {"unknown"}
        day = ask(server.base_url, "/adsb_lol_traces/globe_history/2026/01/10/traces/6a/trace_full_aaeb6a.json")
        assert json.loads(gzip.decompress(day.body))["tarmac_basis"] == "interpolated"
    for aircraft in recording.aircraft.values():
        assert aircraft.label["basis"] == aircraft.header["tarmac_basis"]
        assert aircraft.label["changed"]
        assert aircraft.label["licence"]
        assert aircraft.label["original_on"]


def test_what_traces_do_not_keep_is_the_same_in_every_answer(recording):
    with serve_replay(recording, start_at=at("10 13:20")) as server:
        for row in ask(server.base_url, f"/adsb_lol/v2/hex/{HEXES}").json()["ac"]:
            assert {key: row[key] for key in UNRECORDED} == UNRECORDED


def test_a_day_file_grows_with_the_record_and_is_gzip_whatever_its_headers_say(recording):
    address = "/adsb_lol_traces/globe_history/2026/01/10/traces/{}/trace_full_{}.json"
    with serve_replay(recording, start_at=at("10 13:20")) as server:
        early = ask(server.base_url, address.format("6a", "aaeb6a"))
        odd = ask(server.base_url, address.format("1b", "ac671b"))
        assert early.headers.get("Content-Encoding") == "gzip"
        assert "Content-Encoding" not in odd.headers
        assert early.body[:2] == odd.body[:2] == b"\x1f\x8b"
        assert ask(server.base_url, address.format("31", "a8d231")).status == 404
        assert ask(server.base_url, address.format("00", "aaeb6a")).status == 404
        before = ask(server.base_url, "/adsb_lol_traces/globe_history/2026/01/09/traces/1b/trace_full_ac671b.json")
        assert json.loads(gzip.decompress(before.body))["trace"] == []
        server.clock.advance_to(at("11 03:00"))
        document = json.loads(gzip.decompress(ask(server.base_url, address.format("6a", "aaeb6a")).body))
        assert document["timestamp"] == at("10 00:00").timestamp()
        assert len(document["trace"]) > len(json.loads(gzip.decompress(early.body))["trace"])
        assert {len(row) for row in document["trace"]} == {14}
        next_day = ask(server.base_url, "/adsb_lol_traces/globe_history/2026/01/11/traces/51/trace_full_a83951.json")
        assert json.loads(gzip.decompress(next_day.body))["trace"][0][0] < 60


def test_after_the_end_of_the_record_the_sky_is_empty_and_no_flight_comes_twice(recording):
    with serve_replay(recording, start_at=recording.ends_at) as server:
        answer = ask(server.base_url, f"/adsb_lol/v2/hex/{HEXES}").json()
        assert answer["total"] == 0
        assert answer["now"] == recording.ends_at.timestamp() * 1000
        assert ask(server.base_url, "/").json()["is_over"] is True


def test_faults_of_answers_come_in_their_window_and_only_from_their_source(recording):
    faults = Faults(
        (
            fault("unavailable", "10 13:10", "10 13:11"),
            fault("throttle", "10 13:11", "10 13:12", retry_after_s=7, sources=["adsb_lol"]),
            fault("html", "10 13:12", "10 13:13", sources=["adsb_lol"]),
            fault("empty", "10 13:13", "10 13:14"),
            fault("reset", "10 13:14", "10 13:15"),
            fault("repeat", "10 13:15", "10 13:17"),
        )
    )
    with serve_replay(recording, faults=faults, start_at=at("10 13:09")) as server:
        question = "/adsb_lol/v2/hex/aaeb6a"
        assert ask(server.base_url, question).json()["total"] == 1
        server.clock.advance_to(at("10 13:10"))
        assert ask(server.base_url, question).status == 503
        assert ask(server.base_url, "/moscow_times/rss/news").status == 200
        server.clock.advance_to(at("10 13:11"))
        throttled = ask(server.base_url, question)
        assert (throttled.status, throttled.headers["Retry-After"]) == (429, "7")
        assert ask(server.base_url, "/adsb_fi/api/v2/hex/aaeb6a").json()["total"] == 1
        server.clock.advance_to(at("10 13:12"))
        page = ask(server.base_url, question)
        assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        server.clock.advance_to(at("10 13:13"))
        assert ask(server.base_url, question).json()["ac"] == []
        assert ask(server.base_url, "/adsb_lol/v2/type/B738").json()["total"] == 0
        server.clock.advance_to(at("10 13:14"))
        with pytest.raises(OSError):
            ask(server.base_url, question)
        server.clock.advance_to(at("10 13:15"))
        first = ask(server.base_url, question).body
        server.clock.advance_to(at("10 13:16:30"))
        assert ask(server.base_url, question).body == first
        server.clock.advance_to(at("10 13:17"))
        assert ask(server.base_url, question).body != first


def test_faults_of_aircraft_hide_or_delay_what_was_heard(recording):
    faults = Faults(
        (
            fault("gap", "10 13:10", "10 13:15", icao24=["aaeb6a"]),
            fault("late", "10 13:20", "10 13:25", icao24=["aaeb6a"]),
            fault("older", "10 13:30", "10 13:31", icao24=["aaeb6a"]),
        )
    )

    def rows_between(server, start, end):
        packed = ask(server.base_url, "/adsb_lol_traces/globe_history/2026/01/10/traces/6a/trace_full_aaeb6a.json").body
        trace = json.loads(gzip.decompress(packed))["trace"]
        midnight = at("10 00:00")
        return [row for row in trace if at(start) <= midnight + timedelta(seconds=row[0]) < at(end)]

    with serve_replay(recording, faults=faults, start_at=at("10 13:12")) as server:
        question = "/adsb_lol/v2/hex/aaeb6a"
        assert ask(server.base_url, question).json()["total"] == 0
        server.clock.advance_to(at("10 13:15:10"))
        assert ask(server.base_url, question).json()["ac"][0]["seen_pos"] <= 10
        server.clock.advance_to(at("10 13:22"))
        assert ask(server.base_url, question).json()["total"] == 0
        server.clock.advance_to(at("10 13:29:59"))
        last = ask(server.base_url, question).json()
        server.clock.advance_to(at("10 13:30:30"))
        older = ask(server.base_url, question).json()
        assert older["now"] / 1000 - older["ac"][0]["seen_pos"] < last["now"] / 1000 - last["ac"][0]["seen_pos"]
        assert rows_between(server, "10 13:10", "10 13:15") == []
        assert rows_between(server, "10 13:20", "10 13:25")


def test_the_news_is_marked_as_invented_and_comes_out_in_its_hour(recording):
    with serve_replay(recording) as server:
        feed = ask(server.base_url, "/meduza/rss/en/all").body.decode()
        assert feed.count("<item>") == feed.count("<title>[invented for the replay]") == 1
        server.clock.advance_to(at("10 13:30"))
        assert ask(server.base_url, "/meduza/rss/en/all").body.decode().count("<item>") == 2
        for article in recording.articles:
            server.clock.advance_to(max(article.published_at, server.clock.now()))
            page = ask(server.base_url, f"/{article.source}{article.path}").body.decode()
            assert "never published it" in page


def test_the_watchlist_of_the_replay_calls_no_ordinary_airliner_a_contractor(recording):
    watchlist = load_watchlist(REPLAY_FOLDER / "watchlist.yml")
    assert set(watchlist.polled) == set(recording.aircraft)
    shipped = load_watchlist()
    for icao24, aircraft in watchlist.by_icao24.items():
        assert check_pair(icao24, aircraft.registration) is PairCheck.OK
        if icao24 not in shipped.by_icao24:
            assert aircraft.operator.startswith("ordinary airliner")
