"""Run the whole service for a measurement, in a home of its own, and watch its terminal and its processes."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


class RunningService:
    """One `make run`, with the second at which each line appeared in its terminal."""

    def __init__(self, command: list[str], home: Path, folder: Path) -> None:
        self.home = home
        self.began = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        told = {name: value for name, value in os.environ.items() if not name.startswith(("TARMAC_", "DATABASE_URL"))}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**told, "TARMAC_HOME": str(home), "TARMAC_PAGE_PORT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.began, line.rstrip()))

    def wait_for(self, pattern: str, within_s: float) -> float:
        """Seconds from the start to the first line that matches. Raises TimeoutError."""
        while time.monotonic() - self.began < within_s and self.process.poll() is None:
            for at_s, line in list(self.lines):
                if re.search(pattern, line):
                    return at_s
            time.sleep(0.05)
        said = "\n".join(line for _, line in self.lines[-20:])
        raise TimeoutError(f"{pattern} did not appear within {within_s:.0f} s:\n{said}")

    def processes(self) -> list[psutil.Process]:
        """Every process of this service: those told its home, and the database server working inside it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_told = process.environ().get("TARMAC_HOME") == str(self.home)
                if is_told or process.cwd().startswith(f"{self.home}/"):
                    found.append(process)
        return found


@contextmanager
def run_service(command: list[str], folder: Path = ROOT) -> Iterator[RunningService]:
    """Run the service from ``folder`` with a new home; everything is stopped and removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="tarmac-bench-"))
    place.chmod(0o711)
    service = RunningService(command, place / "home", folder)
    try:
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGINT)
        service.process.wait(90)
        shutil.rmtree(place, ignore_errors=True)


def grade_limit(value: float, limit: float, unit: str, **more: float) -> dict[str, object]:
    """A result where less is better: ``ratio`` says how many times it fits into the limit, 1 and more is within it."""
    return {"value": round(value, 2), "unit": unit, "yardstick": limit, "ratio": round(limit / value, 3), **more}
