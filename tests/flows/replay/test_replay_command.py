"""``tarmac replay`` as ``make run`` and people start it."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from flows.cli import tarmac
from flows.replay.faults import FaultsError, load_faults
from tests.flows.replay.asking import ask


def start(home, *arguments):
    environment = {**os.environ, "TARMAC_HOME": str(home)}
    command = [sys.executable, "-m", "flows.cli", "replay", "--speed", "60", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    return process, process.stdout.readline().strip()


def finish(process, number=signal.SIGTERM):
    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)
    assert complaint == ""


def test_the_first_line_is_the_address_and_a_killed_replay_goes_on_where_it_was(tmp_path):
    process, base_url = start(tmp_path)
    assert base_url.startswith("http://127.0.0.1:")
    first = ask(base_url, "/adsb_lol/v2/hex/aaeb6a").json()["now"]
    finish(process, signal.SIGKILL)
    saved = json.loads((tmp_path / "replay.json").read_text())["recorded_at"]
    process, base_url = start(tmp_path, "--faults", "none")
    second = ask(base_url, "/adsb_lol/v2/hex/aaeb6a").json()["now"]
    assert second >= first
    assert second / 1000 - datetime.fromisoformat(saved).timestamp() < timedelta(minutes=10).total_seconds()
    assert "Nick Benson" in process.stdout.readline()
    finish(process)


def test_the_end_of_the_record_is_said(tmp_path):
    process, base_url = start(tmp_path, "--from", "2026-01-11T08:24:00Z")
    assert ask(base_url, "/").json()["is_over"] is True
    assert "the recorded day is over" in process.stdout.readline() + process.stdout.readline()
    finish(process)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "yesterday"),
        ("--from", "2020-01-01T00:00:00Z"),
        ("--faults", "/nowhere.yml"),
        ("--recording", "/nowhere"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_line(arguments):
    result = CliRunner().invoke(tarmac, ["replay", *arguments], prog_name="tarmac")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_the_faults_that_come_with_the_day_are_of_every_kind():
    kinds = {fault.kind.value for fault in load_faults().faults}
    assert kinds == {"unavailable", "reset", "throttle", "empty", "html", "repeat", "gap", "late", "older"}


@pytest.mark.parametrize(
    "text",
    [
        "faults: 3",
        "faults: [{kind: meteor, from: 2026-01-10 13:00:00, until: 2026-01-10 14:00:00}]",
        "faults: [{kind: html, from: 2026-01-10 15:00:00, until: 2026-01-10 14:00:00}]",
        "faults: [{kind: gap, from: 2026-01-10 13:00:00, until: 2026-01-10 14:00:00}]",
        "faults: [{kind: html, from: 2026-01-10 13:00:00, until: 2026-01-10 14:00:00, colour: red}]",
    ],
)
def test_a_wrong_faults_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "faults.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        load_faults(path)
    assert "\n" not in str(caught.value)
