"""Print the legs in readsb trace files, without a database."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from flows.cli import InputError
from models.derive.legs import Leg, derive_legs
from models.vocab.event import LegEnd
from models.vocab.trace import Trace, TraceError, merge_traces, read_trace


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def legs(files: tuple[Path, ...]) -> None:
    """Print one JSON object for each leg in trace_full FILEs, plain or gzip.

    Files of one aircraft, such as two days around midnight, are read as one record.
    """
    traces = merge_traces([_read_file(file) for file in files])
    lines = [json.dumps(_to_line(leg)) for trace in traces for leg in _derive(trace)]
    if lines:
        click.echo("\n".join(lines))


def _read_file(file: Path) -> Trace:
    name = " ".join(click.format_filename(file).split())
    try:
        return read_trace(file.read_bytes(), source=file.name)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or 'cannot be read'}") from None
    except TraceError as error:
        raise InputError(f"{name}: {error}") from None


def _derive(trace: Trace) -> list[Leg]:
    return derive_legs(
        trace.positions,
        icao24=trace.icao24,
        registration=trace.registration,
        aircraft_type=trace.aircraft_type,
        is_complete=True,
    )


def _to_line(leg: Leg) -> dict[str, Any]:
    return {
        "icao24": leg.icao24,
        "registration": leg.registration,
        "callsigns": list(leg.callsigns),
        "departure": _to_object(leg.departure),
        "arrival": _to_object(leg.arrival),
        "max_gap_s": round(leg.max_gap_s),
        "status": leg.status,
    }


def _to_object(end: LegEnd | None) -> dict[str, str | None] | None:
    if end is None:
        return None
    return {
        "at": _to_text(end.at),
        "airport": end.airport,
        "evidence": end.evidence.value,
        "certainty": end.certainty.value,
    }


def _to_text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
