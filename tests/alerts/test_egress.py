"""Nothing leads from a sender into a private network; each form is first shown to get there without the guard."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from alerts.answer import Outcome
from alerts.egress import AllowedPair, is_allowed, parse_allowed
from alerts.message import Message
from alerts.worker import SenderPool
from tests.alerts.telling import NOW, Sink, answer_with

PROBE = Path(__file__).with_name("egress_probe.py")


class Targets(NamedTuple):
    """What a sender must not reach: web servers on both loopbacks, a datagram port, a Unix socket."""

    http: int
    redirect: int
    datagram: int
    unix: str


class DualStackServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Targets]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = int(self.path.strip("/") or 200)
            self.send_response(status)
            if status != 200:
                self.send_header("Location", f"http://127.0.0.1:{inner.server_port}/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def handle(self) -> None:
            # A mail client waits for the server to speak first; a web client has spoken by then.
            self.connection.settimeout(0.3)
            try:
                self.connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                self.wfile.write(b"220 ready\r\n")
                return
            self.connection.settimeout(None)
            super().handle()

        def log_message(self, *_: object) -> None:
            pass

    inner = DualStackServer(("::", 0), Handler)
    outer = DualStackServer(("::", 0), Handler)
    threads = [threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True) for s in (inner, outer)]
    for thread in threads:
        thread.start()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket(socket.AF_UNIX) as unix:
        datagram.bind(("127.0.0.1", 0))
        unix.bind("u")
        unix.listen()
        yield Targets(inner.server_port, outer.server_port, datagram.getsockname()[1], str(tmp_path / "u"))
    for server, thread in zip((inner, outer), threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def probe(mode: str, targets: Targets) -> dict[str, str]:
    arguments = [mode, *map(str, targets)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROBE.parents[2])}
    done = subprocess.run([sys.executable, str(PROBE), *arguments], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, str] = json.loads(done.stdout)
    return results


def test_every_way_into_a_private_network_works_without_the_guard_and_none_with_it(targets: Targets) -> None:
    unguarded, guarded = probe("unguarded", targets), probe("guarded", targets)
    assert len(unguarded) >= 30
    assert {name for name, result in unguarded.items() if result != "connected"} == set()
    assert {name for name, result in guarded.items() if result == "connected"} == set()


def test_a_private_service_is_reached_only_at_the_port_the_operator_opened() -> None:
    allowed = (AllowedPair("127.0.0.1", 8080), AllowedPair("localhost", 9090))
    assert is_allowed("127.0.0.1", 8080, allowed)
    assert is_allowed("::ffff:127.0.0.1", 8080, allowed)
    assert is_allowed("127.0.0.1", 9090, allowed)
    assert not is_allowed("127.0.0.1", 8081, allowed)
    assert not is_allowed("127.0.0.2", 8080, allowed)
    assert not is_allowed("localhost", 9090, allowed), "a name is not an address: it must have been resolved before"


@pytest.mark.parametrize("text", ["localhost", "localhost:", ":80", "a:b", "a:0", "a:70000", "10.0.0.0/8:80:"])
def test_a_list_of_private_services_is_read_strictly(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_allowed(text)


def test_a_sender_follows_no_redirect_and_reaches_no_other_port(home: Path, sink: Sink) -> None:
    other = answer_with(302, Location=f"http://127.0.0.1:{sink.port}/ok")
    sink.answers["/away"] = other
    with SenderPool(home, allow_private=sink.pair) as pool:
        away = pool.send(sink.url("/away"), Message("k", "t", "b"), NOW)
        assert (away.outcome, away.code) == (Outcome.TEMPORARY, "http 302")
        assert [received.path for received in sink.received] == ["/away"]
        closed = pool.send("json://127.0.0.1:9/", Message("k", "t", "b"), NOW)
        assert (closed.outcome, closed.code) == (Outcome.TEMPORARY, "private address refused")
        mail = pool.send("mailto://u:p@127.0.0.1:9?from=a@example.org&to=b@example.org", Message("k", "t", "b"), NOW)
        assert (mail.outcome, mail.code) == (Outcome.TEMPORARY, "private address refused")
        opened_again = pool.send(sink.url("/away") + "?redirect=yes", Message("k", "t", "b"), NOW)
        assert (opened_again.outcome, opened_again.code) == (Outcome.PERMANENT, "unusable address")
