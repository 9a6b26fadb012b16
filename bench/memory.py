"""How much memory all processes together hold at the worst moment of two minutes of replay.

The value is the sum of what each process holds resident, so pages they share count once for each. What they really take
together, every shared page counted once, is given beside it.
"""

import sys
import time
from contextlib import suppress

import psutil

from bench.service import RunningService, grade_limit, run_service

LIMIT_MIB = 1.2 * 1024
REPLAY_S = 120.0


def sum_memory(service: RunningService) -> tuple[float, float]:
    """Resident and proportional memory of all processes now, in MiB."""
    resident = proportional = 0
    for process in service.processes():
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            resident += memory.rss
            proportional += getattr(memory, "pss", memory.uss)
    return resident / 2**20, proportional / 2**20


def measure() -> dict[str, dict[str, object]]:
    """Peak MiB from the start of the service to two minutes after its first alert."""
    samples = [(0.0, 0.0)]
    with run_service([sys.executable, "-m", "flows.cli", "run"]) as service:
        end_at = None
        while end_at is None or time.monotonic() < end_at:
            samples.append(sum_memory(service))
            if end_at is None and any(line.startswith("ALERT: ") for _, line in service.lines):
                end_at = time.monotonic() + REPLAY_S
            if time.monotonic() - service.began > 600:
                raise TimeoutError("no alert within ten minutes")
            time.sleep(0.5)
    resident, proportional = (max(column) for column in zip(*samples, strict=True))
    return {"memory": grade_limit(resident, LIMIT_MIB, "MiB", shared_once=round(proportional, 1))}


if __name__ == "__main__":
    print(measure())
