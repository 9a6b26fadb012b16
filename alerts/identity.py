"""Who holds a claim, written so that another process can tell whether that one is dead.

The name is ``place/pid/start``. Place is this boot of this machine and this process namespace: of a process elsewhere
nothing can be known, and its lease decides.
"""

import hashlib
import os
import socket
from functools import cache
from pathlib import Path

import psutil


@cache
def name_place() -> str:
    """A short name for where process ids mean the same as here."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(Path(path).read_text() if path.endswith("boot_id") else str(Path(path).readlink()))
        except OSError:
            parts.append(str(psutil.boot_time()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def name_worker() -> str:
    """Name of this process."""
    return f"{name_place()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


def is_dead(worker: str) -> bool:
    """Whether a worker is known to be dead: of this place, and no such process runs any more."""
    place, _, rest = worker.partition("/")
    pid, _, started = rest.partition("/")
    if place != name_place() or not pid.isdecimal():
        return False
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
