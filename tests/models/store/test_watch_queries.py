"""Which days are looked up again in the day files, because nobody looked while they passed."""

import json
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from models.archive import Archive
from models.items import Verdict
from models.queries.watch import find_present, list_unwatched_days
from models.store.bundle import load_bundle
from models.store.session import transaction
from tests.bundles import NOON, after, make_bundle

REACH, LONGEST = timedelta(hours=36), timedelta(minutes=5)
HOUR = 60


def look(
    engine: Engine, folder: Path, *minutes: float, verdict: Verdict = Verdict.OK, ahead_minutes: float = 0
) -> None:
    for minute in minutes:
        bundle = make_bundle(folder, at=after(minute), verdict=verdict)
        run = json.loads((bundle / "run.json").read_text())
        run["recorded_at"] = after(minute + ahead_minutes).isoformat()
        (bundle / "run.json").write_text(json.dumps(run))
        load_bundle(engine, bundle, Archive(str(folder / "archive")), after(minute))


def unwatched(engine: Engine) -> list[date]:
    with transaction(engine) as connection:
        present = find_present(connection)
        assert present is not None
        return list_unwatched_days(connection, ["adsb_lol"], present, REACH, LONGEST)


def test_outage_longer_than_the_reach_is_looked_up_as_far_back_as_the_reach(engine: Engine, tmp_path: Path) -> None:
    look(engine, tmp_path, 0, 4)
    assert unwatched(engine) == []
    look(engine, tmp_path, 60 * HOUR, verdict=Verdict.UNREACHABLE)
    look(engine, tmp_path, 72 * HOUR, 72 * HOUR + 4)
    assert unwatched(engine) == [date(2026, 1, 12), date(2026, 1, 13)]


def test_what_was_before_the_first_look_was_never_promised(engine: Engine, tmp_path: Path) -> None:
    look(engine, tmp_path, 72 * HOUR, 72 * HOUR + 4)
    assert unwatched(engine) == []


def test_watch_that_goes_on_longer_than_the_reach_has_no_gap(engine: Engine, tmp_path: Path) -> None:
    look(engine, tmp_path, 0, 38 * HOUR)
    with transaction(engine) as connection:
        present = find_present(connection)
        assert present is not None
        assert list_unwatched_days(connection, ["adsb_lol"], present, REACH, timedelta(hours=37)) == []


def test_answer_with_a_clock_in_the_future_does_not_move_the_present(engine: Engine, tmp_path: Path) -> None:
    look(engine, tmp_path, 0, 4)
    look(engine, tmp_path, 6, ahead_minutes=30 * HOUR)
    look(engine, tmp_path, 8, ahead_minutes=9000 * HOUR)
    look(engine, tmp_path, 10)
    with transaction(engine) as connection:
        assert find_present(connection) == after(10)
        # as an earlier version stored it
        connection.execute(
            text("update crawl set recorded_at = :at where finished_at = :noon"),
            {"at": NOON + timedelta(days=900), "noon": after(8)},
        )
    assert unwatched(engine) == []
