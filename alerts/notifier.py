"""The process that tells: wakes when something happened, matches it, sends it, and sweeps up what it missed.

Run as ``python -m alerts.notifier``. Several may run against one database. When PostgreSQL goes away the notifier
waits and goes on by itself; what was being sent is settled when the server is back. Its health is the work it did:
``notifier.json`` in the home folder says when it last swept and how old the oldest unsent message is.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alerts import words
from alerts.addresses import unseal_address
from alerts.answer import Answer, Outcome
from alerts.identity import is_dead, name_worker
from alerts.match import match_events
from alerts.outbox import LEASE, Outbox, expire_old
from alerts.worker import DEADLINE_S, SenderPool, SenderUnavailable
from models import clock
from models.queries.delivery import measure_queue
from models.secrets import InstanceKey, KeyFileError, SealError, open_instance_key
from models.settings import Settings
from models.store.delivery import Claimed, list_busy_workers, release_workers
from models.store.listen import Listener, listening
from models.store.session import Engine, StoreAddressError, StoreError, StoreUnavailable, make_engine, transaction

HEALTH_FILE = "notifier.json"
SWEEP_S = 5.0
# Sends at a time. A sender is a fork of a few megabytes made when needed, so there may be many: a dozen channels that
# hang for the first time at the same moment are needed to hold up one that works, and then for a minute.
SLOT_COUNT = 12
DATABASE_CONNECTIONS = 6
STOP_GRACE_S = 10.0
# A send takes DEADLINE_S at most and must be settled before its claim ends; loading a sender may have used that up.
START_WITHIN_S = LEASE.total_seconds() - DEADLINE_S - 5
RECONNECT_S = (0.1, 2.0)

log = logging.getLogger("tarmac.notifier")


@dataclass
class Health:
    """What the notifier last did, for whoever asks whether it lives."""

    pid: int
    started_at: datetime
    last_sweep_at: datetime | None = None
    database_lost_at: datetime | None = None
    waiting_count: int = 0
    unmatched_count: int = 0
    queue_age_s: float = 0.0
    sent_count: int = 0

    def write(self, home: Path) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        path = home / HEALTH_FILE
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(vars(self), default=datetime.isoformat), encoding="utf-8")
        temporary.replace(path)


class Notifier:
    """One notifier: a loop that listens, matches and hands out, and a few threads that send."""

    def __init__(
        self,
        engine: Engine,
        key: InstanceKey,
        pool: SenderPool,
        home: Path,
        *,
        slot_count: int = SLOT_COUNT,
        is_replay: bool = False,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._engine = engine
        self._key = key
        self._pool = pool
        self._home = home
        self._now = now
        self._slot_count = slot_count
        self._is_replay = is_replay
        self._outbox = Outbox(engine, worker=name_worker(), slot_count=slot_count)
        self._threads = ThreadPoolExecutor(slot_count, thread_name_prefix="send")
        self._sending: set[Future[None]] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self._is_stopping = False
        self._next_sweep = 0.0
        self._health = Health(os.getpid(), now())

    def stop(self, *_: object) -> None:
        """Take on nothing new and come to an end. May be called from a signal handler."""
        self._is_stopping = True
        self._wake()

    def run(self) -> None:
        """Work until stopped. Raises StoreError when the database refuses for good, as before it was migrated."""
        wait_s = RECONNECT_S[0]
        while not self._is_stopping:
            try:
                with listening(self._engine) as listener:
                    log.info("listening")
                    wait_s = RECONNECT_S[0]
                    self._health.database_lost_at = None
                    self._work(listener)
            except StoreUnavailable:
                if self._health.database_lost_at is None:
                    log.warning("the database is gone; waiting for it")
                    self._health.database_lost_at = self._now()
                self._health.write(self._home)
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, RECONNECT_S[1])
        self._finish()

    def _work(self, listener: Listener) -> None:
        self._next_sweep = 0.0
        while not self._is_stopping:
            match_events(self._engine, self._now())
            self._start_sends()
            if time.monotonic() >= self._next_sweep:
                self._sweep()
                self._next_sweep = time.monotonic() + SWEEP_S
            listener.wait(max(0.0, self._next_sweep - time.monotonic()), self._wake_read)
            self._drain_wake()

    def _start_sends(self) -> None:
        finished = {future for future in self._sending if future.done()}
        self._sending -= finished
        for future in finished:
            future.result()
        while len(self._sending) < self._slot_count and not self._is_stopping:
            claimed = self._outbox.take_next(self._now())
            if claimed is None:
                return
            future = self._threads.submit(self._deliver, claimed)
            self._sending.add(future)
            future.add_done_callback(self._wake)

    def _deliver(self, claimed: Claimed) -> None:
        began = time.monotonic()
        try:
            answer = self._send(claimed, start_by=began + START_WITHIN_S)
            self._settle(claimed, answer, give_up_at=began + LEASE.total_seconds())
        finally:
            self._outbox.release(claimed, time.monotonic() - began)

    def _send(self, claimed: Claimed, *, start_by: float) -> Answer:
        message = words.render_claimed(claimed, is_replay=self._is_replay)
        try:
            url = unseal_address(self._key, claimed.channel_id, claimed.url_sealed)
        except SealError:
            # Temporary: with the wrong key file no channel opens, and the right one may come back.
            return Answer(Outcome.TEMPORARY, "address does not open")
        try:
            return self._pool.send(url, message, self._now(), start_by=start_by)
        except SenderUnavailable:
            return Answer(Outcome.TEMPORARY, "no sender")

    def _settle(self, claimed: Claimed, answer: Answer, *, give_up_at: float) -> None:
        """Write the result, waiting for the database as long as the claim can be ours: else it would be sent twice."""
        while True:
            try:
                is_ours = self._outbox.settle(claimed, answer, self._now())
            except StoreUnavailable:
                if time.monotonic() > give_up_at:
                    return
                time.sleep(0.2)
            else:
                break
        if is_ours and answer.outcome is Outcome.SENT:
            self._health.sent_count += 1
        log.info(
            "delivery %s on channel %s: %s (%s)%s",
            claimed.delivery_id,
            claimed.channel_id,
            answer.outcome.value,
            answer.code,
            "" if is_ours else ", too late: the claim had passed on",
        )

    def _sweep(self) -> None:
        now = self._now()
        expire_old(self._engine, now)
        with transaction(self._engine) as connection:
            dead = [worker for worker in list_busy_workers(connection) if is_dead(worker)]
            if dead:
                release_workers(connection, dead, now)
            queue = measure_queue(connection)
        self._health.last_sweep_at = now
        self._health.waiting_count, self._health.unmatched_count = queue.waiting_count, queue.unmatched_count
        self._health.queue_age_s = round(queue.age_s(now), 1)
        self._health.write(self._home)

    def _finish(self) -> None:
        stop_at = time.monotonic() + STOP_GRACE_S
        while any(not future.done() for future in self._sending) and time.monotonic() < stop_at:
            time.sleep(0.02)
        self._pool.kill_busy()
        self._threads.shutdown(wait=True)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self, *_: object) -> None:
        try:
            os.write(self._wake_write, b".")
        except OSError:
            return  # full, so a wake-up is waiting already; or closed, so nobody sleeps

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            return


def main() -> int:
    """Run a notifier with the settings of this installation; 2 when it cannot start, 1 when the database refuses."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = Settings()
    if not settings.database_url:
        sys.stderr.write("tarmac: DATABASE_URL is not set; `tarmac run` sets it for the notifier it starts\n")
        return 2
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        key = open_instance_key(settings.instance_key_file)
        engine = make_engine(settings.database_url, application="tarmac notifier", pool_size=DATABASE_CONNECTIONS)
    except (KeyFileError, StoreAddressError) as error:
        sys.stderr.write(f"tarmac: {error}\n")
        return 2
    with SenderPool(settings.home, allow_private=settings.allow_private) as pool:
        pool.warm()
        words.warm()
        notifier = Notifier(engine, key, pool, settings.home, is_replay=settings.is_replay)
        signal.signal(signal.SIGTERM, notifier.stop)
        signal.signal(signal.SIGINT, notifier.stop)
        try:
            notifier.run()
        except StoreError as error:
            log.error("%s", error)  # noqa: TRY400 - the trace would show statements
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
