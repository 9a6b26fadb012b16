"""Whatever a stranger sends is either read right or named; no other error gets out, and no text comes in unclean."""

import datetime as dt
import json
import math
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import TextResponse
from ugly_upstream import NOW_MS, aircraft, answer

from crawlers.base import clean_text, decompress
from crawlers.platforms.adsbx_v2 import list_aircraft, read_instant, read_position
from crawlers.platforms.feed import parse_feed, read_link
from crawlers.problems import CrawlProblem, SourceChanged, read_retry_after
from crawlers.spiders.adsb_lol import AdsbLolSpider
from models import clock
from models.items import PositionItem, Verdict

NOW = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)
CAPTURE = "0" * 64
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted([*aircraft(), "alt_geom", "geom_rate", "now", "tarmac_basis"])
STRANGE_AIRCRAFT = st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, max_size=6).map(lambda odd: {**aircraft(), **odd})


def read(row: dict) -> PositionItem | None:
    return read_position(dict(row), NOW, CAPTURE, "ac[0]")


@given(STRANGE_AIRCRAFT)
@example(aircraft(seen_pos=1e300))
@example(aircraft(seen_pos=-1))
@example(aircraft(lat=1e400))
@example(aircraft(now=True))
@example(aircraft(alt_baro=10**400))
def test_strange_aircraft_is_read_or_named(row: dict) -> None:
    try:
        item = read(row)
    except SourceChanged:
        return
    if item is not None:
        for text in (item.callsign, item.registration, item.aircraft_type, item.squawk, item.position_kind):
            assert text is None or (text == clean_text(text, 20) and text.strip() == text)


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    age_s=st.floats(0, 1e6),
    altitude_ft=st.none() | st.just("ground") | st.integers(-2000, 60_000),
    geometric_ft=st.none() | st.integers(-2000, 60_000),
)
def test_position_says_what_the_object_says(
    latitude: float, longitude: float, age_s: float, altitude_ft: int | str | None, geometric_ft: int | None
) -> None:
    row = aircraft(lat=latitude, lon=longitude, seen_pos=age_s, alt_baro=altitude_ft, alt_geom=geometric_ft)
    item = read(row)
    assert item is not None
    assert (item.latitude, item.longitude) == (latitude, longitude)
    assert abs((NOW - item.observed_at).total_seconds() - age_s) < 1e-5
    assert item.is_stale == (age_s > 60)
    assert item.on_ground == (None if altitude_ft is None else altitude_ft == "ground")
    assert item.altitude_geometric_ft == geometric_ft
    if isinstance(altitude_ft, int):
        assert (item.altitude_ft, item.altitude_is_geometric) == (altitude_ft, False)
    elif altitude_ft == "ground":
        assert (item.altitude_ft, item.altitude_is_geometric) == (None, False)
    else:
        assert (item.altitude_ft, item.altitude_is_geometric) == (geometric_ft, geometric_ft is not None)


@given(st.integers(946_684_801, 4_102_444_799))
def test_clock_in_seconds_and_in_milliseconds_is_one_instant(seconds: int) -> None:
    assert read_instant(seconds) == read_instant(seconds * 1000) == dt.datetime.fromtimestamp(seconds, dt.UTC)


def test_absent_is_not_blank_and_an_old_position_is_not_a_position() -> None:
    blank = read(aircraft(flight="        ", r=""))
    assert blank is not None
    assert (blank.callsign, blank.registration) == (None, None)
    old = aircraft(lat=None, lon=None, seen_pos=None, lastPosition={"lat": 1.0, "lon": 2.0, "seen_pos": 9.0})
    assert read({**old, "rr_lat": 1.0, "rr_lon": 2.0}) is None
    with pytest.raises(SourceChanged, match="without an age"):
        read(aircraft(seen_pos=None))


def test_aircraft_may_have_a_clock_of_its_own() -> None:
    item = read(aircraft(now=NOW_MS - 90_000, seen_pos=0))
    assert item is not None
    assert item.observed_at == NOW - dt.timedelta(seconds=90)


@given(ANY_JSON | st.fixed_dictionaries({"ac": st.lists(STRANGE_AIRCRAFT | ANY_JSON, max_size=3), "now": ANY_JSON}))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_named(document: object) -> None:
    spider = AdsbLolSpider(icao24="a960a9")
    request = Request("https://api.adsb.lol/v2/hex/a960a9", meta={"capture": CAPTURE, "asked": ["a960a9"]})
    body = json.dumps(document).encode()
    try:
        items = list(spider.crawl_watchlist(TextResponse(request.url, body=body, request=request)))
    except CrawlProblem:
        return
    assert {item.icao24 for item in items} <= {"a960a9"}


def test_one_bare_aircraft_is_a_list_of_one() -> None:
    assert list_aircraft({**aircraft(), "now": NOW_MS}) == [{**aircraft(), "now": NOW_MS}]


@pytest.mark.parametrize(("minutes", "is_named"), [(-60, True), (60, True), (3, False)])
def test_clock_of_a_publisher_that_cannot_be_right_is_named(minutes: int, is_named: bool) -> None:
    spider = AdsbLolSpider(icao24="a960a9")
    source_now = clock.now() + dt.timedelta(minutes=minutes)
    body = json.dumps({**answer(), "now": source_now.timestamp()}).encode()
    request = Request("https://api.adsb.lol/v2/hex/a960a9", meta={"capture": CAPTURE, "asked": ["a960a9"]})
    list(spider.crawl_watchlist(TextResponse(request.url, body=body, request=request)))
    assert ["clock" in message for _, message in spider.findings.problems] == [True] * is_named
    assert all(verdict is Verdict.DEGRADED for verdict, _ in spider.findings.problems)


def test_same_position_twice_counts_once() -> None:
    spider = AdsbLolSpider(icao24="a960a9")
    request = Request("https://api.adsb.lol/v2/hex/a960a9", meta={"capture": CAPTURE, "asked": ["a960a9"]})
    body = json.dumps(answer(aircraft(), aircraft(), aircraft(seen_pos=5.0))).encode()
    assert len(list(spider.crawl_watchlist(TextResponse(request.url, body=body, request=request)))) == 2


@given(st.text(), st.integers(1, 30))
def test_cleaned_text_is_short_visible_and_stays_so(text: str, longest: int) -> None:
    cleaned = clean_text(text, longest)
    if cleaned is None:
        return
    assert 0 < len(cleaned) <= longest
    assert not any(unicodedata.category(letter).startswith("C") for letter in cleaned)
    assert clean_text(cleaned, longest) == cleaned


@given(st.text(max_size=40) | st.floats().map(str))
@example("120")
@example("-5")
@example("nan")
@example("1e999")
@example("Fri, 31 Dec 9999 23:59:59 GMT")
@example("Fri, 20 Nov 2026 10:00:00")
def test_wait_is_a_number_of_seconds_up_to_a_day_or_nothing(header: str) -> None:
    wait_s = read_retry_after(header, NOW)
    assert wait_s is None or (not math.isnan(wait_s) and 0 <= wait_s <= 86_400)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"<?xml version='1.0'?><rss>", b"<rss"]))
def test_any_bytes_are_a_feed_or_named(body: bytes, start: bytes) -> None:
    try:
        rows, _ = parse_feed(decompress(start + body))
    except CrawlProblem:
        return
    assert isinstance(rows, list)


@given(st.text(max_size=60).map("http://".__add__) | st.text(max_size=60))
def test_any_link_is_a_web_address_or_nothing(link: str) -> None:
    url = read_link(link)
    assert url is None or url.startswith(("http://", "https://"))
