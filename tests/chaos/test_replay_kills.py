"""Flows, notifier and PostgreSQL are killed at random moments of a replay: every alert arrives, the facts are the same.

Told is what the undisturbed run tells, no more and no less, but for one kind: a signal may be lost that an undisturbed
watch kept (an aircraft lands while the flows are down). It is allowed only where the landing is told as well.

Prefect is left out on purpose: nothing may rest on it (docs/decisions/0007), and without it jobs are started on time by
the flows process itself. What arrived is read from the inbox file, outside the database.
"""

import json
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from alerts.inbox import read_inbox
from alerts.setup import ensure_inbox
from flows.installation import Installation, open_installation
from flows.local.postgres import PostgresServer
from flows.local.services import FLOWS, NOTIFIER
from flows.local.supervisor import Supervisor
from flows.replay.clock import ManualClock
from flows.replay.recording import load_recording
from flows.replay.server import ReplayServer, serve_replay
from flows.watch import confirm_legs, watch_flights
from models import clock
from models.items import Verdict
from models.secrets import open_instance_key
from models.settings import Settings
from models.store.schema import upgrade
from models.store.session import StoreUnavailable

IS_LONG = bool(os.environ.get("TARMAC_CHAOS"))
KILL_COUNT = 100 if IS_LONG else 20
RECORDED_MINUTES = 240 if IS_LONG else 40
QUIET_MINUTES = 28
# Real seconds a recorded minute takes: enough for one look, on a busy machine for most.
MINUTE_S = 2.0
CLOCKS_AND_IDS = {"id", "derived_at", "looked_until_at"}
WATCHLIST = Path(__file__).parents[2] / "flows" / "replay" / "watchlist.yml"

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(2400)]


@dataclass
class House:
    """A database, an archive and an inbox of their own, and the settings that lead there."""

    server: PostgresServer
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this house is told. Prefect's address leads nowhere."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            nowhere = probe.getsockname()[1]
        return os.environ | {
            "DATABASE_URL": self.server.url(),
            "TARMAC_HOME": str(self.settings.home),
            "TARMAC_SOURCE_BASE_URL": str(self.settings.source_base_url),
            "TARMAC_WATCHLIST": str(WATCHLIST),
            "TARMAC_POLL_S": str(self.settings.poll_s),
            "PREFECT_API_URL": f"http://127.0.0.1:{nowhere}/api",
            "PREFECT_HOME": str(self.settings.home / "prefect"),
            "DO_NOT_TRACK": "1",
        }


@contextmanager
def open_house(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, Installation]]:
    folder = Path(tempfile.mkdtemp(prefix="tarmac-kills-"))
    folder.chmod(0o711)
    home = folder / "home"
    home.mkdir()
    try:
        with PostgresServer(folder / "db") as server:
            monkeypatch.setenv("DATABASE_URL", server.url())
            settings = Settings(home=home, source_base_url=base_url, watchlist=WATCHLIST, poll_s=MINUTE_S)
            installation = open_installation(settings)
            upgrade(installation.engine)
            ensure_inbox(installation.engine, open_instance_key(settings.instance_key_file), home, clock.now())
            yield House(server, settings), installation
            installation.engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_clock(replay: ReplayServer, minutes: int, seconds_each: float) -> None:
    assert isinstance(replay.clock, ManualClock)
    for _ in range(minutes):
        time.sleep(seconds_each)
        replay.clock.advance(60)


def kill_at_random(house: House, supervisor: Supervisor, for_s: float) -> dict[str, int]:
    """Kill one of the three, KILL_COUNT times within ``for_s`` seconds, and look after the children meanwhile."""
    chance = random.Random(20261121)
    moments = sorted(chance.uniform(0.05, 0.95) * for_s for _ in range(KILL_COUNT))
    killed = {"flows": 0, "notifier": 0, "postgres": 0}
    began = time.monotonic()
    while time.monotonic() - began < for_s or moments:
        supervisor.look_after()
        if moments and time.monotonic() - began > moments[0]:
            moments.pop(0)
            # every one in turn, so that none is spared by chance
            name = min(killed, key=lambda key: (killed[key], chance.random()))
            child = None if name == "postgres" else supervisor.children[name].process
            pid = house.server.pid if name == "postgres" else child.pid if child else None
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
            else:
                moments.append(time.monotonic() - began + 0.5)
        time.sleep(0.05)
    return killed


def wait_until_watching(house: House, supervisor: Supervisor) -> None:
    """Wait for the first good look: what happened before anyone watched was never promised."""
    give_up_at = time.monotonic() + 120
    with psycopg.connect(
        host=str(house.server.socket_folder), dbname="tarmac", user="owner", autocommit=True
    ) as asking:
        while not asking.execute("select 1 from source where slug = 'adsb_lol' and last_ok_at is not null").fetchone():
            supervisor.look_after()
            assert time.monotonic() < give_up_at, "the flows never looked"
            time.sleep(0.2)


