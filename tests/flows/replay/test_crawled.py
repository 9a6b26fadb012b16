"""The real spiders must take the recorded day for the publishers: one crawl process a source, over real sockets."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.crawl_process import run_crawl
from flows.replay.recording import load_recording
from flows.replay.server import serve_replay
from models.items import ITEMS_FILE, Verdict

WATCHLIST = Path(__file__).parents[3] / "flows" / "replay" / "watchlist.yml"


@pytest.mark.parametrize(
    ("source", "arguments", "kind", "least"),
    [
        ("adsb_lol", {"watchlist": str(WATCHLIST)}, "position", 3),
        ("adsb_lol_traces", {"watchlist": str(WATCHLIST), "days": "2026-01-09..2026-01-10"}, "position", 1000),
        ("moscow_times", {}, "article", 1),
    ],
)
def test_a_crawl_of_the_recorded_day_is_ok_and_marks_what_is_interpolated(tmp_path, source, arguments, kind, least):
    with serve_replay(load_recording(), start_at=datetime(2026, 1, 10, 13, 20, tzinfo=UTC)) as server:
        run = run_crawl(
            source,
            tmp_path / "bundle",
            arguments,
            environment={"TARMAC_SOURCE_BASE_URL": server.base_url},
            timeout_s=60,
        )
        assert run.verdict is Verdict.OK, run.reason
        assert run.item_counts[kind] >= least
        assert {asked.source for asked in server.asked} >= {source}
        assert all("Tarmac/" in asked.user_agent for asked in server.asked)
    lines = (tmp_path / "bundle" / ITEMS_FILE).read_text(encoding="utf-8").splitlines()
    logged = [line for line in lines if '"aaeb6a"' in line]
    received = [line for line in lines if '"ac671b"' in line]
    assert all('"interpolated"' in line for line in logged)
    assert not any('"interpolated"' in line for line in received)
    assert kind == "article" or (logged and received)
