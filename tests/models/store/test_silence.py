"""A source that goes blind is told once, and so is its return."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from models.archive import Archive
from models.items import Verdict
from models.store.bundle import load_bundle
from models.store.session import transaction
from models.store.silence import Promise, report_silences
from tests.bundles import after, make_bundle

LOL = Promise("adsb_lol", ("adsb_lol",), timedelta(minutes=1))
FLIGHTS = Promise("all flight sources", ("adsb_lol", "adsb_fi"), timedelta(minutes=1))


class Poll:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def crawl(self, minute: float, verdict: Verdict = Verdict.OK, source: str = "adsb_lol") -> None:
        folder = make_bundle(self.folder, at=after(minute), verdict=verdict, source=source)
        load_bundle(self.engine, folder, Archive(str(self.folder / "archive")), after(minute))

    def report(self, minute: float, *promises: Promise) -> list[tuple[str, str]]:
        with transaction(self.engine) as connection:
            ids = report_silences(connection, after(minute), promises)
            rows = connection.execute(
                text("select kind, subject from event where id = any(:ids) order by kind"), {"ids": ids}
            )
            return [(row.kind, row.subject) for row in rows]


@pytest.fixture
def poll(engine: Engine, tmp_path: Path) -> Poll:
    return Poll(engine, tmp_path)


def test_each_silence_and_each_return_is_told_once(poll: Poll) -> None:
    poll.crawl(0)
    assert poll.report(4, LOL) == []
    poll.crawl(5, Verdict.REFUSED)
    assert poll.report(6, LOL) == [("source.silent", "adsb_lol")]
    assert poll.report(7, LOL) == []
    poll.crawl(8)
    assert poll.report(8, LOL) == [("source.recovered", "adsb_lol")]
    assert poll.report(9, LOL) == []
    assert poll.report(20, LOL) == [("source.silent", "adsb_lol")]


def test_while_one_source_stands_in_for_another_only_the_other_is_silent(poll: Poll) -> None:
    poll.crawl(0)
    poll.crawl(9, Verdict.UNREACHABLE)
    poll.crawl(9, source="adsb_fi")
    assert poll.report(10, LOL, FLIGHTS) == [("source.silent", "adsb_lol")]
    assert poll.report(20, LOL, FLIGHTS) == [("source.silent", "all flight sources")]


def test_a_source_that_never_answered_well_is_silent_from_its_first_crawl(poll: Poll) -> None:
    assert poll.report(0, LOL) == []
    poll.crawl(0, Verdict.UNREACHABLE)
    assert poll.report(1, LOL) == []
    assert poll.report(6, LOL) == [("source.silent", "adsb_lol")]
