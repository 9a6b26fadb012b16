"""Jobs are started when Prefect says so, and when it does not."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from flows.local.postgres import PostgresServer, temporary_server
from flows.local.prefect_server import describe_environment
from flows.schedule import JOBS, ErrorsWithoutValues, JobFailed

# Runs a flows process with one job that writes down each of its runs; the settings come from the environment.
PROGRAM = """
import asyncio, signal, sys, time
from pathlib import Path
from flows import schedule
from flows.serve import Post, serve_jobs

def work(place):
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{time.time()}\\n")
    if sys.argv[2] == "fail":
        raise ValueError("A123456789")
    if sys.argv[2] == "slow":
        time.sleep(5)

schedule.the_installation = lambda: None
job = schedule.Job("count", work, live_every_s=2, replay_every_s=2)
post = Post(job, schedule.make_flow(job), 2.0)

async def main():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await serve_jobs([post], stopped)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with temporary_server() as running:
        yield running


@pytest.fixture(scope="module")
def prefect(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Prefect server on our own PostgreSQL, as `tarmac run` starts it; yields its environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = describe_environment(tmp_path_factory.mktemp("home"), server.url("prefect", driver="asyncpg"), port)
    environment = os.environ | told
    with subprocess.Popen([sys.executable, "-m", "flows.local.prefect_server"], env=environment) as process:
        yield environment
        process.terminate()


def ask(server: PostgresServer, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(host=str(server.socket_folder), dbname="prefect", user="prefect") as connection:
        return connection.execute(question.encode()).fetchall()


@contextlib.contextmanager
def flows_process(environment: dict[str, str], file: Path, manner: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", PROGRAM, str(file), manner]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def count_lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def wait_until(file: Path, count: int, within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    while count_lines(file) < count:
        assert time.monotonic() < give_up_at, f"{count_lines(file)} runs after {within_s} s"
        time.sleep(0.1)


@pytest.mark.timeout(240)
def test_prefect_schedules_the_job_and_keeps_no_value_of_it(
    prefect: dict[str, str], server: PostgresServer, tmp_path: Path
) -> None:
    question = "select count(*) from flow_run where state_type = 'FAILED' and auto_scheduled"
    with flows_process(prefect, tmp_path / "runs", "fail"):
        give_up_at = time.monotonic() + 120
        while True:
            with contextlib.suppress(psycopg.errors.UndefinedTable):
                if ask(server, question)[0][0] >= 3:  # type: ignore[operator]
                    break
            assert time.monotonic() < give_up_at, "Prefect has not had the job done"
            time.sleep(0.5)
    assert ask(server, "select distinct parameters::text from flow_run") == [("{}",)]
    messages = [str(row[0]) for row in ask(server, "select message from flow_run_state where type = 'FAILED'")]
    assert messages
    assert all("JobFailed" in message and "A123456789" not in message for message in messages)
    assert ask(server, "select count(*) from log") == [(0,)]


@pytest.mark.timeout(240)
def test_run_of_a_killed_process_does_not_stay_open(
    prefect: dict[str, str], server: PostgresServer, tmp_path: Path
) -> None:
    def list_open() -> list[object]:
        question = "select id from flow_run where state_type in ('RUNNING', 'PENDING')"
        try:
            return [row[0] for row in ask(server, question)]
        except psycopg.errors.UndefinedTable:
            return []  # Prefect is still making its tables

    give_up_at = time.monotonic() + 150
    with flows_process(prefect, tmp_path / "first", "slow"):
        while not (opened := list_open()):
            assert time.monotonic() < give_up_at, "Prefect has not had the job started"
            time.sleep(0.2)
    with flows_process(prefect, tmp_path / "second", "work"):
        while set(list_open()) & set(opened):
            assert time.monotonic() < give_up_at, "the run of the killed process is still open"
            time.sleep(0.2)


def test_job_is_done_on_time_while_prefect_does_not_answer(prefect: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
    with flows_process(prefect | {"PREFECT_API_URL": dead}, tmp_path / "runs", "work"):
        wait_until(tmp_path / "runs", 4, 60)
    times = [float(line) for line in (tmp_path / "runs").read_text().splitlines()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= 1.9


def test_error_of_a_job_keeps_its_kind_and_loses_its_text() -> None:
    with pytest.raises(JobFailed) as failure, ErrorsWithoutValues():
        raise ValueError("A123456789")
    assert str(failure.value) == "ValueError"
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def test_every_job_has_a_name_of_its_own_and_takes_its_turn() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert all(job.live_every_s >= job.replay_every_s > 0 for job in JOBS)
