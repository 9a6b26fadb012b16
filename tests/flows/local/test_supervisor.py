"""Processes are kept running and nothing of them is left."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flows.local.services import Service
from flows.local.supervisor import PIDS_FILE, Supervisor, end_leftovers


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, told: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, told.append)
    yield made
    made.stop()


def script(name: str, text: str) -> Service:
    return Service(name, ("-c", textwrap.dedent(text)), "is for a test")


def wait_for(condition: Callable[[], object], within_s: float = 15) -> None:
    give_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.02)


def test_process_that_dies_is_started_again_and_the_terminal_says_why(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    child = supervisor.start(script("worker", "import time; print('working', flush=True); time.sleep(60)"), os.environ)
    wait_for(lambda: child.lines)
    assert child.process
    first = child.process.pid
    child.process.kill()
    wait_for(lambda: supervisor.look_after() or (child.process and child.process.pid != first and len(child.lines) > 1))
    assert told == ["worker ended (killed by SIGKILL: working); starting it again in 0.2 s"]
    assert (tmp_path / "logs" / "worker.log").read_text().count("working") == 2


def test_process_that_always_fails_is_started_ever_more_slowly(supervisor: Supervisor, told: list[str]) -> None:
    child = supervisor.start(script("worker", "raise SystemExit('cannot open the door')"), os.environ)
    wait_for(lambda: supervisor.look_after() or len(told) >= 3)
    assert [line.rsplit(" ", 2)[1] for line in told] == ["0.2", "0.4", "0.8"]
    assert "exit code 1: cannot open the door" in told[0]
    assert child.start_count == 3


def test_stop_leaves_no_process_not_even_those_that_would_not_listen(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("flows.local.supervisor.STOP_GRACE_S", 1.0)
    deaf = """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(grandchild.pid, flush=True)
        time.sleep(60)
    """
    child = supervisor.start(script("deaf", deaf), os.environ)
    wait_for(lambda: child.lines)
    grandchild = psutil.Process(int(child.lines[0]))
    assert child.process
    leader = child.process
    supervisor.stop()
    assert leader.returncode == -signal.SIGKILL
    wait_for(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    assert not (tmp_path / PIDS_FILE).exists()


def test_polite_processes_are_asked_and_given_time(supervisor: Supervisor, tmp_path: Path) -> None:
    polite = f"""
        import signal, sys, time
        def leave(*_):
            time.sleep(0.5); open({str(tmp_path / "farewell")!r}, "w").write("done"); sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print("ready", flush=True)
        time.sleep(60)
    """
    child = supervisor.start(script("polite", polite), os.environ)
    wait_for(lambda: child.lines)
    supervisor.stop()
    assert (tmp_path / "farewell").read_text() == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends children with their parent")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = f"""
        import os, time
        from pathlib import Path
        from flows.local.services import Service
        from flows.local.supervisor import Supervisor
        supervisor = Supervisor(Path({str(tmp_path)!r}), print)
        child = supervisor.start(Service("w", ("-c", "import time; time.sleep(60)"), "x"), os.environ)
        print(child.process.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_leftovers_of_a_killed_run_are_ended_but_no_stranger_with_the_same_number(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as left:
        created = psutil.Process(left.pid).create_time()
        own = os.getpid()
        (tmp_path / PIDS_FILE).write_text(f'{{"{left.pid}": {created!r}, "{own}": 12.5}}')
        end_leftovers(tmp_path)
        assert not psutil.pid_exists(left.pid)
    assert not (tmp_path / PIDS_FILE).exists()
