"""Senders on a leash: what hangs is killed, what floods is cut, what dies is noticed, and none holds a secret."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest

from alerts.answer import Answer, Outcome
from alerts.channels import load_schemas, make_service, read_result
from alerts.inbox import append_message, read_inbox
from alerts.message import Message
from alerts.wire import parse_retry_after
from alerts.worker import SenderPool, SenderUnavailable
from tests.alerts.telling import NOW, Sink, answer_with, wait_until

MESSAGE = Message("k1", "Title", "Body")


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and say nothing, one byte of headers at a time, so that no socket time-out ends it."""
    for sign in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 3000:
        handler.wfile.write(bytes([sign]))
        handler.wfile.flush()
        time.sleep(0.05)


def flood(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(400):
        handler.wfile.write(b"x" * 1_000_000)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    answer_with(200, body=b"short", Content_Length="5000")(handler)
    handler.close_connection = True


def say_nothing(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def test_a_send_that_hangs_is_killed_at_the_deadline_and_delays_no_other(home: Path, sink: Sink) -> None:
    sink.answers["/hang"] = hang
    with SenderPool(home, allow_private=sink.pair, deadline_s=2) as pool:
        pool.warm()
        hanging: list[object] = []
        thread = threading.Thread(target=lambda: hanging.append(pool.send(sink.url("/hang"), MESSAGE, NOW)))
        began = time.monotonic()
        thread.start()
        wait_until(lambda: len(sink.received) == 1)
        victims = pool.list_pids()
        quick = pool.send(sink.url("/ok"), MESSAGE, NOW)
        assert quick.outcome is Outcome.SENT
        assert time.monotonic() - began < 1.9
        thread.join(10)
        assert hanging == [Answer(Outcome.UNCERTAIN, "deadline")]
        wait_until(lambda: sum(psutil.pid_exists(pid) for pid in victims) == 0)


def test_a_message_whose_claim_could_end_first_is_not_begun(home: Path, sink: Sink) -> None:
    with SenderPool(home, allow_private=sink.pair) as pool:
        start_by = time.monotonic() + 0.05  # loading Apprise takes longer
        with pytest.raises(SenderUnavailable):
            pool.send(sink.url(), MESSAGE, NOW, start_by=start_by)
        assert sink.received == []
        assert pool.send(sink.url(), MESSAGE, NOW, start_by=time.monotonic() + 5).outcome is Outcome.SENT
    assert len(sink.received) == 1


def test_a_flood_is_cut_and_costs_no_memory(home: Path, sink: Sink) -> None:
    sink.answers["/flood"] = flood
    with SenderPool(home, allow_private=sink.pair) as pool:
        pool.warm()
        answer = pool.send(sink.url("/flood"), MESSAGE, NOW)
        [pid] = pool.list_pids()
        assert answer.outcome is Outcome.SENT
        assert psutil.Process(pid).memory_info().rss < 150_000_000


def test_a_sender_may_not_grow_without_end(home: Path) -> None:
    with SenderPool(home) as pool:
        assert pool.send("inbox://local", MESSAGE, NOW).outcome is Outcome.SENT
        [pid] = pool.list_pids()
        limits = Path(f"/proc/{pid}/limits").read_text()
    size = next(line for line in limits.splitlines() if line.startswith("Max address space")).split()[3]
    assert int(size) < 1024**3


ANSWERS: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None], Answer]] = {
    "/broken": (break_off, Answer(Outcome.SENT, "accepted")),
    "/silent": (say_nothing, Answer(Outcome.UNCERTAIN, "no answer")),
    "/busy": (answer_with(429, Retry_After="120"), Answer(Outcome.TEMPORARY, "http 429", 120)),
    "/forbidden": (answer_with(403), Answer(Outcome.PERMANENT, "http 403")),
    "/error": (answer_with(500), Answer(Outcome.TEMPORARY, "http 500")),
}


