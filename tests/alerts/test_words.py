"""What people read. Each snapshot was reviewed; a missing one is written and then fails until someone has read it."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from alerts.message import TITLE_LIMIT
from alerts.words import render_claimed, render_event
from alerts.words.clean import clean_link, clean_text
from models.store.delivery import Claimed
from models.store.match import EventRow
from models.vocab.certainty import Basis, Certainty, Evidence
from models.vocab.event import (
    AnyPayload,
    ArticlePayload,
    Correction,
    EventKind,
    HealthPayload,
    LastFix,
    LegEnd,
)
from tests.alerts.telling import NOW, make_flight

SNAPSHOTS = Path(__file__).with_name("snapshots")
LANDED_AT = NOW + timedelta(hours=4, minutes=12)
ARRIVAL = LegEnd(at=LANDED_AT, airport="MGGT", evidence=Evidence.LOW_OBSERVED, certainty=Certainty.LIKELY)
LOGGED = LegEnd(at=NOW, airport="KIWA", evidence=Evidence.REPORTED, certainty=Certainty.POSSIBLE)
NOWHERE = LegEnd(at=LANDED_AT, airport=None, evidence=Evidence.INFERRED_GAP, certainty=Certainty.POSSIBLE)
FIX = LastFix(at=LANDED_AT, latitude=27.9, longitude=-97.25, altitude_ft=33000, ground_speed_kt=441.6, track_deg=171)
ARTICLE = ArticlePayload(
    url="https://example.org/news/1?x=1",
    publisher="Invented Times",
    title="Charter leaves with 40 aboard",
    summary="Witnesses saw buses.",
    published_at=NOW,
)
HEALTH = HealthPayload(name="adsb_lol", reason="three polls in a row answered with an empty world", since_at=NOW)

MESSAGES: dict[str, tuple[EventKind, AnyPayload, Certainty]] = {
    "scheduled": (
        EventKind.FLIGHT_SCHEDULED,
        make_flight(departure=LegEnd(at=NOW, airport="KIWA", evidence=Evidence.FILED, certainty=Certainty.LIKELY)),
        Certainty.LIKELY,
    ),
    "departed": (EventKind.FLIGHT_DEPARTED, make_flight(), Certainty.CONFIRMED),
    "departed_interpolated": (
        EventKind.FLIGHT_DEPARTED,
        make_flight(departure=LOGGED, basis=Basis.INTERPOLATED, sources=("mn50501",)),
        Certainty.POSSIBLE,
    ),
    "departed_unknown": (
        EventKind.FLIGHT_DEPARTED,
        make_flight(registration=None, operator=None, callsigns=(), departure=None, sources=(), last_looked_at=None),
        Certainty.POSSIBLE,
    ),
    "landed": (EventKind.FLIGHT_LANDED, make_flight(arrival=ARRIVAL), Certainty.LIKELY),
    "landed_after_silence": (
        EventKind.FLIGHT_LANDED,
        make_flight(arrival=ARRIVAL, signal_was_lost=True),
        Certainty.LIKELY,
    ),
    "withdrawn": (
        EventKind.FLIGHT_CORRECTED,
        make_flight(departure=None, corrections=(Correction(what="departure", told="KIWA at 21:05Z", now=None),)),
        Certainty.LIKELY,
    ),
    "landed_unknown": (EventKind.FLIGHT_LANDED, make_flight(arrival=NOWHERE), Certainty.POSSIBLE),
    "signal_lost": (
        EventKind.FLIGHT_SIGNAL_LOST,
        make_flight(last_fix=FIX, reach_nm={"0.5": 221.0, "1": 442.0, "2": 883.0}),
        Certainty.CONFIRMED,
    ),
    "corrected": (
        EventKind.FLIGHT_CORRECTED,
        make_flight(
            arrival=ARRIVAL,
            corrections=(
                Correction(what="arrival airport", told="KHRL", now="MGGT"),
                Correction(what="arrival time", told=NOW.isoformat(), now=LANDED_AT.isoformat()),
                Correction(what="signal lost", told="at 22:05Z", now=None),
            ),
        ),
        Certainty.LIKELY,
    ),
    "article": (EventKind.NEWS_ARTICLE, ARTICLE, Certainty.POSSIBLE),
    "source_silent": (EventKind.SOURCE_SILENT, HEALTH, Certainty.CONFIRMED),
    "source_recovered": (EventKind.SOURCE_RECOVERED, HEALTH, Certainty.CONFIRMED),
    "channel_disabled": (
        EventKind.CHANNEL_DISABLED,
        HealthPayload(name="team signal", reason="the service does not know the address (404)", since_at=NOW),
        Certainty.CONFIRMED,
    ),
    "channel_failing": (
        EventKind.CHANNEL_FAILING,
        HealthPayload(name="team signal", reason="it does not answer in time; 5 tries failed in a row", since_at=NOW),
        Certainty.CONFIRMED,
    ),
}


def make_row(kind: str, payload: AnyPayload | dict[str, object], certainty: Certainty = Certainty.LIKELY) -> EventRow:
    body = payload if isinstance(payload, dict) else payload.model_dump(mode="json")
    return EventRow(UUID(int=1), str(kind), "leg-1", "d", 1, None, certainty, NOW, body, NOW)


def make_claim(event: EventRow) -> Claimed:
    return Claimed(
        delivery_id=UUID(int=2),
        token=2,
        attempt_count=2,
        is_repeat=True,
        idempotency_key="0123456789abcdef" * 4,
        expires_at=NOW,
        channel_id=UUID(int=3),
        channel_label="team",
        url_sealed=b"",
        event=event,
        is_superseded=True,
        reasons=("you watch the airport KIWA, where this flight began", "you watch the aircraft N123AB"),
    )


def check_snapshot(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path.name} was written: read it, and run again")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_read_as_they_were_reviewed(name: str) -> None:
    title, body = render_event(make_row(*MESSAGES[name]))
    assert len(title) <= TITLE_LIMIT
    check_snapshot(name, f"{title}\n\n{body}\n")


def test_every_kind_has_a_reviewed_message() -> None:
    assert {kind for kind, _, _ in MESSAGES.values()} == set(EventKind)


def test_a_repeat_of_a_message_corrected_since_says_both() -> None:
    message = render_claimed(make_claim(make_row(*MESSAGES["departed"])))
    check_snapshot("repeat", f"{message.title}\n\n{message.body}\n")


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_told_in_a_replay_begins_by_saying_so(name: str) -> None:
    claim = make_claim(make_row(*MESSAGES[name]))
    message = render_claimed(claim, is_replay=True)
    assert message.title.startswith("REPLAY: ")
    assert len(message.title) <= TITLE_LIMIT
    assert message.body.startswith("REPLAY of a recorded day, not the present")
    assert "REPLAY" not in render_claimed(claim).title


def test_a_new_revision_says_that_it_replaces_what_was_told() -> None:
    row = dataclasses.replace(make_row(*MESSAGES["landed"]), revision=2)
    title, body = render_event(row)
    assert title.startswith("Correction: N123AB probably landed")
    assert body.startswith("This replaces what we told you before.")


def test_an_event_that_cannot_be_read_is_told_in_general_words() -> None:
    title, body = render_event(make_row("flight.landed", {"type": "flight", "from": "the future"}))
    assert title == "Tarmac: a landing we cannot describe"
    assert "21:05Z on 3 Nov 2025" in body


HOSTILE = [
    "<script>alert(1)</script>",
    "[click](http://evil.example/x)",
    "<http://evil.example|bank>",
    "@everyone <!channel> @here",
    "**bold** __under__ ~~gone~~ ||hidden|| `code`",
    "www.evil.example and evil.example/x",
    "javascript:alert(1) mailto:a@b.example tel:123",
    "line one\r\nTo: not known yet\nConfirmed: seen\u2028x\x85y\x0bz",
    "\x1b[31mred\x07\x00",
    "\u202egnp.exe\u2066 \u200bzero\u200d\ufeffwidth",
    "e" + "\u0301" * 50,
    "{{ 7*7 }} {% raw %}",
    "#channel &amp; \\u0041",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_strangers_write_cannot_mark_up_link_or_break_a_message(text: str) -> None:
    payload = ArticlePayload(url="https://example.org/", publisher=text, title=text, summary=text)
    flight = make_flight(callsigns=(text,), registration=text, operator=text, sources=(text,))
    article_title, article = render_event(make_row("news.article", payload))
    flight_title, told = render_event(make_row("flight.departed", flight))
    clean = ArticlePayload(url="https://example.org/", publisher="x", title="x", summary="x")
    _, plain_article = render_event(make_row("news.article", clean))
    plain_flight = make_flight(callsigns=("x",), registration="x", operator="x", sources=("x",))
    _, plain_told = render_event(make_row("flight.departed", plain_flight))
    assert article.count("\n") <= plain_article.count("\n")
    assert told.count("\n") <= plain_told.count("\n")
    shown = (article_title + article + flight_title + told).replace("https://example.org/", "")
    for forbidden in "<>[]`*|\\@&{}\x1b\x00\x07\r\u2028\u202e\u2066\u200b":
        assert forbidden not in shown
    assert "://" not in shown
    assert "evil.example" not in shown
    assert "javascript:" not in shown
    assert max(len(article_title), len(flight_title)) <= TITLE_LIMIT
    assert len(article) + len(told) < 4000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("U.S. sends 3.5 tons, says A. Doe", "U.S. sends 3.5 tons, says A. Doe"),
        ("Депортация: рейс из Чикаго — ночью", "Депортация: рейс из Чикаго — ночью"),
        ("a_b snake_case _it_", "a_b snake_case ˍitˍ"),
    ],
)
def test_honest_headlines_stay_as_they_are(text: str, expected: str) -> None:
    assert clean_text(text, 100) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a b?q=<x>&y=1", "https://example.org/a%20b?q=%3Cx%3E&y=1"),
        ("https://пример.example/", "https://xn--e1afmkfd.example/"),
        ("javascript:alert(1)", None),
        ("https://user:pw@example.org/", None),
        ("https://example.org@evil.example/", None),
        ("file:///etc/passwd", None),
        ("https://[::1/", None),
        ("https://exa mple.org/", None),
        ("https://" + "a" * 600 + ".org", None),
    ],
)
def test_only_plain_web_addresses_are_shown_as_links(url: str, expected: str | None) -> None:
    assert clean_link(url) == expected


def test_a_date_is_named_twice_where_it_differs() -> None:
    end = LegEnd(
        at=NOW.replace(hour=3), airport="KIWA", evidence=Evidence.GROUND_OBSERVED, certainty=Certainty.CONFIRMED
    )
    _, body = render_event(make_row("flight.departed", make_flight(departure=end)))
    assert "20:05 MST on 2 Nov 2025 (03:05Z on 3 Nov 2025)" in body


def test_a_zone_without_letters_is_written_as_its_offset() -> None:
    end = LegEnd(at=NOW, airport="SBGR", evidence=Evidence.GROUND_OBSERVED, certainty=Certainty.CONFIRMED)
    _, body = render_event(make_row("flight.departed", make_flight(departure=end)))
    assert "18:05 UTC-03 on 3 Nov 2025 (21:05Z)" in body
