"""``tarmac legs`` prints legs as lines of JSON without a database, or one line of error."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRACES = Path(__file__).parents[1] / "models" / "derive" / "traces"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "legs", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_each_leg_is_one_line_with_exactly_the_promised_keys() -> None:
    answer = run(TRACES / "trace_full_a61c53.json")
    assert (answer.returncode, answer.stderr) == (0, "")
    first, second, third = (json.loads(line) for line in answer.stdout.splitlines())
    assert list(first) == ["icao24", "registration", "callsigns", "departure", "arrival", "max_gap_s", "status"]
    assert first["departure"] is None
    assert first["arrival"] == {
        "at": "2026-06-25T12:56:57Z",
        "airport": "PANC",
        "evidence": "ground_observed",
        "certainty": "confirmed",
    }
    assert (second["callsigns"], second["status"]) == (["GTI518"], "landed")
    assert (third["arrival"], third["status"]) == (None, "airborne")


def test_two_days_of_one_aircraft_are_one_record_and_gzip_may_hide_under_any_name(tmp_path: Path) -> None:
    whole = json.loads(gzip.decompress((TRACES / "trace_full_ac671b.json").read_bytes()))
    rows = whole["trace"]
    first = tmp_path / "one.json"
    first.write_text(json.dumps(whole | {"trace": rows[:1000]}))
    second = tmp_path / "two.txt"
    second.write_bytes(gzip.compress(json.dumps(whole | {"trace": rows[1000:]}).encode()))
    other = TRACES / "trace_full_34718d.json"
    assert run(second, other, first).stdout == run(TRACES / "trace_full_ac671b.json", other).stdout


@pytest.mark.parametrize(
    "content", [None, b"", b"not json", b"[1, 2]", b'{"icao": "a960a9"}', b"[" * 300_000, b"\x1f\x8b\x08cut"]
)
def test_unusable_input_is_one_line_and_exit_code_2(tmp_path: Path, content: bytes | None) -> None:
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_bytes(content)
    answer = run(TRACES / "trace_full_ac134a.json", bad)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) == 1
    assert "bad.json" in answer.stderr


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    answer = run(tmp_path)
    assert (answer.returncode, answer.stdout, len(answer.stderr.splitlines())) == (2, "", 1)


def test_it_starts_quickly_and_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from flows.cli import main\n"
        "try: main(['legs', sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'sqlalchemy', 'scrapy', 'twisted', 'fastapi', 'apprise'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    started = time.monotonic()
    trace = str(TRACES / "trace_full_ac134a.json")
    subprocess.run([sys.executable, "-c", code, trace], capture_output=True, check=True, timeout=60)
    assert time.monotonic() - started < 5