def settle(installation: Installation, replay: ReplayServer) -> None:
    """Watch on undisturbed and read the day files: the same last steps for both runs.

    Silence counts only while someone looks, so an aircraft is lost as late after a kill as it takes to look again.
    """
    for _ in range(QUIET_MINUTES // 4):
        watch_flights(installation, clock.now())
        move_clock(replay, 4, 0)
    give_up_at = time.monotonic() + 120
    while True:
        try:
            looks = watch_flights(installation, clock.now())
            day_files = confirm_legs(installation)
        except StoreUnavailable:
            looks, day_files = [], None
        if looks and looks[-1].verdict is Verdict.OK and day_files and day_files.verdict is Verdict.OK:
            return
        assert time.monotonic() < give_up_at, f"the last looks do not succeed: {looks}, {day_files}"
        time.sleep(0.5)


def read_legs(house: House) -> list[str]:
    """The derived facts, all that is stored of each leg but its id and the clocks of who derived it."""
    question = "select to_jsonb(leg) from leg order by icao24, first_fix_at"
    with psycopg.connect(host=str(house.server.socket_folder), dbname="tarmac", user="owner") as connection:
        rows = [row for (row,) in connection.execute(question)]
    return [json.dumps({name: row[name] for name in row if name not in CLOCKS_AND_IDS}, sort_keys=True) for row in rows]


def read_events(house: House) -> set[tuple[str, str, str | None]]:
    """What is told of flights, whatever its kind: of which aircraft, and where it left or landed; lost, where it left.

    Left out is the instant of the last position in a lost signal. Two undisturbed runs that look at other moments
    differ in it too (20 s, measured 2026-11-21): a look hears the newest position only, and day files come later.
    """
    question = """
        select kind, payload->>'icao24',
               payload->case kind when 'flight.landed' then 'arrival' else 'departure' end->>'airport'
        from event where kind like 'flight.%' and not is_quiet
    """
    with psycopg.connect(host=str(house.server.socket_folder), dbname="tarmac", user="owner") as connection:
        return {(str(kind), str(icao24), where) for kind, icao24, where in connection.execute(question)}


def wait_until_told(house: House, supervisor: Supervisor) -> None:
    """Wait until every event has reached the inbox, by the count of events in the database and of keys in the file."""
    give_up_at = time.monotonic() + 150
    while True:
        supervisor.look_after()
        with psycopg.connect(host=str(house.server.socket_folder), dbname="tarmac", user="owner") as connection:
            row = connection.execute("select count(*), count(matched_at) from event").fetchone()
            keys = {str(key) for (key,) in connection.execute("select idempotency_key from delivery")}
        assert row
        arrived = {message.key for message in read_inbox(house.settings.home)}
        if row[0] == row[1] == len(keys) and keys <= arrived:
            return
        assert time.monotonic() < give_up_at, f"{len(keys - arrived)} of {row[0]} alerts have not arrived"
        time.sleep(0.5)


def test_every_alert_arrives_and_the_facts_are_those_of_an_undisturbed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = load_recording()

    # undisturbed: looks four recorded minutes apart, then the day files
    with serve_replay(recording) as replay, open_house(replay.base_url, monkeypatch) as (house, installation):
        monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", replay.base_url)
        for _ in range(RECORDED_MINUTES // 4):
            watch_flights(installation, clock.now())
            move_clock(replay, 4, 0)
        settle(installation, replay)
        expected_legs, expected_events = read_legs(house), read_events(house)
    assert expected_events, "the recorded minutes hold no event; the test would prove nothing"

    with serve_replay(recording) as replay, open_house(replay.base_url, monkeypatch) as (house, installation):
        monkeypatch.setenv("TARMAC_SOURCE_BASE_URL", replay.base_url)
        supervisor = Supervisor(house.settings.home, print)
        try:
            environment = house.environment
            supervisor.start(FLOWS, environment)
            supervisor.start(NOTIFIER, environment)
            wait_until_watching(house, supervisor)
            mover = threading.Thread(target=move_clock, args=(replay, RECORDED_MINUTES, MINUTE_S))
            mover.start()
            killed = kill_at_random(house, supervisor, RECORDED_MINUTES * MINUTE_S)
            mover.join()
            assert sum(killed.values()) == KILL_COUNT
            # the last look is ours, so that both runs end with the same one
            flows = supervisor.children.pop("flows")
            if flows.process:
                flows.process.terminate()
                flows.process.wait(60)
            flows.close()
            settle(installation, replay)
            wait_until_told(house, supervisor)
        finally:
            supervisor.stop()
        assert read_legs(house) == expected_legs
        # as many and no more: an invented alert is as wrong as a missing one
        told = read_events(house)
        lost_meanwhile = {event for event in told - expected_events if event[0] == "flight.signal_lost"}
        invented, missing = told - expected_events - lost_meanwhile, expected_events - told
        assert (invented, missing) == (set(), set())
        # who lands while the flows are down is not heard when they look again: that is said, and the landing after it
        assert {icao24 for _, icao24, _ in lost_meanwhile} <= {who for kind, who, _ in told if kind == "flight.landed"}
