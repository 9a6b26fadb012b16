"""Airports under our own ids: found by any of their codes, or by where they lie.

The table (models/reference/airports.csv.gz) is read on first use, in about a fifth of a second.
"""

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from math import ceil, cos, floor, radians
from typing import NamedTuple

import yaml

from models.vocab.geodesy import distance_nm, distance_to_segment_nm

Point = tuple[float, float]
"""latitude, longitude"""

UNKNOWN_RADIUS_NM = 0.3
"""half the length assumed of a field whose runways we do not know"""


@dataclass(frozen=True, slots=True)
class Airport:
    """A field where aircraft land. ``id``: ICAO code, or FAA identifier where there is none; it never changes."""

    id: str
    name: str
    city: str
    country: str
    """ISO 3166 code of two letters"""
    latitude: float
    longitude: float
    elevation_ft: float | None
    time_zone: str | None
    """IANA name"""
    longest_runway_ft: int | None
    kind: str
    """large, medium, small, heliport or seaplane"""
    is_scheduled: bool
    """whether airlines serve it on a timetable"""
    aliases: tuple[str, ...]
    """IATA code, FAA identifier, former and newer ICAO codes"""
    runways: tuple[tuple[Point, Point], ...]
    """both thresholds of each runway of 5,000 ft or more, where known"""

    def field_distance_nm(self, latitude: float, longitude: float) -> float:
        """Distance to the nearest runway; where thresholds are unknown, to a circle that would hold the longest one."""
        half_length_nm = (self.longest_runway_ft or 0) / 6076.1 / 2 or UNKNOWN_RADIUS_NM
        from_centre = max(0.0, distance_nm(latitude, longitude, self.latitude, self.longitude) - half_length_nm)
        if not self.runways:
            return from_centre
        to_runway = min(distance_to_segment_nm(latitude, longitude, start, end) for start, end in self.runways)
        # A short runway may lie apart from the long ones whose thresholds are known.
        return min(to_runway, max(from_centre, 0.2))


class NearAirport(NamedTuple):
    """An airport and how far its reference point is away."""

    distance_nm: float
    airport: Airport


class _Table(NamedTuple):
    rows: list[list[str]]
    by_code: dict[str, int]
    by_cell: dict[tuple[int, int], list[tuple[float, float, int, int]]]
    """latitude, longitude, longest runway in feet, row"""


def find_airport(code: str) -> Airport | None:
    """The airport a code names: reviewed aliases and our ids first, then IATA codes, then FAA identifiers."""
    index = _load_table().by_code.get(code.strip().upper())
    return None if index is None else _make_airport(index)


def airports_near(latitude: float, longitude: float, radius_nm: float, least_runway_ft: int = 0) -> list[NearAirport]:
    """All airports of any kind whose reference point lies within the radius, nearest first.

    With ``least_runway_ft`` only those known to have a runway so long.
    """
    by_cell = _load_table().by_cell
    reach = radius_nm / 60
    west_reach = min(180.0, reach / max(0.01, cos(radians(min(89.0, abs(latitude) + reach)))))
    found: list[tuple[float, int]] = []
    columns = range(
        floor(longitude - west_reach), min(ceil(longitude + west_reach), floor(longitude - west_reach) + 360)
    )
    for south in range(floor(latitude - reach), ceil(latitude + reach)):
        for west in columns:
            cell = by_cell.get((south, (west + 180) % 360 - 180), ())
            for field_latitude, field_longitude, runway_ft, index in cell:
                if runway_ft < least_runway_ft or abs(field_latitude - latitude) > reach:
                    continue
                distance = distance_nm(latitude, longitude, field_latitude, field_longitude)
                if distance <= radius_nm:
                    found.append((distance, index))
    found.sort()
    return [NearAirport(distance, _make_airport(index)) for distance, index in found]


def ground_elevation_ft(latitude: float, longitude: float) -> float | None:
    """Elevation of the nearest field within 25 nm, to tell height from altitude; None far from any."""
    return _cell_elevation_ft(round(latitude * 20), round(longitude * 20))


@lru_cache(maxsize=65536)
def _cell_elevation_ft(row: int, column: int) -> float | None:
    for near in airports_near(row / 20, column / 20, 25):
        if near.airport.elevation_ft is not None and near.airport.kind != "heliport":
            return near.airport.elevation_ft
    return None


@cache
def _load_table() -> _Table:
    folder = files("models.reference")
    text = gzip.decompress((folder / "airports.csv.gz").read_bytes()).decode()
    rows = list(csv.reader(text.splitlines()))[1:]
    by_code: dict[str, int] = {row[0]: index for index, row in enumerate(rows)}
    for own_id, codes in yaml.safe_load((folder / "airport_aliases.yml").read_text(encoding="utf-8")).items():
        index = by_code[own_id]
        for code in codes:
            by_code[code] = index
        rows[index][11] = " ".join(dict.fromkeys((*rows[index][11].split(), *codes)))
    by_cell: defaultdict[tuple[int, int], list[tuple[float, float, int, int]]] = defaultdict(list)
    second_codes: list[tuple[str, int]] = []
    for index, row in enumerate(rows):
        latitude, longitude = float(row[4]), float(row[5])
        by_cell[floor(latitude), floor(longitude)].append((latitude, longitude, int(row[8] or 0), index))
        if row[11]:
            first, *others = row[11].split()
            by_code.setdefault(first, index)
            second_codes += [(code, index) for code in others]
    for code, index in second_codes:
        by_code.setdefault(code, index)
    return _Table(rows, by_code, dict(by_cell))


@lru_cache(maxsize=8192)
def _make_airport(index: int) -> Airport:
    row = _load_table().rows[index]
    ends = [tuple(map(float, runway.split())) for runway in row[12].split(";") if runway]
    return Airport(
        id=row[0],
        name=row[1],
        city=row[2],
        country=row[3],
        latitude=float(row[4]),
        longitude=float(row[5]),
        elevation_ft=float(row[6]) if row[6] else None,
        time_zone=row[7] or None,
        longest_runway_ft=int(row[8]) if row[8] else None,
        kind=row[9],
        is_scheduled=row[10] == "1",
        aliases=tuple(row[11].split()),
        runways=tuple(((south, west), (north, east)) for south, west, north, east in ends),
    )
