"""Does a process of Tarmac do its work? ``python -m flows.local.health flows`` ends with 0 when it does.

Health is work done lately, not a process that exists: who loops writes down when it last went round.
"""

import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from models import clock
from models.settings import Settings

FLOWS_FILE, NOTIFIER_FILE, PREFECT_NOTE = "flows.json", "notifier.json", "prefect.url"
LONGEST_ROUND_S = 60.0


def answers(url: str, timeout_s: float = 5) -> bool:
    """Whether a server says that it is well."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s):  # noqa: S310 - our own servers
            return True
    except (OSError, ValueError):
        return False


def tell_age_s(file: Path) -> float | None:
    """Seconds since a process last wrote its file; None when it never did."""
    try:
        return clock.now().timestamp() - file.stat().st_mtime
    except FileNotFoundError:
        return None


def works_lately(file: Path) -> bool:
    """Whether the process that keeps this file went round its loop within the last minute."""
    age_s = tell_age_s(file)
    return age_s is not None and age_s < LONGEST_ROUND_S


def find_prefect(home: Path) -> str | None:
    """Address of the Prefect API: as told by the environment, else as noted by the run that started it."""
    note = home / PREFECT_NOTE
    return os.environ.get("PREFECT_API_URL") or (note.read_text(encoding="utf-8").strip() if note.exists() else None)


def is_prefect_well(settings: Settings) -> bool:
    """Whether the Prefect server answers."""
    address = find_prefect(settings.home)
    return address is not None and answers(f"{address}/health")


CHECKS: dict[str, Callable[[Settings], bool]] = {
    "prefect": is_prefect_well,
    "flows": lambda settings: works_lately(settings.home / FLOWS_FILE),
    "notifier": lambda settings: works_lately(settings.home / NOTIFIER_FILE),
    "console": lambda settings: answers(f"http://127.0.0.1:{settings.page_port}/health"),
}


def main(arguments: list[str]) -> int:
    """0 when the named process does its work."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        sys.stderr.write(f"name one of {', '.join(CHECKS)}\n")
        return 2
    return 0 if CHECKS[arguments[0]](Settings()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
