"""PostgreSQL dies again and again while bundles are loaded and legs derived, and nothing comes out differently."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import psutil
import pytest

from flows.derive import derive_marked
from flows.local.postgres import PostgresServer, temporary_server
from models.archive import Archive
from models.store.bundle import load_bundle
from models.store.schema import upgrade
from models.store.session import (
    Engine,
    StoreUnavailable,
    driver_connection,
    make_engine,
    transaction,
    wait_until_ready,
)
from tests.bundles import NOON, after, dump_tables, fly, make_bundle

KILLS = 50 if os.environ.get("TARMAC_CHAOS") else 5
STEPS = 8
PATIENCE_S = 60


def work(engine: Engine, steps: list[tuple[datetime, Path]], archive: Archive) -> None:
    for at, folder in steps:
        insist(lambda folder=folder, at=at: load_bundle(engine, folder, archive, at))
        insist(lambda at=at: derive_marked(engine, at))


def insist(action: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            action()
        except StoreUnavailable:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        else:
            return


@contextmanager
def killer(server: PostgresServer, engine: Engine, random: Random) -> Iterator[list[float]]:
    """Kills the server at random moments, and measures how long each time it takes to answer again."""
    is_over = threading.Event()
    back_after_s: list[float] = []

    def kill_on() -> None:
        while not is_over.wait(random.uniform(0.05, 0.4)) or len(back_after_s) < KILLS:
            postmaster = psutil.Process(server.pid)
            for process in (postmaster, *postmaster.children()):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            killed_at = time.monotonic()
            wait_until_ready(engine, PATIENCE_S)
            back_after_s.append(time.monotonic() - killed_at)

    thread = threading.Thread(target=kill_on)
    thread.start()
    try:
        yield back_after_s
    finally:
        is_over.set()
        thread.join()


@pytest.mark.chaos
def test_killing_postgresql_changes_nothing(tmp_path: Path) -> None:
    flight = list(fly(NOON))
    size = len(flight) // STEPS + 1
    steps = [
        (at, make_bundle(tmp_path, flight[number * size : (number + 1) * size], at=at))
        for number in range(STEPS)
        for at in [NOON + timedelta(minutes=9 * (number + 1))]
    ]
    steps.append((after(95), make_bundle(tmp_path, [], at=after(95))))
    archive = Archive(str(tmp_path / "archive"))
    with temporary_server(for_tests=False) as server:
        kept = []
        for is_disturbed in (False, True):
            engine = make_engine(server.url())
            upgrade(engine)
            if is_disturbed:
                watcher = make_engine(server.url(), pool_size=1)
                with killer(server, watcher, Random(4)) as back_after_s:
                    while len(back_after_s) < KILLS:
                        empty(engine)
                        work(engine, steps, archive)
                watcher.dispose()
            else:
                work(engine, steps, archive)
            kept.append(dump_tables(engine, without=("id", "capture_id", "version")))
            empty(engine)
            engine.dispose()
    assert kept[0] == kept[1]
    assert len(kept[0]["leg"]) == 1
    assert len(kept[0]["event"]) == 2


def empty(engine: Engine) -> None:
    def truncate() -> None:
        with transaction(engine) as connection:
            driver_connection(connection).execute(
                "truncate leg, event, derive_mark, position, aircraft_look, observation, source, crawl, capture cascade"
            )

    insist(truncate)
