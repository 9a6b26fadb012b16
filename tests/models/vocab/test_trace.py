"""Trace files are read whatever dialect they are in, and refused in one line when they are something else."""

import gzip
import json
from typing import Any

import pytest

from models.vocab.trace import TraceError, merge_traces, read_trace

MIDNIGHT_S = 1_780_012_800


def document(*rows: list[Any], **changes: Any) -> bytes:
    fields = {"icao": "a960a9", "r": "N703KW", "t": "B763", "timestamp": MIDNIGHT_S, "trace": list(rows)} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


ROW = [10.0, 31.3, -92.5, 1200, 180.5, 90.0, 0]
LONG_ROW = [
    20.5, 31.4, -92.4, "ground", 12, 91.5, 3, None,
    {"flight": "EAL8269 ", "nav_qnh": 1009.6}, "adsb_icao", None, 0, 0, 1.5,
]  # fmt: skip


def test_rows_of_every_length_are_read() -> None:
    rows = [[*ROW, -640, None, "adsb_icao", 1300, -600, 170, 0.5][:length] for length in range(7, 15)]
    rows = [[index, *row[1:]] for index, row in enumerate(rows)]
    trace = read_trace(document(*rows))
    assert len(trace.positions) == 8
    assert [p.vertical_rate_fpm for p in trace.positions] == [None] + [-640] * 7


def test_fields_mean_what_readsb_says() -> None:
    trace = read_trace(document(ROW, LONG_ROW), source="adsb.lol")
    assert (trace.icao24, trace.registration, trace.aircraft_type) == ("a960a9", "N703KW", "B763")
    air, ground = trace.positions
    assert (air.at_s, air.latitude, air.longitude) == (MIDNIGHT_S + 10, 31.3, -92.5)
    assert (air.altitude_ft, air.on_ground, air.ground_speed_kt) == (1200, False, 180.5)
    assert (ground.altitude_ft, ground.on_ground) == (None, True)
    assert (ground.is_stale, ground.starts_leg, ground.altitude_is_geometric) == (True, True, False)
    assert (ground.callsign, ground.qnh_hpa, ground.source) == ("EAL8269", 1009.6, "adsb.lol")


def test_an_unknown_altitude_says_nothing_about_the_ground() -> None:
    [position] = read_trace(document([1, 31, -92, None, None, None, 8])).positions
    assert (position.altitude_ft, position.on_ground, position.altitude_is_geometric) == (None, None, True)


def test_gzip_is_recognised_by_its_bytes() -> None:
    assert read_trace(gzip.compress(document(ROW))) == read_trace(document(ROW))


@pytest.mark.parametrize(
    "content",
    [
        document(ROW, timestamp=MIDNIGHT_S * 1000),
        document([MIDNIGHT_S + 10.0, *ROW[1:]], timestamp=None),
        document([(MIDNIGHT_S + 10) * 1000, *ROW[1:]], timestamp=None),
        document([MIDNIGHT_S + 10.0, *ROW[1:]]),
        document(ROW, icao=None, hex="A960A9"),
    ],
)
def test_clocks_and_keys_of_other_archives(content: bytes) -> None:
    trace = read_trace(content)
    assert trace.icao24 == "a960a9"
    assert trace.positions[0].at_s == MIDNIGHT_S + 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><title>429</title>",
        b"[]",
        b"null",
        b"\x1f\x8b\x08\x00broken",
        gzip.compress(document(ROW))[:-12],
        document(ROW)[:-9],
        document(ROW).replace(b"1200", b"NaN"),
        document(ROW).replace(b"1200", b"Infinity"),
        document(ROW).replace(b"31.3", b"1e999"),
        document(ROW).replace(b"1200", b"9" * 400),
        document(ROW).replace(b"1200", b"9" * 5000),
        document(ROW).replace(b"1200", b"true"),
        document(ROW).replace(b"1200", b'"Ground"'),
        document(ROW).replace(b"31.3", b"91.5"),
        document(ROW).replace(b"31.3", b"null"),
        document(ROW[:6]),
        document(ROW, trace=None),
        document(ROW, trace={"0": ROW}),
        document(ROW, trace=[1, 2, 3]),
        document(ROW, timestamp=None),
        document(ROW, timestamp="yesterday"),
        document(ROW, icao="~a960a9"),
        document(ROW, icao=None),
        document(ROW, icao=["a960a9"]),
        document([*ROW[:6], 0.5]),
        document([*ROW, None, [1]]),
        document([*ROW, None, {"flight": 7}]),
        b"[" * 200_000,
        b'{"icao":"a960a9","timestamp":1,"trace":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"icao":"a960a9","timestamp":1780012800,"trace":[[1,1,1,1,1,1,0,null,'
        + b'{"a":' * 90_000
        + b"1"
        + b"}" * 90_000,
        b"\xff\xfe\x00",
    ],
    ids=lambda content: repr(content[-24:]),
)
def test_anything_else_is_one_line_of_refusal(content: bytes) -> None:
    with pytest.raises(TraceError) as caught:
        read_trace(content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_gzip_bomb_is_refused() -> None:
    with pytest.raises(TraceError):
        read_trace(gzip.compress(b" " * (70 * 1024 * 1024), 1))


def test_days_of_one_aircraft_are_merged_and_repeats_dropped() -> None:
    yesterday = read_trace(document(ROW, [20.0, *ROW[1:]], timestamp=MIDNIGHT_S - 86400))
    today = read_trace(document([5.0, *ROW[1:]], ROW))
    again = read_trace(document([5.0, *ROW[1:]]))
    other = read_trace(document(ROW, icao="abcdef"))
    merged, second = merge_traces([today, other, yesterday, again])
    assert [p.at_s - MIDNIGHT_S for p in merged.positions] == [10 - 86400, 20 - 86400, 5, 10]
    assert second.icao24 == "abcdef"
