"""Whatever an upstream does, silence is never mistaken for an empty sky: one real crawl process an answer."""

import datetime as dt
import gzip
import hashlib
import json
import ssl
from pathlib import Path

import pytest
from conftest import Crawl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ugly_upstream import NOW_MS, UglyUpstream, aircraft, answer, bomb, drip, hang, in_turn, reply, reset, serve
from warcio.archiveiterator import ArchiveIterator

from models.items import PositionItem, Verdict

MEBIBYTE = 1024 * 1024
CHALLENGE = "<!DOCTYPE html><html><title>Just a moment...</title><script src='/cdn-cgi/challenge-platform/x'></script>"
LOGIN = "<html><body><form>Please log in to the airport network</form></body></html>"


def positions(lines: list[str]) -> list[PositionItem]:
    return [PositionItem.model_validate_json(line) for line in lines]


def test_good_answer_is_ok_and_leads_back_to_its_bytes(crawl: Crawl, upstream: UglyUpstream) -> None:
    packed = gzip.compress(json.dumps(answer(aircraft(), aircraft("a95584", alt_baro="ground", flight=None))).encode())
    upstream.answer_v2(reply(packed, Content_Encoding="gzip"))
    crawled = crawl()
    assert (crawled.run.verdict, crawled.run.reason, crawled.run.canary_count) == (Verdict.OK, "", 2)
    assert crawled.run.asked == ("a960a9", "a95584")
    assert crawled.run.recorded_at == dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)
    flying, parked = positions(crawled.lines)
    assert (flying.callsign, flying.registration, flying.altitude_ft, flying.on_ground) == (
        "GXA12",
        "N703KW",
        31000,
        False,
    )
    assert flying.observed_at == crawled.run.recorded_at - dt.timedelta(seconds=0.5)
    assert (parked.callsign, parked.altitude_ft, parked.on_ground) == (None, None, True)
    with (crawled.bundle / "captures.warc.gz").open("rb") as file:
        kept = {
            hashlib.sha256(body).hexdigest(): body
            for record in ArchiveIterator(file)
            if record.rec_type == "response" and (body := record.raw_stream.read()) is not None
        }
    assert kept[flying.capture] == packed
    assert {fetch.sha256 for fetch in crawled.run.fetches} == set(kept)
    assert upstream.most_in_flight == 1
    assert "Tarmac/" in upstream.headers[0]
    assert "GXA12" not in crawled.log


