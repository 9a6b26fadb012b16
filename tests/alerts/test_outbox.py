"""What follows from how a send ended, on a real database: retries, giving up, switching off, telling the others."""

import statistics
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from alerts.answer import Answer, Exchange, Outcome, judge_send
from alerts.match import match_events
from alerts.outbox import BREAKER_FAILURES, LEASE, LONGEST_WAIT_S, Outbox, expire_old, next_wait_s
from alerts.words import render_claimed
from models.queries.delivery import list_attempts, list_deliveries, measure_queue
from models.secrets import InstanceKey
from models.store.channel import enable_channel, list_channels
from models.store.delivery import list_busy_workers, release_workers
from models.store.session import transaction
from tests.alerts.telling import NOW, make_channel, make_event, subscribe

SENT = Answer(Outcome.SENT, "accepted")
BUSY = Answer(Outcome.TEMPORARY, "http 503")
GONE = Answer(Outcome.PERMANENT, "http 410")
UNKNOWN = Answer(Outcome.UNCERTAIN, "deadline")


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, worker="test/1/1")


def prepare(engine: Engine, key: InstanceKey, *labels: str) -> list[UUID]:
    channels = [make_channel(engine, key, "inbox://local", label) for label in labels]
    for channel in channels:
        subscribe(engine, channel)
    return channels


def send_all(engine: Engine, outbox: Outbox, answer: Answer, now: datetime) -> int:
    count = 0
    while claimed := outbox.take_next(now):
        assert outbox.settle(claimed, answer, now)
        outbox.release(claimed, 0)
        count += 1
    return count


def read_states(engine: Engine) -> list[str]:
    with transaction(engine) as connection:
        return [line.state for line in reversed(list_deliveries(connection))]


