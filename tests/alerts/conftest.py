"""Fixtures for the tests of telling."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.secrets import InstanceKey, open_instance_key
from tests.alerts.telling import Received, Sink, answer_with


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server that takes everything at /ok and answers elsewhere as the test says."""
    made: Sink

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed half way: not a request
                self.close_connection = True
                return
            path = self.path.partition("?")[0]
            self.request_received = Received(path, self.headers.get("Idempotency-Key"), dict(self.headers), body)
            made.received.append(self.request_received)
            try:
                made.answers.get(path, answer_with(200))(self)
            except OSError:
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 - the name the server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Sink(server.server_port, {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def key(home: Path) -> InstanceKey:
    return open_instance_key(home / "instance.key")
