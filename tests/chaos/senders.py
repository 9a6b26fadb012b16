"""A farm of senders that are killed at random, run in a process of its own by the kill tests.

Each sender is the real outbox and the real Apprise in one process: it matches, claims, sends and settles until it is
killed, and another takes its place. All that happens is appended to files outside the database, so that the verdict
does not rest on what is being tested. ``rule`` plants a bug, to show that the verdict can be otherwise.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from alerts.addresses import unseal_address
from alerts.answer import Answer, Outcome
from alerts.channels import make_service, send_message
from alerts.identity import name_worker
from alerts.match import match_events
from alerts.outbox import Outbox
from alerts.wire import Wire, install_hooks
from alerts.words import render_claimed, warm
from models import clock
from models.secrets import open_instance_key
from models.store.delivery import Claimed
from models.store.session import Engine, make_engine


@dataclass(frozen=True)
class Farm:
    """What the farm is told on its command line."""

    database_url: str
    folder: str
    rule: str
    sender_count: int
    kill_count: int
    lease_s: float


def note(folder: str, history: str, **facts: object) -> None:
    """Append one line to a history file, whole: a short write with O_APPEND is not torn by a kill."""
    line = json.dumps(facts | {"pid": os.getpid(), "at": time.monotonic()}) + "\n"
    descriptor = os.open(Path(folder) / f"{history}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def send_until_killed(farm: Farm) -> None:
    engine = make_engine(farm.database_url, pool_size=2)
    key = open_instance_key(Path(farm.folder) / "instance.key")
    outbox = Outbox(engine, worker=name_worker(), lease=timedelta(seconds=farm.lease_s))
    while True:
        match_events(engine, clock.now())
        claimed = outbox.take_next(clock.now())
        if claimed is None:
            time.sleep(0.02)
            continue
        note(farm.folder, "attempted", key=claimed.idempotency_key, token=claimed.token)
        if farm.rule == "mark, then send":
            settle(farm, engine, outbox, claimed, Answer(Outcome.SENT, "accepted"))
        url = unseal_address(key, claimed.channel_id, claimed.url_sealed)
        answer = send_message(url, render_claimed(claimed), Wire(clock.now()))
        if farm.rule != "mark, then send":
            settle(farm, engine, outbox, claimed, answer)
        outbox.release(claimed, 0)


def settle(farm: Farm, engine: Engine, outbox: Outbox, claimed: Claimed, answer: Answer) -> None:
    mine = claimed
    if farm.rule == "no fencing":  # whoever comes late writes as if the claim were still its own
        with engine.begin() as connection:
            statement = text("update delivery set state = 'sending' where id = :id returning token")
            token = connection.execute(statement, {"id": claimed.delivery_id}).scalar_one()
        mine = replace(claimed, token=token)
    is_ours = outbox.settle(mine, answer, clock.now())
    history = "acked" if is_ours and answer.outcome is Outcome.SENT else "not_acked"
    note(farm.folder, history, key=claimed.idempotency_key, token=claimed.token, code=answer.code)


def fork_sender(farm: Farm) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        send_until_killed(farm)
    finally:
        os._exit(status)


def wait_for_growth(path: Path) -> None:
    """Wait until another send has begun, so that kills hit senders at work however slow the machine is."""
    size = path.stat().st_size if path.exists() else 0
    stop_at = time.monotonic() + 2
    while time.monotonic() < stop_at and not (path.exists() and path.stat().st_size > size):
        time.sleep(0.005)


def main() -> None:
    farm = Farm(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
    install_hooks()
    make_service("json://localhost")
    warm()
    senders = [fork_sender(farm) for _ in range(farm.sender_count)]

    def end(*_: object) -> None:
        for pid in senders:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    note(farm.folder, "started", senders=senders)
    attempts = Path(farm.folder) / "attempted.jsonl"
    for _ in range(farm.kill_count):
        wait_for_growth(attempts)
        time.sleep(random.uniform(0, 0.08))
        victim = random.randrange(len(senders))
        os.kill(senders[victim], signal.SIGKILL)
        os.waitpid(senders[victim], 0)
        note(farm.folder, "killed", victim=senders[victim])
        senders[victim] = fork_sender(farm)
    note(farm.folder, "done")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
