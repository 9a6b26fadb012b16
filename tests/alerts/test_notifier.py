"""The real notifier process: tells within a second, survives the database's death, and stops when asked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from sqlalchemy import Engine, text

from alerts.inbox import read_inbox
from alerts.setup import ensure_inbox
from models import clock
from models.queries.delivery import measure_queue
from models.secrets import InstanceKey
from models.store.session import transaction
from tests.alerts.telling import Sink, answer_with, make_channel, make_event, subscribe, wait_until


@contextmanager
def running_notifier(database_url: str, home: Path, allow: str = "") -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"DATABASE_URL": database_url, "TARMAC_HOME": str(home), "TARMAC_ALLOW_PRIVATE": allow}
    with (home / "notifier.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "alerts.notifier"], env=environment, stderr=log)
    try:
        wait_until(lambda: b"listening" in (home / "notifier.log").read_bytes(), 30)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def test_an_event_reaches_the_inbox_within_a_second(
    engine: Engine, database_url: str, home: Path, key: InstanceKey
) -> None:
    ensure_inbox(engine, key, home, clock.now())
    with running_notifier(database_url, home) as process:
        began = time.monotonic()
        make_event(engine, now=clock.now())
        wait_until(lambda: bool(list(read_inbox(home))), 5)
        assert time.monotonic() - began < 1.5
        [message] = read_inbox(home)
        assert message.title == "N123AB left Phoenix (KIWA) - confirmed"
        assert "Why you get this: you asked for everything." in message.body
    assert process.returncode == 0


def test_it_survives_the_death_of_its_database_connections(
    engine: Engine, database_url: str, home: Path, key: InstanceKey
) -> None:
    ensure_inbox(engine, key, home, clock.now())
    with running_notifier(database_url, home) as process:
        for count in range(1, 4):
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )
                )
            make_event(engine, now=clock.now())
            wait_until(lambda count=count: len(list(read_inbox(home))) == count)
        assert process.poll() is None
    assert not any(message.is_repeat for message in read_inbox(home))


def test_a_notifier_that_is_killed_leaves_nothing_unsent(
    engine: Engine, database_url: str, home: Path, key: InstanceKey, sink: Sink
) -> None:
    def accept_slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        answer_with(200)(handler)

    sink.answers["/ok"] = accept_slowly
    subscribe(engine, make_channel(engine, key, sink.url(), now=clock.now()), now=clock.now())
    kill_count = 3
    for _ in range(kill_count):
        with running_notifier(database_url, home, sink.pair) as process:
            make_event(engine, now=clock.now())
            seen = len(sink.received)
            wait_until(lambda seen=seen: len(sink.received) > seen)
            process.kill()
    with running_notifier(database_url, home, sink.pair):
        wait_until(lambda: count_unsent(engine) == 0, 30)
    keys = [received.key for received in sink.received]
    assert len(set(keys)) == kill_count
    assert len(keys) - len(set(keys)) <= kill_count
    for index, received in enumerate(sink.received):
        is_repeat = received.key in keys[:index]
        assert ("Sent again after an interruption" in received.message["message"]) is is_repeat


def test_asked_to_stop_it_finishes_what_it_is_sending(
    engine: Engine, database_url: str, home: Path, key: InstanceKey, sink: Sink
) -> None:
    def accept_slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1)
        answer_with(200)(handler)

    sink.answers["/hook-5ecr3t"] = accept_slowly
    channel = make_channel(engine, key, sink.url("/hook-5ecr3t"), now=clock.now())
    subscribe(engine, channel, now=clock.now())
    with running_notifier(database_url, home, sink.pair) as process:
        make_event(engine, now=clock.now())
        sink.wait_for(1)
        process.terminate()
        assert process.wait(10) == 0
    assert count_unsent(engine) == 0
    health = json.loads((home / "notifier.json").read_text())
    assert health["last_sweep_at"]
    assert "5ecr3t" not in (home / "notifier.log").read_text()


def count_unsent(engine: Engine) -> int:
    with transaction(engine) as connection:
        return measure_queue(connection).waiting_count


def test_channels_that_hang_hold_up_no_other(
    engine: Engine, database_url: str, home: Path, key: InstanceKey, sink: Sink
) -> None:
    sink.answers["/hang"] = lambda handler: time.sleep(30)
    ensure_inbox(engine, key, home, clock.now())
    for number in range(6):
        channel = make_channel(engine, key, sink.url("/hang"), f"hangs {number}", clock.now())
        subscribe(engine, channel, now=clock.now())
    with running_notifier(database_url, home, sink.pair) as process:
        for count in range(1, 4):
            began = time.monotonic()
            make_event(engine, now=clock.now())
            wait_until(lambda count=count: len(list(read_inbox(home))) == count)
            assert time.monotonic() - began < 3
        process.kill()


def test_a_database_address_that_is_none_is_said_in_one_line_without_it(home: Path) -> None:
    environment = os.environ | {"DATABASE_URL": "postgresql://u:5ecr3t@h:notaport/x", "TARMAC_HOME": str(home)}
    command = [sys.executable, "-m", "alerts.notifier"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("tarmac: DATABASE_URL is not")
    assert done.stderr.count("\n") == 1
    assert "5ecr3t" not in done.stderr
