"""Measure every claim in one go: ``python -m bench [NAME…]`` writes bench/results.json and prints a table.

``yardstick`` is a number in the unit of ``value``. What ``ratio`` means, and which way is better:

ingest_positions  our rate over that of a bare COPY in the same run; larger is better, kept at 0.6 and more
legs              the peer's time over ours; larger is better, kept at 10 and more
start, fresh, memory  the limit over what was measured; larger is better, kept at 1 and more
event_to_send     our median over that of a bare LISTEN/NOTIFY; smaller is better, kept by its p99, at most 1 s
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.service import ROOT

# The least ratio that keeps the promise; None where another figure decides (``keeps_promise``).
PROMISES: dict[str, float | None] = {
    "ingest_positions": 0.6,
    "legs": 10.0,
    "event_to_send": None,
    "start": 1.0,
    "fresh": 1.0,
    "memory": 1.0,
}
LONGEST_P99_S = 1.0
COLUMNS = ("value", "unit", "yardstick", "ratio")
RESULTS = Path(__file__).parent / "results.json"
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
# The peer this is measured against lives in an environment of its own.
APART = {"legs"}


def measure(name: str) -> dict[str, dict[str, Any]]:
    """What one measurement says; of the environment with the peer where it needs one."""
    if name not in APART:
        result: dict[str, dict[str, Any]] = importlib.import_module(f"bench.{name}").measure()
        return result
    program = f"import json, bench.{name} as b; r = b.measure(); print(); print(json.dumps(r))"
    answer = subprocess.run([BENCH_PYTHON, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    parsed: dict[str, dict[str, Any]] = json.loads(answer.stdout.splitlines()[-1])
    return parsed


def keeps_promise(name: str, result: dict[str, Any]) -> bool:
    """Whether a result is as good as was promised."""
    least = PROMISES[name]
    return float(result["p99"]) <= LONGEST_P99_S if least is None else float(result["ratio"]) >= least


def show_number(value: object) -> str:
    """A number with thousands separated, anything else as it is."""
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def show(results: dict[str, dict[str, Any]]) -> None:
    """Print the results as a table."""
    table = Table("measure", "value", "unit", "yardstick", "ratio", "promise", "also")
    for name, result in results.items():
        promise = "kept" if keeps_promise(name, result) else "NOT KEPT"
        value, unit, yardstick, ratio = (show_number(result[key]) for key in COLUMNS)
        also = ", ".join(f"{key} {given}" for key, given in result.items() if key not in COLUMNS)
        table.add_row(name, value, unit, yardstick, ratio, promise, also)
    Console(width=140).print(table)


def main(names: list[str]) -> int:
    """Measure the named, or everything; 1 when a promise is not kept."""
    results: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if names and RESULTS.exists() else {}
    for name in names or PROMISES:
        print(f"measuring {name} …", flush=True)
        try:
            results |= measure(name)
        except (TimeoutError, subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"{name}: not measured: {error}", file=sys.stderr)
            results.pop(name, None)
        # written after each, so that a broken run keeps what it has
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    show(results)
    complete = all(name in results for name in names or PROMISES)
    return 0 if complete and all(keeps_promise(name, result) for name, result in results.items()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