def test_a_failed_message_is_tried_again_later_and_then_never_after_it_was_sent(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    assert send_all(engine, outbox, BUSY, NOW) == 1
    later = NOW + timedelta(minutes=1)
    assert send_all(engine, outbox, SENT, later) == 1
    assert send_all(engine, outbox, SENT, later + timedelta(days=3)) == 0
    with transaction(engine) as connection:
        [delivery] = list_deliveries(connection)
        attempts = list_attempts(connection, delivery.id)
    assert [(attempt.outcome, attempt.code) for attempt in attempts] == [
        ("failed_temporary", "http 503"),
        ("sent", "accepted"),
    ]
    assert delivery.sent_at == later


def test_the_attempt_is_on_record_before_anything_is_sent(engine: Engine, key: InstanceKey, outbox: Outbox) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    claimed = outbox.take_next(NOW)
    assert claimed is not None
    with transaction(engine) as connection:  # another connection sees only what was committed
        [attempt] = list_attempts(connection, claimed.delivery_id)
    assert (attempt.token, attempt.outcome, attempt.started_at) == (1, None, NOW)


def test_waits_grow_are_spread_and_never_undercut_what_the_service_asks_for() -> None:
    assert [next_wait_s(n, 1) for n in range(1, 12)] == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
    assert next_wait_s(10_000, 1) == LONGEST_WAIT_S
    assert statistics.mean(next_wait_s(4, share / 100) for share in range(101)) == pytest.approx(20)
    assert next_wait_s(1, 0.5, retry_after_s=120) == 120
    assert next_wait_s(1, 0.5, retry_after_s=1e9) == 3600


def test_a_dead_address_switches_its_channel_off_and_the_other_channels_say_so(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    dead, other = prepare(engine, key, "dead", "other")
    make_event(engine)
    match_events(engine, NOW)
    while claimed := outbox.take_next(NOW):
        outbox.settle(claimed, GONE if claimed.channel_id == dead else SENT, NOW)
        outbox.release(claimed, 0)
    with transaction(engine) as connection:
        states = {line.label: (line.state, line.reason) for line in list_channels(connection)}
    assert states == {"dead": ("disabled", "the service says the address is gone (410)"), "other": ("active", "")}
    assert match_events(engine, NOW) == 1
    told = outbox.take_next(NOW)
    assert told is not None
    assert told.channel_id == other
    message = render_claimed(told)
    assert message.title == "Channel switched off: dead"
    assert "the service says the address is gone (410)" in message.body


def test_what_waits_for_a_channel_that_was_switched_off_is_sent_when_it_is_switched_on_again(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    [channel] = prepare(engine, key, "only")
    make_event(engine)
    match_events(engine, NOW)
    send_all(engine, outbox, GONE, NOW)
    make_event(engine)
    match_events(engine, NOW)
    assert send_all(engine, outbox, SENT, NOW) == 0
    with transaction(engine) as connection:
        enable_channel(connection, channel)
    assert send_all(engine, outbox, SENT, NOW + timedelta(hours=1)) == 1


def test_a_message_that_cannot_be_delivered_for_a_day_is_given_up_aloud(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    failing, other = prepare(engine, key, "failing", "other")
    make_event(engine)
    match_events(engine, NOW)
    for hour in range(26):
        now = NOW + timedelta(hours=hour)
        while claimed := outbox.take_next(now):
            outbox.settle(claimed, BUSY if claimed.channel_id == failing else SENT, now)
            outbox.release(claimed, 0)
        expire_old(engine, now)
        match_events(engine, now)
    assert read_states(engine).count("expired") >= 1
    with engine.connect() as connection:
        told = connection.execute(
            text(
                "select e.kind, e.payload->>'reason' from event e join delivery d on d.event_id = e.id"
                " where d.channel_id = :other and e.kind like 'channel.%' order by e.recorded_at"
            ),
            {"other": other},
        ).all()
    assert [kind for kind, _ in told] == ["channel.failing", "channel.failing"]
    assert "5 tries failed in a row" in told[0][1]
    assert "1 message was not delivered within 24 hours" in told[1][1]


def test_a_machine_that_was_off_for_two_days_still_tells(engine: Engine, key: InstanceKey, outbox: Outbox) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    late = NOW + timedelta(days=2)
    assert expire_old(engine, late) == 0
    assert send_all(engine, outbox, SENT, late) == 1


def test_a_repeat_says_that_it_may_be_one(engine: Engine, key: InstanceKey, outbox: Outbox) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    first = outbox.take_next(NOW)
    assert first is not None
    assert "again" not in render_claimed(first).body
    other = Outbox(engine, worker="test/2/2")
    assert other.take_next(NOW + LEASE / 2) is None
    second = other.take_next(NOW + LEASE)
    assert second is not None
    body = render_claimed(second).body
    assert body.startswith("Sent again after an interruption: you may have this message already.")
    assert render_claimed(second).key == render_claimed(first).key
    assert not outbox.settle(first, SENT, NOW + LEASE), "the first claim has passed on"
    assert other.settle(second, UNKNOWN, NOW + LEASE)


def test_an_uncertain_end_makes_the_next_try_a_repeat_and_a_refusal_does_not(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    repeats = []
    for minute, answer in enumerate((BUSY, UNKNOWN, SENT)):
        claimed = outbox.take_next(NOW + timedelta(minutes=minute))
        assert claimed is not None
        repeats.append(claimed.is_repeat)
        outbox.settle(claimed, answer, NOW + timedelta(minutes=minute))
        outbox.release(claimed, 0)
    assert repeats == [False, False, True]


def test_claims_of_a_dead_process_are_taken_back_without_waiting_for_the_lease(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    prepare(engine, key, "first")
    make_event(engine)
    match_events(engine, NOW)
    assert outbox.take_next(NOW) is not None
    with transaction(engine) as connection:
        assert list_busy_workers(connection) == ["test/1/1"]
        assert release_workers(connection, ["test/1/1"], NOW) == 1
    again = Outbox(engine, worker="test/2/2").take_next(NOW)
    assert again is not None
    assert again.is_repeat


def test_one_channel_has_one_message_in_flight_and_holds_up_no_other(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    prepare(engine, key, "slow", "quick")
    for _ in range(3):
        make_event(engine)
    match_events(engine, NOW)
    claims = [outbox.take_next(NOW), outbox.take_next(NOW)]
    assert {claimed.channel_label for claimed in claims if claimed} == {"slow", "quick"}
    assert outbox.take_next(NOW) is None
    for claimed in claims:
        assert claimed is not None
        outbox.settle(claimed, SENT, NOW)
        outbox.release(claimed, 8.0 if claimed.channel_label == "slow" else 0.1)
    quick = outbox.take_next(NOW)
    assert quick is not None
    assert quick.channel_label == "quick"


def test_channels_in_trouble_never_take_all_slots(engine: Engine, key: InstanceKey) -> None:
    outbox = Outbox(engine, worker="test/1/1", slot_count=4)
    prepare(engine, key, *(f"bad {n}" for n in range(6)))
    make_event(engine)
    match_events(engine, NOW)
    while claimed := outbox.take_next(NOW):
        outbox.settle(claimed, BUSY, NOW)
        outbox.release(claimed, 0)
    later = NOW + timedelta(minutes=1)
    taken = [outbox.take_next(later) for _ in range(6)]
    assert sum(claimed is not None for claimed in taken) == 2
    make_channel(engine, key, "inbox://local", "good")
    with transaction(engine) as connection:
        [good] = [line for line in list_channels(connection) if line.label == "good"]
    subscribe(engine, good.id)
    make_event(engine)
    match_events(engine, later)
    claimed = outbox.take_next(later)
    assert claimed is not None
    assert claimed.channel_label == "good"


def test_a_channel_that_keeps_failing_is_tried_once_a_minute_and_drops_nothing(
    engine: Engine, key: InstanceKey, outbox: Outbox
) -> None:
    prepare(engine, key, "failing")
    for _ in range(20):
        make_event(engine)
    match_events(engine, NOW)
    assert send_all(engine, outbox, BUSY, NOW) == BREAKER_FAILURES
    assert send_all(engine, outbox, BUSY, NOW + timedelta(seconds=30)) == 0
    assert send_all(engine, outbox, BUSY, NOW + timedelta(seconds=61)) == 1
    assert send_all(engine, outbox, SENT, NOW + timedelta(hours=2)) == 20
    with transaction(engine) as connection:
        assert measure_queue(connection).waiting_count == 0


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-30)])
def test_a_clock_that_is_set_back_or_forward_delays_nothing_for_long(
    engine: Engine, key: InstanceKey, outbox: Outbox, step: timedelta
) -> None:
    prepare(engine, key, "first")
    for _ in range(2):
        make_event(engine)
    match_events(engine, NOW)
    failed = outbox.take_next(NOW)
    assert failed is not None
    assert outbox.settle(failed, Answer(Outcome.TEMPORARY, "http 429", retry_after_s=900), NOW)
    outbox.release(failed, 0)
    assert outbox.take_next(NOW) is not None  # and its sender dies
    stepped = NOW + step + timedelta(minutes=16)
    assert send_all(engine, Outbox(engine, worker="test/2/2"), SENT, stepped) == 2


@pytest.mark.parametrize(
    ("is_accepted", "exchanges", "written", "refused", "expected"),
    [
        (True, [Exchange("http", 200)], False, False, SENT),
        (False, [Exchange("http", 404)], False, False, Answer(Outcome.PERMANENT, "http 404")),
        (False, [Exchange("http", 429, 30)], False, False, Answer(Outcome.TEMPORARY, "http 429", 30)),
        (False, [Exchange("http", 200), Exchange("http", 500)], False, False, Answer(Outcome.TEMPORARY, "http 500")),
        (False, [Exchange("http", 200)], True, False, Answer(Outcome.UNCERTAIN, "no answer")),
        (False, [Exchange("http", 200)], False, False, Answer(Outcome.TEMPORARY, "answer not understood")),
        (False, [], False, False, Answer(Outcome.TEMPORARY, "not reached")),
        (False, [Exchange("smtp", 250), Exchange("smtp", 550)], False, False, Answer(Outcome.PERMANENT, "smtp 550")),
        (False, [Exchange("smtp", 354), Exchange("smtp", 451)], False, False, Answer(Outcome.TEMPORARY, "smtp 451")),
        (False, [], False, True, Answer(Outcome.TEMPORARY, "private address refused")),
    ],
)
def test_what_the_other_side_answered_decides_what_happens_next(
    is_accepted: bool, exchanges: list[Exchange], written: bool, refused: bool, expected: Answer
) -> None:
    answer = judge_send(is_accepted, exchanges, was_refused_egress=refused, was_request_written=written)
    assert answer == expected
