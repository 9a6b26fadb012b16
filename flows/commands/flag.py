"""``tarmac flag FILE``: which sightings of a log are of aircraft we watch."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from flows.cli import InputError
from models.derive.sightings import Sighting, judge_sightings
from models.vocab.callsign import load_callsigns
from models.vocab.packed import PackedError, unpack
from models.vocab.watchlist import WatchlistError, load_watchlist

LARGEST_LOG = 64 * 1024 * 1024
"""bytes after unpacking; about half a million sightings"""
TIME_KEYS = ("timestamp", "observed_at", "seen_at", "time", "date")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--watchlist", "watchlist_file", type=click.Path(path_type=Path), help="Use this watchlist file.")
def flag(file: Path, watchlist_file: Path | None) -> None:
    """Judge the sightings in FILE, a JSON list (.gz too) of objects with icao24 and callsign.

    Prints one JSON object a line, in the order of the file: icao24, callsign, verdict (watched, candidate or none) and
    the reasons.
    """
    sightings = read_sightings(file)
    try:
        watchlist = load_watchlist(watchlist_file)
    except WatchlistError as error:
        raise InputError(str(error)) from error
    for sighting, judgement in zip(sightings, judge_sightings(sightings, watchlist, load_callsigns()), strict=True):
        line = {
            "icao24": sighting.icao24,
            "callsign": sighting.callsign,
            "verdict": judgement.verdict.value,
            "reasons": judgement.reasons,
        }
        click.echo(json.dumps(line, ensure_ascii=False))


def read_sightings(file: Path) -> list[Sighting]:
    """Read a log of sightings. Raises InputError with one line for a file that is no such log."""
    try:
        rows = json.loads(unpack(file.read_bytes(), LARGEST_LOG))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    except PackedError as error:
        raise InputError(f"{file}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error})") from error
    if not isinstance(rows, list):
        raise InputError(f"{file}: is not a list of sightings")
    return [read_sighting(row, f"{file}: sighting {number}") for number, row in enumerate(rows, start=1)]


def read_sighting(row: Any, where: str) -> Sighting:
    """Read one entry of a log; ``where`` names it in an error."""
    if not isinstance(row, dict):
        raise InputError(f"{where}: is not an object")
    icao24 = row.get("icao24")
    if not isinstance(icao24, str):
        raise InputError(f"{where}: has no icao24")
    for key in ("callsign", "registration"):
        if not isinstance(row.get(key), str | None):
            raise InputError(f"{where}: {key} is not text")
    callsign = row.get("callsign")
    return Sighting(
        icao24=icao24.strip().lower(),
        callsign=callsign.strip() if callsign is not None else None,
        registration=row.get("registration"),
        seen_on=read_day(row),
    )


def read_day(row: dict[str, Any]) -> date | None:
    """The day of a sighting where the log says one in ISO form; None otherwise."""
    for key in TIME_KEYS:
        value = row.get(key)
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value).date()
            except ValueError:
                continue
    return None
