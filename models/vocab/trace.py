"""Read readsb's ``trace_full`` files, the day's path of one aircraft, as any publisher or archive hands them on.

Format: readsb's README-json.md, "trace jsons"; row lengths and other traps as met in files from 2022 to 2026.
"""

from collections.abc import Iterable
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from models.vocab.packed import PackedError, unpack
from models.vocab.position import Position

LARGEST_DOCUMENT = 64 * 1024 * 1024
"""bytes after decompression; a real day of one aircraft is below 10 MB"""

STALE, NEW_LEG, GEOMETRIC_ALTITUDE = 1, 2, 8
EARLIEST_S, LATEST_S = 631152000.0, 4102444800.0
"""1990 and 2100: a time outside is a wrong unit or not a time"""


class TraceError(ValueError):
    """A document that is not a trace; the message is one line."""


class Trace(NamedTuple):
    """The path of one aircraft, in order of time."""

    icao24: str
    registration: str | None
    aircraft_type: str | None
    """ICAO type designator, from the publisher's database"""
    positions: list[Position]


class _Document(msgspec.Struct):
    trace: list[list[Any]]
    icao: str | None = None
    hex: str | None = None
    r: str | None = None
    reg: str | None = None
    t: str | None = None
    type: str | None = None
    timestamp: float | None = None
    tarmac_basis: str | None = None
    """our own mark, as in the recorded day: "interpolated" where an observer's log stands for a radio"""


_decoder = msgspec.json.Decoder(_Document)


def read_trace(content: bytes, *, source: str = "") -> Trace:
    """Read one document, plain or gzip whatever its name says. Raises TraceError for anything else."""
    try:
        document = _decoder.decode(_decompress(content))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise TraceError(f"not a trace: {_one_line(error)}") from None
    icao24 = (document.icao or document.hex or "").strip().lower()
    if len(icao24) != 6 or any(letter not in "0123456789abcdef" for letter in icao24):
        raise TraceError(f"not a trace of an aircraft with a 24-bit address: icao {icao24[:20]!r}")
    start_s = None if document.timestamp is None else _to_seconds(document.timestamp)
    positions = []
    for number, row in enumerate(document.trace):
        try:
            positions.append(_read_row(row, start_s, source, is_interpolated=document.tarmac_basis == "interpolated"))
        except (TypeError, ValueError, OverflowError, IndexError) as error:
            raise TraceError(f"trace row {number} cannot be read: {_one_line(error)}") from None
    return Trace(
        icao24=icao24,
        registration=_strip(document.r or document.reg),
        aircraft_type=_strip(document.t or document.type),
        positions=sort_positions(positions),
    )


def merge_traces(traces: Iterable[Trace]) -> list[Trace]:
    """One trace for each aircraft, in order of first appearance; the same position in two files counts once."""
    merged: dict[str, list[Trace]] = {}
    for trace in traces:
        merged.setdefault(trace.icao24, []).append(trace)
    return [
        Trace(
            icao24=icao24,
            registration=next((part.registration for part in reversed(parts) if part.registration), None),
            aircraft_type=next((part.aircraft_type for part in reversed(parts) if part.aircraft_type), None),
            positions=sort_positions(position for part in parts for position in part.positions),
        )
        for icao24, parts in merged.items()
    ]


def sort_positions(positions: Iterable[Position]) -> list[Position]:
    """Positions in order of time, equal ones once; the order of the input does not matter."""
    return order_positions(set(positions))


def order_positions(positions: Iterable[Position]) -> list[Position]:
    """Positions in order of time; those of one instant in an order that does not depend on the input's."""
    track = sorted(positions, key=itemgetter(0))
    if len({position.at_s for position in track}) < len(track):
        track.sort(key=_order_key)
    return track


def _order_key(position: Position) -> tuple[Any, ...]:
    """Time first, then every other field, with absent values before present ones."""
    return tuple((value is not None, 0 if value is None else value) for value in position)


def _decompress(content: bytes) -> bytes:
    if len(content) > LARGEST_DOCUMENT:
        raise TraceError("larger than any trace")
    try:
        return unpack(content, LARGEST_DOCUMENT)
    except PackedError as error:
        raise TraceError(_one_line(error)) from None


def _read_row(row: list[Any], start_s: float | None, source: str, *, is_interpolated: bool) -> Position:
    if len(row) < 7:
        raise ValueError(f"{len(row)} values, at least 7 expected")
    offset = _number(row[0])
    if offset > EARLIEST_S:
        at_s = _to_seconds(offset)
    elif start_s is not None:
        at_s = start_s + offset
    else:
        raise ValueError("a time relative to a timestamp that is missing")
    latitude, longitude = _number(row[1]), _number(row[2])
    if not (EARLIEST_S < at_s < LATEST_S and -90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError("time or position out of range")
    altitude = row[3]
    if isinstance(altitude, str) and altitude != "ground":
        raise ValueError(f"altitude {altitude[:20]!r}")
    flags = row[6]
    if not isinstance(flags, int):
        raise TypeError("flags are not a whole number")
    details = row[8] if len(row) > 8 else None
    if details is not None and not isinstance(details, dict):
        raise TypeError("details are not an object")
    callsign, qnh_hpa = None, None
    if details:
        callsign = _strip(details.get("flight"))
        qnh_hpa = _optional(details.get("nav_qnh"))
    return Position(
        at_s=round(at_s, 3),
        latitude=latitude,
        longitude=longitude,
        altitude_ft=None if altitude == "ground" else _optional(altitude),
        on_ground=None if altitude is None else altitude == "ground",
        ground_speed_kt=_optional(row[4]),
        track_deg=_optional(row[5]),
        vertical_rate_fpm=_optional(row[7]) if len(row) > 7 else None,
        callsign=callsign,
        is_stale=bool(flags & STALE),
        starts_leg=bool(flags & NEW_LEG),
        altitude_is_geometric=bool(flags & GEOMETRIC_ALTITUDE),
        qnh_hpa=qnh_hpa,
        source=source,
        is_interpolated=is_interpolated,
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} where a number is expected")
    number = float(value)
    if not isfinite(number):
        raise ValueError("a number that is not finite")
    return number


def _optional(value: object) -> float | None:
    return None if value is None else _number(value)


def _strip(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text is expected")
    return value.strip(" @\t\r\n\x00") or None


def _to_seconds(value: float) -> float:
    # Publishers differ: seconds in readsb's own files, milliseconds in some mirrors.
    return value / 1000 if value > 1e11 else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
