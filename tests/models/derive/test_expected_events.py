"""Score the legs against labels for traces that may not all be shipped.

    TARMAC_SCORING_DATA=…/data pytest -m scoring tests/models/derive/test_expected_events.py

The folder holds ``expected_events.json`` and the files it names: readsb traces, and trajectories as the traffic library
stores them.
"""

import gzip
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.derive.legs import Leg, derive_legs
from models.vocab.certainty import Evidence
from models.vocab.event import LegEnd
from models.vocab.position import Position
from models.vocab.trace import Trace, read_trace, sort_positions

pytestmark = pytest.mark.scoring

SCORING_DATA = os.environ.get("TARMAC_SCORING_DATA")
FOLDER = Path(SCORING_DATA) / "flights" if SCORING_DATA else None


def read_labels() -> list[dict[str, Any]]:
    if FOLDER is None or not (FOLDER / "expected_events.json").exists():
        return []
    labels: list[dict[str, Any]] = json.loads((FOLDER / "expected_events.json").read_text(encoding="utf-8"))["labels"]
    return labels


def read_file(path: Path) -> Trace:
    content = path.read_bytes()
    if path.name.endswith(".json.gz"):
        return read_trajectory(json.loads(gzip.decompress(content)))
    return read_trace(content)


def read_trajectory(rows: list[dict[str, Any]] | dict[str, dict[str, Any]]) -> Trace:
    """OpenSky state vectors: milliseconds, feet, no word for the ground."""
    if isinstance(rows, dict):
        rows = [{name: column.get(key) for name, column in rows.items()} for key in next(iter(rows.values()))]
    positions = [
        Position(
            at_s=row["timestamp"] / 1000,
            latitude=row["latitude"],
            longitude=row["longitude"],
            altitude_ft=row.get("altitude"),
            on_ground=row.get("onground"),
            ground_speed_kt=row.get("groundspeed"),
            track_deg=row.get("track"),
            vertical_rate_fpm=row.get("vertical_rate"),
            callsign=(row.get("callsign") or "").strip() or None,
        )
        for row in rows
        if row.get("latitude") is not None and row.get("longitude") is not None
    ]
    return Trace(str(rows[0]["icao24"]), None, None, sort_positions(positions))


def list_events(legs: list[Leg]) -> list[tuple[str, LegEnd, Leg]]:
    return [
        (kind, end, leg)
        for leg in legs
        for kind, end in (("departure", leg.departure), ("arrival", leg.arrival))
        if end is not None
    ]


@pytest.mark.skipif(bool(read_labels()), reason="labels found: the real scoring runs")
def test_scoring_data_is_absent() -> None:
    pytest.skip("SCORING NOT DONE: TARMAC_SCORING_DATA must name a folder with flights/expected_events.json")


@pytest.mark.parametrize("label", [pytest.param(label, id=label["hex"]) for label in read_labels()])
def test_labelled_events(label: dict[str, Any]) -> None:
    trace = read_file(FOLDER / label["file"])
    legs = derive_legs(trace.positions, icao24=trace.icao24, aircraft_type=trace.aircraft_type, is_complete=True)
    found = list_events(legs)
    counts = {kind: sum(kind == other for other, _, _ in found) for kind in ("departure", "arrival")}
    if "counts" in label:
        assert counts == label["counts"]
        return
    for kind, allowed in label.get("counts_allowed", {}).items():
        assert counts[kind] in allowed
    for expected in label["events"]:
        at = datetime.fromisoformat(expected["time_utc"])
        matches = [
            event
            for event in found
            if event[0] == expected["type"] and abs((event[1].at - at).total_seconds()) <= expected["tolerance_s"]
        ]
        assert len(matches) == 1, f"{expected['type']} at {expected['time_utc']}: {matches}"
        found.remove(matches[0])
        _, end, leg = matches[0]
        is_inferred = expected.get("basis", "").startswith("inferred")
        assert end.airport in expected["airport"] or (is_inferred and end.airport is None)
        if "callsign" in expected:
            assert expected["callsign"] in leg.callsigns or not leg.callsigns
        if is_inferred:
            assert end.evidence in (Evidence.INFERRED_GAP, Evidence.UNKNOWN)
    if label.get("counts_allowed"):
        assert all(end.airport is None for _, end, _ in found)
    else:
        assert found == [], "events nobody labelled"


@pytest.mark.parametrize("path", sorted(Path(FOLDER or "/nonexistent").glob("readsb_traces/**/*.json")), ids=str)
def test_every_trace_can_be_read(path: Path) -> None:
    trace = read_file(path)
    for leg in derive_legs(trace.positions, icao24=trace.icao24, aircraft_type=trace.aircraft_type):
        assert leg.first_fix.at_s <= leg.last_fix.at_s
