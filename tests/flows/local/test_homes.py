"""Live and replay never share a home, and a command typed elsewhere finds the one that runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.doctor import find_database
from flows.local.homes import (
    DATABASE_FILE,
    REPLAY_HOME,
    HomeError,
    find_home,
    find_installation,
    remember_mode,
    take_home,
)
from flows.local.run import CannotRun, LocalService, plan
from models.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("TARMAC_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def plan_home(settings: Settings, *, live: bool) -> Path:
    return plan(settings, live=live, speed=None, poll_s=None, port=0).settings.home


def test_replay_and_live_have_homes_of_their_own_unless_told_where() -> None:
    assert plan_home(Settings(), live=False) == REPLAY_HOME
    assert plan_home(Settings(), live=True) == Path(".tarmac")
    assert plan_home(Settings(home=Path("here")), live=False) == Path("here")


def test_home_set_in_the_environment_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARMAC_HOME", "elsewhere")
    assert plan_home(Settings(), live=False) == plan_home(Settings(), live=True) == Path("elsewhere")


@pytest.mark.parametrize("first_is_live", [True, False])
def test_home_of_one_mode_is_refused_to_the_other_in_one_line(tmp_path: Path, first_is_live: bool) -> None:
    remember_mode(tmp_path, live=first_is_live)
    remember_mode(tmp_path, live=first_is_live)
    settings = Settings(home=tmp_path)
    options = plan(settings, live=not first_is_live, speed=None, poll_s=None, port=0)
    with pytest.raises(CannotRun, match=r"belongs to (a replay|the live watch) and cannot be used for .*TARMAC_HOME"):
        LocalService(options, print, print).run()
    assert not (tmp_path / "postgres").exists()


def test_home_that_was_replayed_before_homes_had_a_mode_is_not_taken_for_live(tmp_path: Path) -> None:
    (tmp_path / "replay.json").write_text("{}")
    (tmp_path / "instance.key").write_text("")
    with pytest.raises(HomeError, match="belongs to a replay"):
        remember_mode(tmp_path, live=True)


def test_one_database_given_for_both_modes_serves_only_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/tarmac")
    assert plan_home(Settings(), live=False) == plan_home(Settings(), live=True) == Path(".tarmac")


def test_command_finds_what_runs_and_live_before_replay() -> None:
    live = Path(".tarmac")
    assert find_database(Settings()) is None
    with take_home(REPLAY_HOME):
        (REPLAY_HOME / DATABASE_FILE).write_text("postgresql://replayed\n")
        assert find_database(Settings()) == "postgresql://replayed"
        # the key and the archive of the same home, or addresses would be sealed with the wrong key
        assert find_installation(Settings()).instance_key_file == REPLAY_HOME / "instance.key"
        with take_home(live):
            (live / DATABASE_FILE).write_text("postgresql://live\n")
            assert find_database(Settings()) == "postgresql://live"
        assert find_database(Settings(home=live)) is None
    assert find_home(Settings()) == live


def test_note_of_a_killed_run_is_not_believed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with take_home(home):
        pass
    (home / DATABASE_FILE).write_text("postgresql://gone\n")
    answer = subprocess.run(
        [sys.executable, "-m", "flows.cli", "channel", "list"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TARMAC_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    said = f"tarmac: Tarmac is not running in {home}: start it with `tarmac run`, or set DATABASE_URL\n"
    assert answer.stderr == said
