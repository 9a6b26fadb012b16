"""Reads a recording: the manifest, the traces and the invented news of one recorded day."""

import gzip
import json
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

RECORDING_FOLDER = Path(__file__).parent / "recording"

AT, LATITUDE, LONGITUDE, ALTITUDE, SPEED, TRACK, FLAGS, RATE, DETAILS, KIND, GEOMETRIC_FT = range(11)
"""places in a trace row (readsb, README-json.md)"""
STALE, NEW_LEG, GEOMETRIC_RATE, GEOMETRIC_ALTITUDE = 1, 2, 4, 8

Row = list[Any]


class RecordingError(ValueError):
    """A recording that cannot be played; the message is one line."""


@dataclass(frozen=True)
class RecordedAircraft:
    """One aircraft of the recorded day: what its manifest entry says and all its positions in order of time."""

    icao24: str
    label: dict[str, Any]
    header: dict[str, Any]
    rows: list[Row]
    times: list[float] = field(repr=False)

    def rows_until(self, at_s: float) -> int:
        """How many rows lie at or before an instant."""
        return bisect_right(self.times, at_s)


@dataclass(frozen=True)
class Article:
    """An invented news item."""

    source: str
    path: str
    title: str
    summary: str
    paragraphs: tuple[str, ...]
    published_at: datetime


@dataclass(frozen=True)
class Recording:
    """One recorded day."""

    name: str
    begins_at: datetime
    ends_at: datetime
    notice: str
    aircraft: dict[str, RecordedAircraft]
    articles: tuple[Article, ...]


def load_recording(folder: Path = RECORDING_FOLDER) -> Recording:
    """Read a recording folder. Raises RecordingError when it is incomplete."""
    try:
        manifest = yaml.safe_load((folder / "manifest.yml").read_text(encoding="utf-8"))
        aircraft = {entry["icao24"]: read_aircraft(folder / entry["file"], entry) for entry in manifest["aircraft"]}
        news = folder / "news.yml"
        articles = yaml.safe_load(news.read_text(encoding="utf-8"))["articles"] if news.exists() else []
        return Recording(
            name=manifest["name"],
            begins_at=manifest["begins_at"],
            ends_at=manifest["ends_at"],
            notice=manifest["notice"],
            aircraft=aircraft,
            articles=tuple(Article(**{**row, "paragraphs": tuple(row["paragraphs"])}) for row in articles),
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise RecordingError(f"{folder}: cannot be played: {' '.join(str(error).split())}") from error


def read_aircraft(path: Path, label: dict[str, Any]) -> RecordedAircraft:
    """Read one packed trace document with absolute times."""
    document = json.loads(gzip.decompress(path.read_bytes()))
    rows = document.pop("trace")
    start_s = document.pop("timestamp")
    for row in rows:
        row[AT] = round(row[AT] + start_s, 2)
    rows.sort(key=lambda row: row[AT])
    return RecordedAircraft(document["icao"], label, document, rows, [row[AT] for row in rows])
