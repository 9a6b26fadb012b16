"""The doctor says what is wrong, with or without a running service, and nothing when all is well."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from alerts.setup import ensure_inbox
from flows.doctor import Finding, Level, examine, examine_database, examine_source
from models import clock
from models.queries.watch import SourceState
from models.secrets import open_instance_key
from models.settings import Settings
from models.store.session import make_engine, transaction

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PREFECT_API_URL", "TARMAC_SOURCE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def wrong(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.subject, finding.text) for finding in findings if finding.level is Level.WRONG]


def test_new_installation_that_does_not_run_is_well(tmp_path: Path) -> None:
    findings = examine(Settings(home=tmp_path), clock.now())
    assert wrong(findings) == []
    assert ("database", Level.NOTE) in {(finding.subject, finding.level) for finding in findings}


def test_key_that_others_may_read_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    open_instance_key(settings.instance_key_file)
    assert wrong(examine(settings, clock.now())) == []
    settings.instance_key_file.chmod(0o644)
    ((subject, said),) = wrong(examine(settings, clock.now()))
    assert subject == "key"
    assert "chmod 600" in said


def test_watchlist_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("aircraft: [")
    ((subject, said),) = wrong(examine(Settings(home=tmp_path, watchlist=tmp_path / "mine.yml"), clock.now()))
    assert subject == "watchlist"
    assert "mine.yml" in said
    assert "\n" not in said


def test_database_of_another_version_is_named(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    ((subject, said),) = wrong(list(examine_database(engine, NOW)))
    engine.dispose()
    assert subject == "database"
    assert "tarmac db upgrade" in said


def test_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "DATABASE_URL": f"postgresql:///tarmac?host={tmp_path}"})
    assert ("database", "does not answer (SQLSTATE none)") in wrong(examine(settings, clock.now()))


def test_installation_that_tells_nobody_is_named(engine: Engine, tmp_path: Path) -> None:
    assert wrong(list(examine_database(engine, NOW))) == [("channels", "0 in use, 0 switched off")]
    ensure_inbox(engine, open_instance_key(tmp_path / "key"), tmp_path, NOW)
    assert wrong(list(examine_database(engine, NOW))) == []


def test_source_that_is_away_for_long_is_wrong_and_for_a_moment_is_not() -> None:
    def state(name: str, since: timedelta) -> SourceState:
        return SourceState("adsb_lol", name, "timed out", NOW - since, NOW, None, None, 3)

    assert examine_source(state("ok", timedelta(days=1)), NOW).level is Level.OK
    assert examine_source(state("unreachable", timedelta(minutes=2)), NOW).level is Level.NOTE
    long = examine_source(state("unreachable", timedelta(hours=2)), NOW)
    assert long.level is Level.WRONG
    assert long.text == "adsb_lol is unreachable since 2026-11-21 10:00Z: timed out"


def test_doctor_changes_nothing(engine: Engine) -> None:
    def dump() -> list[object]:
        with transaction(engine) as connection:
            names = connection.execute(text("select tablename from pg_tables where schemaname = 'public'")).scalars()
            return [connection.execute(text(f'select count(*) from "{name}"')).scalar() for name in sorted(names)]

    before = dump()
    list(examine_database(engine, NOW))
    assert dump() == before
