"""The whole service: it starts, tells, survives being killed, and leaves nothing behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from alerts.inbox import read_inbox
from flows.local.run import CannotRun, LocalService, plan
from flows.replay.recording import load_recording
from flows.replay.server import serve_replay
from models.settings import Settings

WATCHLIST = Path(__file__).parents[3] / "flows" / "replay" / "watchlist.yml"


class Run:
    """One `tarmac run` in a process of its own, as `make run` starts it."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        self.home = home
        self.output = home.with_name(f"{home.name}.out")
        told = {name: value for name, value in os.environ.items() if not name.startswith(("TARMAC_", "DATABASE_URL"))}
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "run", "--port", "0", *arguments],
                env={**told, "TARMAC_HOME": str(home), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.output.read_text())

    def wait_for(self, pattern: str, within_s: float = 150) -> re.Match[str]:
        return wait_for(lambda: self.says(pattern), within_s, lambda: f"{pattern} in\n{self.output.read_text()}")

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this home, however it came to be."""
        found = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get("TARMAC_HOME") == str(self.home)
                is_ours = is_ours or process.cwd().startswith(f"{self.home}/")
                if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def wait_for(condition: Callable[[], Any], within_s: float, what: Callable[[], str]) -> Any:
    give_up_at = time.monotonic() + within_s
    while True:
        if result := condition():
            return result
        assert time.monotonic() < give_up_at, f"not within {within_s} s: {what()}"
        time.sleep(0.1)


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tarmac-run-"))
    # when root runs this, the database runs as someone else, who must pass through
    folder.chmod(0o711)
    yield folder / "home"
    leftovers = [process for process in psutil.process_iter() if process.pid != os.getpid() and _is_in(process, folder)]
    for process in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("TARMAC_HOME", "").startswith(str(folder)) or process.cwd().startswith(str(folder))
    except psutil.Error:
        return False


@pytest.mark.timeout(600)
def test_service_starts_tells_stops_and_goes_on_after_being_killed(home: Path) -> None:
    began = time.monotonic()
    first = Run(home, "--faults", "none")
    page = first.wait_for(r"the page answers after \d+ s: (http://\S+)")[1]
    first.wait_for(r"\nALERT: REPLAY: ")
    assert time.monotonic() - began < 120
    first.wait_for(r"\nALERT: REPLAY: N\w+ (may have )?left ")
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert "replay" in answer.read().decode().lower()

    # another run in the same home is refused in one line
    second = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run"],
        env={**os.environ, "TARMAC_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert re.fullmatch(
        rf"tarmac: another Tarmac runs in {home} \(process {first.process.pid}\); stop it, or set TARMAC_HOME\n",
        second.stderr,
    )

    # the doctor sees a healthy service, and says which setting is misspelt
    doctor = [sys.executable, "-m", "flows.cli", "doctor"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TARMAC_")}
    clean["TARMAC_HOME"] = str(home)
    wait_for(
        lambda: subprocess.run(doctor, env=clean, capture_output=True, check=False).returncode == 0,
        120,
        lambda: subprocess.run(doctor, env=clean, capture_output=True, text=True, check=False).stdout,
    )
    misspelt = subprocess.run(doctor, env=clean | {"TARMAC_POL_S": "5"}, capture_output=True, text=True, check=False)
    assert misspelt.returncode == 1
    assert "WRONG  settings   TARMAC_POL_S is set, but no setting has that name" in misspelt.stdout

    # killed like a power cut; what is left ends by itself, and the next run starts from the same data
    told = [message.key for message in read_inbox(home)]
    first.process.kill()
    first.process.wait()
    third = Run(home, "--faults", "none")
    page = third.wait_for(r"the page answers after \d+ s: (http://\S+)")[1]
    third.wait_for(r"source adsb_lol is ok since")
    keys = [message.key for message in read_inbox(home)]
    assert keys[: len(told)] == told
    assert len({*keys}) >= len({*told})
    wait_for(lambda: "flows" in [_name(process) for process in third.processes()], 60, lambda: "no flows process")

    # Ctrl-C: everything ends, nothing is left
    socket_folder = Path((home / "postgres" / "socket.path").read_text())
    assert third.end(signal.SIGINT) == 0
    assert third.says("everything has stopped")
    wait_for(lambda: not third.processes(), 15, lambda: f"left: {third.processes()}")
    assert not socket_folder.exists()
    assert not (home / "database.url").exists()
    host, port = page.removeprefix("http://").split(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


@pytest.mark.timeout(400)
def test_live_without_network_stays_up_says_so_and_recovers_by_itself(home: Path) -> None:
    recording = load_recording()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = Run(
        home,
        "--live",
        "--poll",
        "2",
        TARMAC_SOURCE_BASE_URL=f"http://127.0.0.1:{port}",
        TARMAC_WATCHLIST=str(WATCHLIST),
    )
    for source in ("adsb_lol", "adsb_fi", "airplanes_live"):
        run.wait_for(rf"source {source} is unreachable since \d\d:\d\d:\d\dZ: \S+")
    assert run.process.poll() is None
    with serve_replay(recording, port=port):
        run.wait_for(r"source (adsb_lol|adsb_fi|airplanes_live) is ok since")
    assert run.end(signal.SIGTERM) == 0
    wait_for(lambda: not run.processes(), 15, lambda: f"left: {run.processes()}")


def test_page_port_that_is_taken_is_said_in_one_line(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(home=home, page_port=port)
        service = LocalService(plan(settings, live=False, speed=None, poll_s=None, port=None), print, print)
        with pytest.raises(
            CannotRun, match=rf"the page cannot have 127.0.0.1:{port} \(Address already in use\); choose"
        ):
            service.run()


def test_home_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(home=tmp_path / "file" / "home")
    service = LocalService(plan(settings, live=False, speed=None, poll_s=None, port=0), print, print)
    with pytest.raises(CannotRun, match=r"cannot use the folder .*/file/home: Not a directory"):
        service.run()


def test_replay_at_another_speed_still_sees_the_record_every_minute(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert plan(settings, live=False, speed=None, poll_s=None, port=None).settings.poll_s == 10
    assert plan(settings, live=False, speed=30, poll_s=None, port=None).settings.poll_s == 2
    assert plan(settings, live=True, speed=None, poll_s=None, port=None).settings.poll_s == 60
    assert plan(settings, live=False, speed=6, poll_s=3, port=None).settings.poll_s == 3


def _name(process: psutil.Process) -> str:
    try:
        return next((part.removesuffix(".serve") for part in process.cmdline() if part.endswith(".serve")), "")
    except psutil.Error:
        return ""


def test_settings_reach_every_process_unchanged(home: Path) -> None:
    service = LocalService(plan(Settings(home=home), live=True, speed=None, poll_s=7, port=0), print, print)
    home.mkdir()
    environment = service._environment("postgresql://x/tarmac", "postgresql+asyncpg://x/prefect", 8621)
    seen = subprocess.run(
        [sys.executable, "-c", "from models.settings import Settings; print(Settings().model_dump_json())"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(seen.stdout)
    assert (settings["live"], settings["poll_s"], settings["page_port"]) == (True, 7.0, 8621)
    assert settings["database_url"] == "postgresql://x/tarmac"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["DO_NOT_TRACK"] == "1"
    assert (home / "prefect").stat().st_mode & 0o077 == 0
    assert (home / "prefect" / "encryption.key").stat().st_mode & 0o077 == 0
