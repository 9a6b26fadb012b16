"""Who is told what, on a real database, and why in words."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from alerts.match import match_events
from models.secrets import InstanceKey
from models.store.session import transaction
from models.store.subscription import end_subscription
from models.vocab.certainty import Certainty, Evidence
from models.vocab.event import ArticlePayload, EventKind, HealthPayload, LegEnd
from tests.alerts.telling import NOW, make_channel, make_event, make_flight, subscribe


def read_told(engine: Engine, event_id: UUID) -> dict[str, str]:
    """Channel label and reason of everyone matched to an event."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select c.label, m.reason from match m join subscription s on s.id = m.subscription_id"
                " join channel c on c.id = s.channel_id where m.event_id = :event"
            ),
            {"event": event_id},
        )
        return {row.label: row.reason for row in rows}


def count_deliveries(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from delivery")).scalar_one()


@pytest.mark.parametrize(
    ("what", "value", "reason"),
    [
        ("any", "", "you asked for everything"),
        ("aircraft", "A1B2C3", "you watch the aircraft A1B2C3"),
        ("aircraft", "n123ab", "you watch the aircraft N123AB"),
        ("aircraft", "N123A", None),
        ("operator", "invented  air", "you watch the operator Invented Air"),
        ("operator", "Invented", None),
        ("airport", "kiwa", "you watch the airport KIWA, where this flight began"),
        ("airport", "AZA", "you watch the airport AZA, where this flight began"),
        ("airport", "KPHX", None),
        ("source", "adsb_lol", None),
        ("keyword", "KIWA", None),
    ],
)
def test_a_flight_reaches_those_who_watch_its_aircraft_operator_or_airport(
    engine: Engine, key: InstanceKey, what: str, value: str, reason: str | None
) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "me"), what, value)
    event_id = make_event(engine)
    match_events(engine, NOW)
    assert read_told(engine, event_id).get("me") == reason


@pytest.mark.parametrize(("value", "is_told"), [("adsb_lol", True), ("flight positions", True), ("adsb", False)])
@pytest.mark.parametrize("kind", [EventKind.SOURCE_SILENT, EventKind.SOURCE_RECOVERED])
def test_silence_reaches_those_who_watch_the_promise_or_one_of_its_sources(
    engine: Engine, key: InstanceKey, kind: EventKind, value: str, is_told: bool
) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "me"), "source", value)
    silence = HealthPayload(name="flight positions", reason="nobody answers", sources=("adsb_lol", "adsb_fi"))
    event_id = make_event(engine, kind=kind, payload=silence)
    match_events(engine, NOW)
    assert ("me" in read_told(engine, event_id)) is is_told


@pytest.mark.parametrize(
    ("word", "is_told"),
    [
        ("deportation", True),
        ("deport", False),
        ("deport*", True),
        ("DEPORTATION flight", True),
        ("polic", False),
        ("ICE Air", True),
        ("депортац*", True),
        ("*", False),
    ],
)
def test_an_article_reaches_those_who_watch_a_word_in_it(
    engine: Engine, key: InstanceKey, word: str, is_told: bool
) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "me"), "keyword", word)
    article = ArticlePayload(
        url="https://example.org/1",
        publisher="Invented Times",
        title="A deportation\nflight left; police notice",
        text="Ice air, said ICE Air. О депортации.",
    )
    event_id = make_event(engine, kind=EventKind.NEWS_ARTICLE, payload=article)
    match_events(engine, NOW)
    assert ("me" in read_told(engine, event_id)) is is_told


def test_kinds_and_least_certainty_are_kept(engine: Engine, key: InstanceKey) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "sure"), least="confirmed")
    subscribe(engine, make_channel(engine, key, "inbox://local", "landings"), kinds=("flight.landed",))
    subscribe(engine, make_channel(engine, key, "inbox://local", "all"))
    event_id = make_event(engine, certainty=Certainty.LIKELY)
    match_events(engine, NOW)
    assert set(read_told(engine, event_id)) == {"all"}


def test_two_subscriptions_of_one_channel_make_one_message_with_both_reasons(engine: Engine, key: InstanceKey) -> None:
    channel = make_channel(engine, key, "inbox://local", "me")
    subscribe(engine, channel)
    subscribe(engine, channel, "airport", "KIWA")
    make_event(engine)
    assert match_events(engine, NOW) == 1
    assert match_events(engine, NOW) == 0
    assert count_deliveries(engine) == 1
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from match")).scalar_one() == 2


def test_a_correction_reaches_exactly_those_who_were_told_and_those_it_newly_concerns(
    engine: Engine, key: InstanceKey
) -> None:
    told = subscribe(engine, make_channel(engine, key, "inbox://local", "told"), "airport", "KIWA")
    subscribe(engine, make_channel(engine, key, "inbox://local", "new"), "airport", "KPHX")
    subscribe(engine, make_channel(engine, key, "inbox://local", "neither"), "airport", "KJFK")
    first = make_event(engine, dedupe_key="d", kind=EventKind.FLIGHT_DEPARTED)
    match_events(engine, NOW)
    with transaction(engine) as connection:
        end_subscription(connection, told, NOW)  # who left before the correction still holds the wrong news
    moved = make_flight(
        departure=LegEnd(at=NOW, airport="KPHX", evidence=Evidence.LOW_OBSERVED, certainty=Certainty.LIKELY)
    )
    second = make_event(engine, kind=EventKind.FLIGHT_CORRECTED, payload=moved, supersedes_id=first)
    match_events(engine, NOW)
    assert read_told(engine, second) == {
        "told": "you were told what this message corrects",
        "new": "you watch the airport KPHX, where this flight began",
    }
    third = make_event(engine, dedupe_key="d", revision=2, payload=moved, certainty=Certainty.POSSIBLE)
    match_events(engine, NOW)
    assert set(read_told(engine, third)) == {"told", "new"}


def test_news_about_a_channel_never_goes_through_that_channel(engine: Engine, key: InstanceKey) -> None:
    broken = make_channel(engine, key, "inbox://local", "broken")
    subscribe(engine, broken)
    subscribe(engine, make_channel(engine, key, "inbox://local", "aircraft only"), "aircraft", "a1b2c3")
    health = HealthPayload(name="broken", reason="gone")
    event_id = make_event(engine, kind=EventKind.CHANNEL_DISABLED, payload=health, subject=str(broken))
    match_events(engine, NOW)
    assert set(read_told(engine, event_id)) == {"aircraft only"}, "nobody else asked for all, so all others are told"
    subscribe(engine, make_channel(engine, key, "inbox://local", "everything"))
    event_id = make_event(engine, kind=EventKind.CHANNEL_DISABLED, payload=health, subject=str(broken))
    match_events(engine, NOW)
    assert set(read_told(engine, event_id)) == {"everything"}


def test_an_event_that_cannot_be_read_is_told_to_those_who_want_all_and_stops_nothing(
    engine: Engine, key: InstanceKey
) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "all"))
    subscribe(engine, make_channel(engine, key, "inbox://local", "airport"), "airport", "KIWA")
    odd, plain = make_event(engine), make_event(engine)
    with engine.begin() as connection:
        connection.execute(
            text('update event set payload = \'{"type": "flight", "new": 1}\' where id = :id'), {"id": odd}
        )
    match_events(engine, NOW)
    assert set(read_told(engine, odd)) == {"all"}
    assert set(read_told(engine, plain)) == {"all", "airport"}
