"""``tarmac load`` and ``tarmac db`` by hand: what they say, and what they refuse."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from flows.cli import tarmac
from models.store.session import make_engine, transaction
from tests.bundles import NOON, after, fly, make_bundle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TARMAC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path / "home"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(tarmac, [str(argument) for argument in arguments])


def test_folder_of_bundles_is_loaded_and_derived(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    flight = list(fly(NOON))
    make_bundle(bundles, flight[100:], at=after(70))
    make_bundle(bundles, flight[:100], at=after(40), lines=[b"nonsense"])
    first = run("load", bundles)
    assert first.exit_code == 0, first.output
    lines = first.output.splitlines()
    assert "100 new positions" in lines[0]
    assert "1 refused" in lines[0]
    assert lines[2] == "1 aircraft derived, 2 events"
    again = run("load", bundles)
    assert "known before | 0 new positions" in again.output
    assert again.output.splitlines()[2] == "0 aircraft derived, 0 events"
    assert run("db", "rederive").output.splitlines()[-1] == "1 aircraft derived, 0 events"
    engine = make_engine(database_url)
    with transaction(engine) as connection:
        assert connection.scalar(text("select count(*) from leg")) == 1
    engine.dispose()


def test_what_is_no_bundle_is_one_line_and_exit_code_two(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    bundle = make_bundle(tmp_path)
    (bundle / "run.json").write_text("{}")
    for path in (tmp_path / "missing", tmp_path / "home", bundle):
        result = run("load", path)
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1


def test_database_that_is_missing_or_not_migrated_is_said_in_one_line(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path)
    assert run("load", bundle).exit_code == 2
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    refused = run("load", bundle)
    assert refused.exit_code == 2
    assert "revision none" in refused.output
    assert run("db", "upgrade").exit_code == 0
    assert run("load", bundle).exit_code == 0


def test_address_of_the_database_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:secret@localhost/tarmac")
    result = run("db", "url")
    assert result.exit_code == 0
    assert "secret" not in result.output
    assert "someone" in result.output
