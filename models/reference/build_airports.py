"""Build ``airports.csv.gz`` from airportsdata and two tables derived from OurAirports. Run by hand; its file is kept.

    python -m models.reference.build_airports AIRPORTS_TABLE.csv.gz RUNWAYS_TABLE.csv.gz

The airports table has the columns icao, name, city, country, lat, lon, airport_type, scheduled_service and
runway_length_ft; the runways table is OurAirports' runways.csv, open runways of 5,000 ft and more.
"""

import csv
import gzip
import io
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import airportsdata
import yaml

from models.vocab.geodesy import distance_nm

HERE = Path(__file__).parent
COLUMNS = (
    "id", "name", "city", "country", "latitude", "longitude", "elevation_ft", "time_zone",
    "longest_runway_ft", "kind", "is_scheduled", "aliases", "runways",
)  # fmt: skip
KINDS = {
    "large_airport": "large",
    "medium_airport": "medium",
    "small_airport": "small",
    "heliport": "heliport",
    "seaplane_base": "seaplane",
}
SMALL_COUNTRIES = {
    "French Southern and Antarctic Lands": "TF",
    "Liechtenstein": "LI",
    "Monaco": "MC",
    "San Marino": "SM",
}
NO_PLACE = {"Unknown or unassigned country"}
HELIPORT_NAME = re.compile(r"helipad|heliport|helistop", re.IGNORECASE)
SEAPLANE_NAME = re.compile(r"sea ?plane|\bspb\b|water aerodrome", re.IGNORECASE)

Row = dict[str, str]
Entry = TypeVar("Entry")


def read_table(path: Path) -> list[Row]:
    """Rows of a gzipped CSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def describe_runways(rows: Iterable[Row]) -> tuple[str, float | None, int]:
    """Both thresholds of each land runway, their median elevation, and the longest length."""
    ends: list[str] = []
    elevations: list[float] = []
    longest = 0
    for row in rows:
        if row["closed"] == "1" or "water" in row["surface"].lower():
            continue
        longest = max(longest, int(row["length_ft"]))
        elevations += [float(row[key]) for key in ("le_elevation_ft", "he_elevation_ft") if row[key]]
        corners = [row[f"{end}_{axis}_deg"] for end in ("le", "he") for axis in ("latitude", "longitude")]
        if all(corners):
            ends.append(" ".join(f"{float(corner):.4f}" for corner in corners))
    return ";".join(ends), (median(elevations) if elevations else None), longest


def name_countries(listed: dict[str, airportsdata.Airport], described: dict[str, Row]) -> dict[str, str]:
    """Country names of the airports table -> two-letter codes of airportsdata, by the airports both know."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for code in listed.keys() & described.keys():
        seen[described[code]["country"]][listed[code]["country"]] += 1
    return SMALL_COUNTRIES | {name: codes.most_common(1)[0][0] for name, codes in seen.items()}


def drop_reused_code(airport: dict[str, Any], row: Row | None) -> Row | None:
    """The OurAirports row, unless it is a heliport that took over the code of a closed field elsewhere."""
    if not airport or row is None or row["airport_type"] != "heliport":
        return row
    apart_nm = distance_nm(airport["lat"], airport["lon"], float(row["lat"]), float(row["lon"]))
    return row if apart_nm <= 3 else None


def join_codes(table: dict[str, Entry], id_of: dict[str, str]) -> dict[str, Entry]:
    """The table under our own ids; an entry under an old or new code counts where there is none under ours."""
    renamed = {id_of[code]: entry for code, entry in table.items() if code in id_of}
    return renamed | {code: entry for code, entry in table.items() if code not in id_of}


def name_kind(row: Row | None, name: str) -> str:
    """The kind OurAirports gives, else what the name says; airportsdata itself gives none."""
    if row is not None:
        return KINDS[row["airport_type"]]
    if HELIPORT_NAME.search(name):
        return "heliport"
    return "seaplane" if SEAPLANE_NAME.search(name) else "small"


def find_time_zone(known: list[airportsdata.Airport], latitude: float, longitude: float) -> str:
    """The time zone of the nearest airport that has one."""
    close = [a for a in known if abs(a["lat"] - latitude) < 5 and abs(a["lon"] - longitude) < 8]
    if not close:
        return ""
    return str(min(close, key=lambda a: distance_nm(latitude, longitude, a["lat"], a["lon"]))["tz"])


def build_rows(airports_path: Path, runways_path: Path) -> list[tuple[str | int | float, ...]]:
    """All airports, sorted by id."""
    renamed: dict[str, list[str]] = yaml.safe_load((HERE / "airport_aliases.yml").read_text(encoding="utf-8"))
    id_of = {code: own for own, codes in renamed.items() for code in codes if len(code) == 4}
    listed = join_codes(airportsdata.load("ICAO"), id_of)
    described = join_codes(
        {row["icao"]: row for row in read_table(airports_path) if row["country"] not in NO_PLACE}, id_of
    )
    lids = {airport["lid"]: code for code, airport in listed.items() if airport["lid"]}
    runways: defaultdict[str, list[Row]] = defaultdict(list)
    for runway in read_table(runways_path):
        ident = id_of.get(runway["airport_ident"], runway["airport_ident"])
        # OurAirports writes some fields that have only an FAA identifier with a K in front.
        known = ident in listed or ident in described
        runways[ident if known else lids.get(ident.removeprefix("K"), ident)].append(runway)

    countries = name_countries(listed, described)
    zoned = [airport for airport in listed.values() if airport["tz"]]
    out: list[tuple[str | int | float, ...]] = []
    for own in sorted(listed.keys() | described.keys()):
        airport: dict[str, Any] = dict(listed.get(own) or {})
        row = drop_reused_code(airport, described.get(own))
        ends, elevation, longest = describe_runways(runways.get(own, ()))
        if row is not None and row["runway_length_ft"]:
            longest = max(longest, int(row["runway_length_ft"]))
        if airport:
            latitude, longitude, name, city = airport["lat"], airport["lon"], airport["name"], airport["city"]
            country, time_zone = airport["country"], airport["tz"]
            elevation = elevation if elevation is not None else airport["elevation"]
            if row is not None:
                # airportsdata 20260905 has EBBR and other Belgian fields up to 23 nm off.
                latitude, longitude = float(row["lat"]), float(row["lon"])
        else:
            assert row is not None
            latitude, longitude, name, city = float(row["lat"]), float(row["lon"]), row["name"], row["city"]
            country, time_zone = countries[row["country"]], find_time_zone(zoned, latitude, longitude)
        iata = airport.get("iata") or (row or {}).get("iata", "")
        lid = airport.get("lid", "")
        aliases = " ".join(code for code in dict.fromkeys((iata, lid)) if code and code != own)
        out.append((
            own, name, city, country, f"{latitude:.5f}", f"{longitude:.5f}",
            "" if elevation is None else round(elevation), time_zone, longest or "", name_kind(row, name),
            int(row is not None and row["scheduled_service"] == "true"), aliases, ends,
        ))  # fmt: skip
    return out


def main(arguments: list[str]) -> None:
    """Write the file beside this module; the same input gives the same bytes."""
    airports_path, runways_path = map(Path, arguments)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(build_rows(airports_path, runways_path))
    (HERE / "airports.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1:])