def test_webhooks_are_told_apart_by_what_they_answer(home: Path, sink: Sink) -> None:
    sink.answers |= {path: answer for path, (answer, _) in ANSWERS.items()}
    with SenderPool(home, allow_private=sink.pair) as pool:
        for scheme in ("json", "form", "xml"):
            for path, (_, expected) in ANSWERS.items():
                assert pool.send(sink.url(path, scheme), MESSAGE, NOW) == expected, (scheme, path)
    assert {received.key for received in sink.received} == {"k1"}, "a webhook can know a repeat by its key"


def test_a_sender_that_is_killed_is_noticed_and_replaced(home: Path, sink: Sink) -> None:
    sink.answers["/hang"] = hang
    with SenderPool(home, allow_private=sink.pair) as pool:
        pool.warm()
        [idle] = pool.list_pids()
        os.kill(idle, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(idle))
        assert pool.send(sink.url(), MESSAGE, NOW).outcome is Outcome.SENT
        answers: list[object] = []
        thread = threading.Thread(target=lambda: answers.append(pool.send(sink.url("/hang"), MESSAGE, NOW)))
        thread.start()
        wait_until(lambda: len(sink.received) == 2)
        for process in psutil.Process().children(recursive=True):  # loader and senders, all at once
            if "alerts.sender" in process.cmdline():
                process.kill()
        thread.join(10)
        assert answers == [Answer(Outcome.UNCERTAIN, "sender died")]
        assert pool.send(sink.url(), MESSAGE, NOW).outcome is Outcome.SENT


def test_senders_know_no_secret_and_end_with_the_pool(home: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary:canary@db/x")
    monkeypatch.setenv("TARMAC_KEY_FILE", "/canary")
    monkeypatch.setenv("HTTPS_PROXY", "http://canary:1")
    with SenderPool(home, allow_private=sink.pair) as pool:
        pool.send(f"json://user:canary@127.0.0.1:{sink.port}/ok", MESSAGE, NOW)
        processes = [one for one in psutil.Process().children(recursive=True) if "alerts.sender" in one.cmdline()]
        assert len(processes) == 2
        for process in processes:
            assert b"canary" not in Path(f"/proc/{process.pid}/environ").read_bytes()
            assert "canary" not in " ".join(process.cmdline())
            assert not any("sqlalchemy" in mapped.path or "psycopg" in mapped.path for mapped in process.memory_maps())
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def test_the_inbox_survives_a_half_written_line_and_marks_repeats(home: Path) -> None:
    path = home / "inbox.jsonl"
    append_message(path, key="a", title="one", body="text\nwith lines", at=NOW)
    with path.open("ab") as file:
        file.write(b'{"key": "b", "title": "cut o')
    append_message(path, key="c", title="two", body="x", at=NOW)
    append_message(path, key="a", title="one", body="again", at=NOW)
    assert [(message.key, message.is_repeat) for message in read_inbox(home)] == [
        ("a", False),
        ("c", False),
        ("a", True),
    ]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("120", 120.0), (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0), ("soon", None), (None, None)],
)
def test_retry_after_is_read_in_both_forms(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, NOW) == expected


def test_results_of_both_apprise_generations_are_understood() -> None:
    class NewResult:
        def __init__(self, is_success: bool) -> None:
            self._is_success = is_success

        def __bool__(self) -> bool:
            return self._is_success

    assert [read_result(value) for value in (True, False, None, NewResult(True), NewResult(False))] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_every_listed_service_is_known_to_apprise_and_has_a_reason() -> None:
    make_service("json://localhost")
    from apprise import Apprise

    known = {
        schema
        for entry in Apprise().details()["schemas"]
        for schema in (*(entry["protocols"] or ()), *(entry["secure_protocols"] or ()))
    }
    schemas = load_schemas()
    assert set(schemas) - {"inbox"} <= known
    assert all(len(reason) > 3 for reason in schemas.values())
    assert json.dumps(sorted(schemas)).find("syslog") == -1
