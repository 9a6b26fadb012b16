"""A recorded clock that went back or jumped would invent flights or lose them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from flows.replay.clock import SAVE_EVERY_S, ClockFile, ManualClock, RunningClock, is_over

BEGIN = datetime(2026, 1, 10, 13, tzinfo=UTC)
END = BEGIN + timedelta(hours=1)


def test_the_clock_waits_for_its_start_and_then_runs_fast_in_whole_seconds():
    clock = RunningClock(BEGIN, END, speed=100)
    time.sleep(0.05)
    assert clock.now() == BEGIN
    clock.start()
    time.sleep(0.2)
    assert BEGIN + timedelta(seconds=20) <= clock.now() < BEGIN + timedelta(seconds=400)
    assert clock.now().microsecond == 0


def test_the_clock_stands_still_at_the_end():
    clock = RunningClock(BEGIN, END, speed=1e6)
    clock.start()
    time.sleep(0.05)
    assert clock.now() == END
    assert is_over(clock)


def test_a_clock_moved_by_hand_never_goes_back():
    clock = ManualClock(BEGIN, END)
    clock.advance(90.5)
    assert clock.now() == BEGIN + timedelta(seconds=90)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(BEGIN)


def test_a_restart_goes_on_after_the_last_saved_instant(tmp_path):
    kept = ClockFile(tmp_path / "home" / "replay.json", "day")
    assert kept.read(6) is None
    kept.write(BEGIN + timedelta(minutes=10))
    assert kept.read(6) == BEGIN + timedelta(minutes=10, seconds=SAVE_EVERY_S * 6)
    assert ClockFile(kept.path, "another day").read(6) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"recording": "day"}', '{"recording": "day", "recorded_at": "soon"}']
)
def test_a_damaged_clock_file_begins_the_day_again(tmp_path, content):
    path = tmp_path / "replay.json"
    path.write_text(content, encoding="utf-8")
    assert ClockFile(path, "day").read(6) is None