def test_two_forms_of_the_same_answer_read_alike(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answer_v2(reply(answer(aircraft())), slug="adsb_lol")
    seconds = answer(aircraft(), ac=None, aircraft=[aircraft()], now=NOW_MS / 1000, ctime=None, msg=None)
    upstream.answer_v2(reply(gzip.compress(json.dumps(seconds).encode())), slug="adsb_fi")
    usual, unusual = crawl("adsb_lol"), crawl("adsb_fi")
    assert unusual.run.verdict is Verdict.OK
    same = {"capture", "locator"}
    [first], [second] = positions(usual.lines), positions(unusual.lines)
    assert first.model_dump(exclude=same) == second.model_dump(exclude=same)


def test_empty_world_is_never_ok(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answer_v2(reply(answer()), reply(answer()))
    crawled = crawl()
    assert crawled.run.verdict is Verdict.DEGRADED
    assert crawled.run.canary_count == 0
    assert "canary" in crawled.run.reason


MISSHAPEN = {
    "lat is not a number": reply(answer(aircraft("a00001", lat="north"))),
    "a web page came": reply(LOGIN, Content_Type="text/html"),
    "the answer is empty": reply(""),
    "not JSON: Input data was truncated": reply('{"ac":[{"hex":"a96'),
    "not JSON: JSON is malformed": reply('{"ac":[],"now":NaN}'),
    "not JSON: maximum recursion": reply("[" * 200_000),
    "the answer's clock is outside": reply('{"ac":[],"now":' + "9" * 200 + "}"),
    "not JSON: Number out of range": reply('{"ac":[],"now":1e999}'),
    "the answer reports: Invalid key": reply(answer(msg="Invalid key")),
    "the answer has no list": reply({"now": NOW_MS}),
    "the answer has no clock": reply(answer(now=None, ctime=None)),
    "not asked for": reply(answer(aircraft("bbbbbb"))),
    "the answer is larger than we read": reply(bomb(64 * MEBIBYTE)),
    "answer is larger than we read": reply(bomb(64 * MEBIBYTE), Content_Encoding="gzip"),
    "is larger than we read": reply("{", Content_Length=str(64 * MEBIBYTE)),
    "HTTP 404": reply("", 404),
}


def test_misshapen_answers_are_each_named_and_bring_nothing(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answer_v2(in_turn(*MISSHAPEN.values()))
    crawled = crawl(icao24=",".join(f"a{number:05x}" for number in range(1000 * len(MISSHAPEN))))
    assert crawled.run.verdict is Verdict.SCHEMA_CHANGED, crawled.log
    named = [issue.message for issue in crawled.run.issues if issue.level == "error"]
    assert [words for words in MISSHAPEN if not any(words in message for message in named)] == []
    assert len(named) == len(MISSHAPEN)
    assert crawled.lines == []


@pytest.mark.parametrize(
    ("behave", "verdict", "says"),
    [
        pytest.param(reply(CHALLENGE, Content_Type="text/html"), Verdict.REFUSED, "challenge", id="challenge with 200"),
        pytest.param(reply(CHALLENGE, 503), Verdict.REFUSED, "503", id="challenge with 503"),
        pytest.param(reply("", 403), Verdict.REFUSED, "403", id="403"),
        pytest.param(reply("", 502), Verdict.UNREACHABLE, "502", id="502"),
        pytest.param(reply("", 414), Verdict.FAILED, "414", id="414"),
        pytest.param(reply('{"ac":[', Content_Length="900"), Verdict.UNREACHABLE, "cut off", id="cut on the way"),
        pytest.param(reset, Verdict.UNREACHABLE, "connection", id="reset"),
        pytest.param(hang, Verdict.UNREACHABLE, "no answer in time", id="hang"),
        pytest.param(drip, Verdict.UNREACHABLE, "no answer in time", id="drip"),
        pytest.param(
            reply("", 302, Location="file:///etc/passwd"), Verdict.REFUSED, "redirect", id="redirect to file:"
        ),
        pytest.param(reply("", 302, Location="http://10.1.2.3/"), Verdict.REFUSED, "10.1.2.3", id="redirect inside"),
        pytest.param(reply("", 302, Location="/adsb_lol/v2/hex/x"), Verdict.REFUSED, "too often", id="redirect circle"),
    ],
)
def test_answer_that_does_not_arrive_is_named_and_brings_nothing(
    crawl: Crawl, upstream: UglyUpstream, behave: object, verdict: Verdict, says: str
) -> None:
    upstream.answer_v2(behave)  # type: ignore[arg-type]
    crawled = crawl(timeout_s="1.5")
    assert crawled.run.verdict is verdict, crawled.log
    assert says in crawled.run.reason
    assert crawled.lines == []
    if verdict is Verdict.UNREACHABLE and says != "502":
        assert not any("/point/" in path for path in upstream.asked), "a source without an answer is asked no more"


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_handed_on_and_nothing_more_is_asked(crawl: Crawl, upstream: UglyUpstream, form: str) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=120)
    value = "120" if form == "seconds" else at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    upstream.answer_v2(reply("slow down", 429, Retry_After=value))
    crawled = crawl()
    assert crawled.run.verdict is Verdict.REFUSED
    assert crawled.run.retry_after_s == pytest.approx(120, abs=30)
    assert [path for path in upstream.asked if "/point/" in path] == []


def test_strange_aircraft_do_not_spoil_the_others(crawl: Crawl, upstream: UglyUpstream) -> None:
    rows = [
        aircraft("~a960a9"),
        aircraft(flight="\x1b[31mGXA\u202e12 \x00", r="N" * 300, unheard_of=1),
        aircraft(),
        aircraft("a95584", lat=None, lon=None, lastPosition={"lat": 1, "lon": 2, "seen_pos": 900}, rr_lat=1, rr_lon=2),
    ]
    upstream.answer_v2(reply(answer(*rows)))
    crawled = crawl()
    assert crawled.run.verdict is Verdict.OK
    [item] = positions(crawled.lines)
    assert (item.callsign, item.registration) == ("[31mGXA1", "N" * 12)
    messages = " ".join(issue.message for issue in crawled.run.issues)
    assert "not a 24-bit address: 1" in messages
    assert "unknown field unheard_of" in messages


def test_canary_that_fails_after_a_good_answer_keeps_the_positions_and_is_not_ok(
    crawl: Crawl, upstream: UglyUpstream
) -> None:
    upstream.answer_v2(reply(answer(aircraft())), reply("", 500))
    crawled = crawl()
    assert crawled.run.verdict is Verdict.UNREACHABLE
    assert len(crawled.lines) == 1
    assert crawled.run.canary_count is None


def test_robots_are_obeyed(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answer_v2(reply(answer(aircraft())))
    upstream.answers["/robots.txt"] = reply("User-agent: Tarmac\nDisallow: /", Content_Type="text/plain")
    crawled = crawl()
    assert (crawled.run.verdict, crawled.run.reason) == (Verdict.REFUSED, "robots.txt forbids this address")
    assert upstream.asked == ["/robots.txt"]


@pytest.mark.parametrize(("status", "verdict"), [(503, Verdict.UNREACHABLE), (429, Verdict.REFUSED)])
def test_rules_that_cannot_be_read_stop_the_crawl(
    crawl: Crawl, upstream: UglyUpstream, status: int, verdict: Verdict
) -> None:
    upstream.answer_v2(reply(answer(aircraft())))
    upstream.answers["/robots.txt"] = reply("", status, Retry_After="30")
    crawled = crawl()
    assert (crawled.run.verdict, crawled.run.reason) == (verdict, f"robots.txt: HTTP {status}")
    assert crawled.run.retry_after_s == 30
    assert upstream.asked == ["/robots.txt"]


def test_closed_port_is_unreachable(crawl: Crawl) -> None:
    with serve() as gone:
        address = gone.address
    crawled = crawl(base=address)
    assert crawled.run.verdict is Verdict.UNREACHABLE
    assert crawled.run.reason.startswith("robots.txt: connection refused")


def test_name_that_leads_to_this_machine_is_not_connected_to(crawl: Crawl, upstream: UglyUpstream) -> None:
    crawled = crawl("feed", base=None, url=f"http://localhost:{upstream.port}/rss", publisher="Somebody")
    assert crawled.run.verdict is Verdict.UNREACHABLE
    assert "Permission denied" in crawled.run.reason
    assert upstream.connection_count == 0


def test_redirect_to_another_port_of_this_machine_is_not_followed(crawl: Crawl, upstream: UglyUpstream) -> None:
    with serve() as inside:
        inside.answers["/"] = reply(answer(aircraft()))
        upstream.answer_v2(reply("", 307, Location=f"{inside.address}/adsb_lol/v2/hex/a960a9"))
        crawled = crawl()
        assert inside.connection_count == 0
    assert crawled.run.verdict is Verdict.REFUSED


def test_certificate_nobody_signed_is_not_trusted(crawl: Crawl, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "self.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serve(context) as impostor:
        impostor.answer_v2(reply(answer(aircraft())))
        crawled = crawl(base=impostor.address)
        assert impostor.asked == []
    assert (crawled.run.verdict, crawled.run.reason) == (Verdict.UNREACHABLE, "the certificate is not trusted")


def test_long_watchlist_is_asked_in_parts_one_after_the_other(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answer_v2(in_turn(reply(answer(aircraft("a00000"))), reply(answer(aircraft("a00400")))))
    crawled = crawl(icao24=",".join(f"a00{number:03x}" for number in range(1100)))
    assert crawled.run.verdict is Verdict.OK
    questions = [path for path in upstream.asked if "/hex/" in path]
    assert len(questions) == 2
    assert max(map(len, questions)) < 8100
    assert [item.icao24 for item in positions(crawled.lines)] == ["a00000", "a00400"]
    assert upstream.most_in_flight == 1
