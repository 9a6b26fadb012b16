"""Senders are killed in mid-send: nothing is lost, and each kill makes at most one repeat, which says so.

The verdict is read from files outside the database: what was produced, attempted, accepted by the receiver, and acked.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from alerts.answer import Answer, Outcome
from alerts.outbox import Outbox
from models import clock
from models.secrets import InstanceKey
from models.store.match import idempotency_key
from tests.alerts.telling import Sink, answer_with, make_channel, make_event, subscribe, wait_until
from tests.chaos.senders import note

KILL_COUNT = 1000 if os.environ.get("TARMAC_CHAOS") else 100
LEASE_S = 2.0
NOTICE = "Sent again after an interruption"

pytestmark = pytest.mark.chaos


@dataclass(frozen=True)
class Verdict:
    """What the histories say."""

    produced_count: int
    lost_count: int
    repeat_count: int
    unannounced_count: int
    killed_in_flight_count: int
    double_ack_count: int


def read_history(folder: Path, name: str) -> list[dict[str, object]]:
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def judge(folder: Path) -> Verdict:
    produced = {line["key"] for line in read_history(folder, "produced")}
    accepted = read_history(folder, "accepted")
    copies = Counter(line["key"] for line in accepted)
    seen: set[object] = set()
    unannounced = 0
    for line in accepted:
        unannounced += line["key"] in seen and not line["is_announced"]
        seen.add(line["key"])
    settled = {
        (line["pid"], line["key"], line["token"]) for h in ("acked", "not_acked") for line in read_history(folder, h)
    }
    killed = {line["victim"] for line in read_history(folder, "killed")}
    attempts = read_history(folder, "attempted")
    in_flight = {a["pid"] for a in attempts if a["pid"] in killed and (a["pid"], a["key"], a["token"]) not in settled}
    acks = Counter(line["key"] for line in read_history(folder, "acked"))
    return Verdict(
        produced_count=len(produced),
        lost_count=len(produced - set(copies)),
        repeat_count=sum(copies.values()) - len(copies),
        unannounced_count=unannounced,
        killed_in_flight_count=len(in_flight),
        double_ack_count=sum(acks.values()) - len(acks),
    )


def record_accepted(sink: Sink, folder: Path, pause_s: float = 0.03) -> None:
    """Have the receiver write down what it took, before it says so."""

    def accept(handler: BaseHTTPRequestHandler) -> None:
        last = handler.request_received  # type: ignore[attr-defined]
        note(str(folder), "accepted", key=last.key, is_announced=NOTICE in last.message["message"])
        time.sleep(pause_s)
        answer_with(200)(handler)

    sink.answers["/ok"] = accept


@contextmanager
def running_farm(
    database_url: str, folder: Path, rule: str, *, kill_count: int, sender_count: int = 3
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [database_url, str(folder), rule, str(sender_count), str(kill_count), str(LEASE_S)]
    root = str(Path(__file__).parents[2])
    farm = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.senders", *arguments], cwd=root, env=os.environ | {"PYTHONPATH": root}
    )
    try:
        wait_until(lambda: (folder / "started.jsonl").exists(), 30)
        yield farm
    finally:
        farm.terminate()
        farm.wait(10)


def produce(engine: Engine, folder: Path, channels: list[UUID]) -> None:
    event_id = make_event(engine, now=clock.now())
    for channel_id in channels:
        note(str(folder), "produced", key=idempotency_key(event_id, channel_id))


def run_kills(
    engine: Engine, database_url: str, folder: Path, key: InstanceKey, sink: Sink, rule: str, kill_count: int
) -> Verdict:
    record_accepted(sink, folder)
    channels = [make_channel(engine, key, sink.url(), f"channel {n}", clock.now()) for n in range(4)]
    for channel_id in channels:
        subscribe(engine, channel_id, now=clock.now())
    with running_farm(database_url, folder, rule, kill_count=kill_count):
        while not (folder / "done.jsonl").exists():
            if count_unsent(engine) < 40:
                produce(engine, folder, channels)
            time.sleep(0.05)
        wait_until(lambda: count_unsent(engine) == 0, 60)
        time.sleep(0.3)
    return judge(folder)


def count_unsent(engine: Engine) -> int:
    with engine.connect() as connection:
        unsent = "select count(*) from delivery where state in ('queued', 'sending', 'failed_temporary')"
        unmatched = "select count(*) from event where matched_at is null"
        return connection.execute(text(f"select ({unsent}) + ({unmatched})")).scalar_one()


@pytest.mark.timeout(900)
def test_no_alert_is_lost_and_each_kill_repeats_at_most_one(
    engine: Engine,
    database_url: str,
    home: Path,
    key: InstanceKey,
    sink: Sink,
) -> None:
    verdict = run_kills(engine, database_url, home, key, sink, "as it is", KILL_COUNT)
    print(verdict)
    assert verdict.produced_count >= KILL_COUNT / 2
    assert verdict.lost_count == 0
    assert verdict.killed_in_flight_count >= KILL_COUNT / 5, "the kills must hit sends to mean anything"
    assert verdict.repeat_count <= verdict.killed_in_flight_count <= KILL_COUNT
    assert verdict.unannounced_count == 0
    assert verdict.double_ack_count == 0


def test_the_same_kills_find_the_loss_when_messages_are_marked_before_they_are_sent(
    engine: Engine,
    database_url: str,
    home: Path,
    key: InstanceKey,
    sink: Sink,
) -> None:
    assert run_kills(engine, database_url, home, key, sink, "mark, then send", 40).lost_count > 0


@pytest.mark.parametrize(("rule", "ack_count"), [("as it is", 1), ("no fencing", 2)])
def test_a_sender_that_slept_past_its_lease_changes_nothing_when_it_wakes(
    engine: Engine,
    database_url: str,
    home: Path,
    key: InstanceKey,
    sink: Sink,
    rule: str,
    ack_count: int,
) -> None:
    """With the token left out the same scene acks twice: that is what the token is for."""
    record_accepted(sink, home, pause_s=1.0)
    channel_id = make_channel(engine, key, sink.url(), now=clock.now())
    subscribe(engine, channel_id, now=clock.now())
    with running_farm(database_url, home, rule, kill_count=0, sender_count=1):
        produce(engine, home, [channel_id])
        wait_until(lambda: (home / "accepted.jsonl").exists())
        sleeper = int(str(read_history(home, "attempted")[0]["pid"]))
        os.kill(sleeper, signal.SIGSTOP)
        time.sleep(LEASE_S + 0.2)
        other = Outbox(engine, worker="elsewhere/1/1", lease=timedelta(seconds=60))
        claimed = other.take_next(clock.now())
        assert claimed is not None
        assert (claimed.token, claimed.is_repeat) == (2, True)
        assert other.settle(claimed, Answer(Outcome.SENT, "accepted"), clock.now())
        note(str(home), "acked", key=claimed.idempotency_key, token=claimed.token)
        before = read_rows(engine)
        os.kill(sleeper, signal.SIGCONT)
        wait_until(lambda: len(read_history(home, "acked")) + len(read_history(home, "not_acked")) == 2)
    assert len(read_history(home, "acked")) == ack_count
    if rule == "as it is":
        assert read_rows(engine) == before
        with engine.connect() as connection:
            outcomes = connection.execute(text("select token, outcome from attempt order by token")).all()
        assert [tuple(row) for row in outcomes] == [(1, "abandoned"), (2, "sent")]


def read_rows(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = " union all ".join(f"select {table}::text from {table}" for table in ("delivery", "attempt", "channel"))
        return list(connection.execute(text(query)).scalars())
