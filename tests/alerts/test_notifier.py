"""The real notifier process: tells within a second, survives the database's death, and stops when asked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from alerts.inbox import read_inbox
from alerts.setup import ensure_inbox
from models import clock
from models.secrets import InstanceKey
from tests.alerts.telling import make_event, wait_until


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
