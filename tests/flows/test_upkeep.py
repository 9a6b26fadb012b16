"""Going blind is told once, seeing again is told once, and a machine that was off is not a source that was silent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from flows.installation import Installation
from flows.upkeep import report_blindness
from models.archive import Archive
from models.settings import Settings
from models.tables import Event, Source

START = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def installation(engine: Engine, tmp_path: Path) -> Installation:
    """An installation whose jobs began at START, with adsb_lol last seen well at START."""
    with engine.begin() as connection:
        connection.execute(insert(Source).values(slug="adsb_lol", state="ok", last_ok_at=START, last_run_at=START))
    return Installation(Settings(home=tmp_path), engine, Archive(str(tmp_path / "archive")), START)


def list_kinds(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(Event.kind).order_by(Event.recorded_at, Event.kind)).scalars())


def test_a_blind_service_says_so_once(installation: Installation, engine: Engine) -> None:
    report_blindness(installation, START + timedelta(minutes=4))
    assert list_kinds(engine) == []
    for minutes in (6, 7, 8):
        report_blindness(installation, START + timedelta(minutes=minutes))
    assert list_kinds(engine) == ["source.silent"]


def test_seeing_again_is_told_too(installation: Installation, engine: Engine) -> None:
    report_blindness(installation, START + timedelta(minutes=6))
    with engine.begin() as connection:
        connection.execute(update(Source).values(last_ok_at=START + timedelta(minutes=9)))
    for minutes in (10, 11):
        report_blindness(installation, START + timedelta(minutes=minutes))
    assert list_kinds(engine) == ["source.silent", "source.recovered"]


def test_a_network_that_stands_in_keeps_us_seeing(installation: Installation, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(Source).values(slug="adsb_fi", state="ok", last_ok_at=START + timedelta(minutes=8)))
    report_blindness(installation, START + timedelta(minutes=9))
    assert list_kinds(engine) == []


def test_a_machine_that_was_off_gives_the_sources_time_to_answer(installation: Installation, engine: Engine) -> None:
    morning = START + timedelta(hours=9)
    started = Installation(installation.settings, engine, installation.archive, morning)
    report_blindness(started, morning + timedelta(minutes=1))
    assert list_kinds(engine) == []
    report_blindness(started, morning + timedelta(minutes=6))
    assert list_kinds(engine) == ["source.silent"]
