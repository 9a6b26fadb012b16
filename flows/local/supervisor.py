"""Keep a handful of processes running, and leave nothing behind when told to stop."""

import contextlib
import json
import logging
import logging.handlers
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from flows.local.postgres import die_with_parent
from flows.local.services import Service

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 5.0
# A process that ran this long has recovered from whatever ended it before.
STEADY_S = 30.0
STOP_GRACE_S = 20.0
PIDS_FILE = "run.pids"


class Child:
    """One supervised process in a group of its own; what it prints goes to a rotated log."""

    def __init__(
        self, service: Service, environment: Mapping[str, str], log_folder: Path, extra: tuple[str, ...]
    ) -> None:
        self.service = service
        self.environment = dict(environment)
        self.extra = extra
        self.lines: list[str] = []
        self.first_line = threading.Event()
        self.start_count = 0
        self.process: subprocess.Popen[str] | None = None
        self.next_start_at = 0.0
        self._failures = 0
        self._started_at = 0.0
        self._log = _open_log(log_folder / f"{service.name}.log")

    def start(self) -> None:
        """Start it, from a thread that lives as long as the process should: the kernel ends it with that thread."""
        self._started_at = time.monotonic()
        self.start_count += 1
        self.process = subprocess.Popen(  # noqa: S603
            [*self.service.command(), *self.extra],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        threading.Thread(target=self._relay, args=(self.process,), name=f"log-{self.service.name}", daemon=True).start()

    def plan_restart(self) -> float:
        """Decide after an end when to start again; returns the wait in seconds."""
        steady = time.monotonic() - self._started_at > STEADY_S
        self._failures = 0 if steady else self._failures + 1
        wait_s = min(FIRST_BACKOFF_S * 2.0 ** max(self._failures - 1, 0), LONGEST_BACKOFF_S)
        self.next_start_at = time.monotonic() + wait_s
        end_group(self.process)
        return wait_s

    def last_words(self) -> str:
        """The last line it printed, for a message to the person at the terminal."""
        return next((line for line in reversed(self.lines) if line.strip()), "it said nothing").strip()[:200]

    def close(self) -> None:
        """Close its log."""
        self._log.close()

    def _relay(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines = [*self.lines[-30:], line.rstrip("\n")]
                self.first_line.set()
                self._log.emit(logging.makeLogRecord({"msg": line.rstrip("\n"), "levelno": logging.INFO}))


class Supervisor:
    """Starts children, starts them again when they end by themselves, and stops them in the reverse order."""

    def __init__(self, home: Path, tell: Callable[[str], None]) -> None:
        self.children: dict[str, Child] = {}
        self._home = home
        self._tell = tell
        self._is_stopping = False

    def start(self, service: Service, environment: Mapping[str, str], *extra: str) -> Child:
        """Start one more process and look after it from now on."""
        child = Child(service, environment, self._home / "logs", extra)
        self.children[service.name] = child
        child.start()
        self._note_pids()
        return child

    def look_after(self) -> None:
        """Start again whatever has ended. Call it often, from the thread that started the children."""
        for child in self.children.values():
            if child.process is None:
                if time.monotonic() >= child.next_start_at:
                    child.start()
                    self._note_pids()
            elif (code := child.process.poll()) is not None:
                wait_s = child.plan_restart()
                self._tell(
                    f"{child.service.name} ended ({describe_code(code)}: {child.last_words()});"
                    f" starting it again in {wait_s:.1f} s"
                )
                child.process = None

    def stop(self) -> None:
        """Ask the process started last to end, then all others; end by force what has not after 20 s.

        The last one started is the one that uses the others: what they say while they go must not become news.
        """
        running = [child.process for child in reversed(self.children.values()) if child.process]
        for processes in (running[:1], running[1:]):
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            give_up_at = time.monotonic() + STOP_GRACE_S
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, give_up_at - time.monotonic()))
                end_group(process)
        for child in self.children.values():
            child.close()
        self.children.clear()
        (self._home / PIDS_FILE).unlink(missing_ok=True)

    def _note_pids(self) -> None:
        pids = {}
        for child in self.children.values():
            with contextlib.suppress(psutil.Error):
                if child.process:
                    pids[child.process.pid] = psutil.Process(child.process.pid).create_time()
        (self._home / PIDS_FILE).write_text(json.dumps(pids))


def end_group(process: "subprocess.Popen[str] | None") -> None:
    """Kill what is left of a process and of the group it led, and take note of its end."""
    if process is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_leftovers(home: Path) -> None:
    """End processes of an earlier run that was killed: the kernel does so on Linux, elsewhere they are still there."""
    try:
        noted = json.loads((home / PIDS_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return
    left = []
    for pid, created in noted.items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(pid))
            if process.create_time() == created:
                process.terminate()
                left.append(process)
    _, stubborn = psutil.wait_procs(left, timeout=STOP_GRACE_S)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    (home / PIDS_FILE).unlink(missing_ok=True)


def describe_code(code: int) -> str:
    """An exit code as a person would say it."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _open_log(path: Path) -> logging.handlers.RotatingFileHandler:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=5_000_000, backupCount=4, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
