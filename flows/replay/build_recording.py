"""Makes the recorded day again: ``python -m flows.replay.build_recording DATA_FOLDER``.

DATA_FOLDER holds ``iceair/msp_mn50501_*.csv`` and ``flights/readsb_traces``. Real traces are moved to the recorded day
as a whole, so that something happens early; flights of the MN50501 log are interpolated between the logged times. The
manifest says for each aircraft what is real, what was logged, what was estimated and what was moved.
"""

import argparse
import csv
import gzip
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from flows.replay.flight_profile import PARKED_S, QNH_HPA, ROLL_S, Waypoint, fly
from models.vocab.aircraft import PairCheck, check_pair, icao24_of
from models.vocab.airport import Airport, find_airport

RECORDING_FOLDER = Path(__file__).parent / "recording"
WATCHLIST_FILE = Path(__file__).parent / "watchlist.yml"

RECORDED_ON = date(2026, 1, 10)
LEAD = timedelta(seconds=90)
"""how long before the first departure the record begins"""
LENGTH = timedelta(hours=19, minutes=20)
LOGGED_FIELD = "KMSP"
ORDINARY = "ordinary airliner, in the replay for its real radio record"

ODBL = "ODbL 1.0, © adsb.lol contributors"
TRACES: tuple[dict[str, Any], ...] = (
    {
        "file": "trace_full_a61c53_2026-06-25.json",
        "anchor_at": "2026-06-25T12:56:55Z",
        "anchor": "landing at PANC",
        "minutes": 9,
        "operator": ORDINARY,
        "source": "LaughingKuma/sancha1090, tests/fixtures",
        "licence": f"MIT (repository); {ODBL} (observations)",
    },
    {
        "file": "EXCERPT_n703kw_kmci_departure_2026-08-25.json",
        "anchor_at": "2026-08-25T16:45:13Z",
        "anchor": "first fix over KMCI",
        "minutes": 6,
        "operator": "Eastern Airlines",
        "source": "kolenyo2099/adsb-investigator, data/traces/a960a9 (16 rows, transcribed)",
        "licence": ODBL,
    },
    {
        "file": "trace_full_ac671b_2025-02-04.json",
        "anchor_at": "2025-02-05T01:12:23Z",
        "anchor": "landing at KMSP",
        "minutes": 13,
        "operator": ORDINARY,
        "source": "xoolive/traffic, src/traffic/data/samples/readsb",
        "licence": "MIT",
    },
    {
        "file": "trace_full_ac134a.json",
        "anchor_at": "2024-08-12T02:49:20Z",
        "anchor": "landing at KPBI",
        "minutes": 19,
        "operator": ORDINARY,
        "source": "Alex-PLACET/pyreadsb, tests/resources",
        "licence": "MIT",
    },
)

LOG_CREDIT = "Nick Benson, MN50501"
LOG_LICENCE = "may be used by anyone; attribution 'Nick Benson, MN50501'"


@dataclass(frozen=True)
class LoggedStop:
    """One stop at Minneapolis-St Paul as MN50501 logged it."""

    registration: str
    operator: str
    callsign: str
    origin: Airport
    destination: Airport
    arrived_at: datetime
    departed_at: datetime


def read_logged_stops(folder: Path) -> list[LoggedStop]:
    """The stops of the recorded day whose times make sense, in order of arrival."""
    stops = []
    for path in sorted(folder.glob("msp_mn50501_*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                arrived, departed = datetime.fromisoformat(line["Arrive"]), datetime.fromisoformat(line["Depart"])
                if line["Date"] == RECORDED_ON.isoformat() and arrived < departed:
                    stops.append(
                        LoggedStop(
                            registration=line["Reg"].strip(),
                            operator=line["Airline"].strip(),
                            callsign=line["Callsign"].strip(),
                            origin=need_airport(line["Origin"]),
                            destination=need_airport(line["Destination"]),
                            arrived_at=arrived,
                            departed_at=departed,
                        )
                    )
                    check_logged_address(line["Reg"].strip(), line["Tracking"])
    return sorted(stops, key=lambda stop: stop.arrived_at)


def check_logged_address(registration: str, link: str) -> None:
    """Refuse a row whose registration is not that of the trace it links to (three rows of the log are so)."""
    linked = link.partition("icao=")[2].partition("&")[0]
    if check_pair(linked, registration) is not PairCheck.OK:
        raise ValueError(f"{registration} is logged with the address {linked}")


def need_airport(code: str) -> Airport:
    """The airport of a code; a code that names none is an error."""
    airport = find_airport(code.strip())
    if airport is None:
        raise ValueError(f"no airport {code}")
    return airport


def interpolate_stop(stop: LoggedStop) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the two flights around a logged stop: (trace document, manifest entry)."""
    field = need_airport(LOGGED_FIELD)
    inbound, outbound = fly(stop.origin, field), fly(field, stop.destination)
    left_at = stop.arrived_at - timedelta(seconds=inbound[-1].at_s - ROLL_S)
    rolled_at = stop.departed_at - timedelta(seconds=ROLL_S)
    rows = [*list_rows(inbound, left_at, stop.callsign), *list_rows(outbound, rolled_at, stop.callsign)]
    landed_at = rolled_at + timedelta(seconds=outbound[-1].at_s - ROLL_S)
    icao24 = icao24_of(stop.registration)
    document = {
        "icao": icao24,
        "r": stop.registration,
        "tarmac_basis": "interpolated",
        "timestamp": 0.0,
        "trace": rows,
    }
    entry = {
        "icao24": icao24,
        "registration": stop.registration,
        "operator": stop.operator,
        "basis": "interpolated",
        "source": f"MN50501 log, {RECORDED_ON}",
        "licence": LOG_LICENCE,
        "attribution": LOG_CREDIT,
        "original_on": RECORDED_ON,
        "changed": (
            f"logged: callsign {stop.callsign}, from {stop.origin.id}, at {field.id} "
            f"{stop.arrived_at:%H:%M}Z to {stop.departed_at:%H:%M}Z, then to {stop.destination.id}. "
            f"Estimated from distance and usual speeds: off {stop.origin.id} {left_at:%H:%M}Z, "
            f"on {stop.destination.id} {landed_at:%H:%M}Z. All positions are interpolated along the great circle."
        ),
    }
    return document, entry


def list_rows(flight: list[Waypoint], began_at: datetime, callsign: str) -> list[list[Any]]:
    """Trace rows of one interpolated flight with the aircraft standing on the runway before and after."""
    began_s = began_at.timestamp()
    first, last = flight[0], flight[-1]
    before = [make_row(first, began_s - second, callsign, 0.0) for second in range(PARKED_S, 0, -15)]
    flown = [make_row(point, began_s + point.at_s, callsign, point.speed_kt) for point in thin(flight)]
    after = [make_row(last, began_s + last.at_s + second, callsign, 0.0) for second in range(15, PARKED_S + 1, 15)]
    return [*before, *flown, *after]


def thin(flight: list[Waypoint]) -> list[Waypoint]:
    """Every 10 s below 12,000 ft, every 30 s above, and both ends."""
    kept = [p for p in flight if p.at_s % (30 if p.altitude_ft > 12_000 else 10) == 0]
    return kept if kept[-1] is flight[-1] else [*kept, flight[-1]]


def make_row(point: Waypoint, at_s: float, callsign: str, speed_kt: float) -> list[Any]:
    """One trace row. The source type ``unknown`` says that no radio was involved."""
    return [
        round(at_s, 2),
        round(point.latitude, 5),
        round(point.longitude, 5),
        "ground" if point.on_ground else round(point.altitude_ft / 25) * 25,
        round(speed_kt, 1),
        round(point.track_deg, 1),
        0,
        None if point.on_ground else round(point.rate_fpm / 64) * 64,
        {"type": "unknown", "flight": f"{callsign:8}", "nav_qnh": QNH_HPA},
        "unknown",
        None,
        None,
        None,
        None,
    ]


def move_trace(folder: Path, spec: dict[str, Any], begins_at: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Move a real trace to the recorded day: (trace document with absolute times, manifest entry)."""
    document = json.loads((folder / spec["file"]).read_text(encoding="utf-8"))
    anchor_at = datetime.fromisoformat(spec["anchor_at"])
    moved_to = begins_at + timedelta(minutes=spec["minutes"])
    shift_s = (moved_to - anchor_at).total_seconds()
    start_s = document.pop("timestamp", 0.0)
    rows = [[round(row[0] + start_s + shift_s, 2), *row[1:]] for row in document.pop("trace")]
    icao24 = document.pop("icao", None) or document.pop("hex")
    registration = document.pop("r", None) or document.pop("reg")
    document = {
        "icao": icao24,
        "r": registration,
        "t": document.get("t") or document.get("type"),
        **{key: document[key] for key in ("desc", "ownOp", "year", "dbFlags", "version") if key in document},
        "tarmac_basis": "observed",
        "timestamp": 0.0,
        "trace": rows,
    }
    original = datetime.fromtimestamp(rows[0][0] - shift_s, UTC)
    entry = {
        "icao24": icao24,
        "registration": registration,
        "type": document["t"],
        "operator": spec["operator"],
        "basis": "observed",
        "source": spec["source"],
        "licence": spec["licence"],
        "attribution": spec["source"].partition(",")[0],
        "original_on": original.date(),
        "changed": (
            f"received by radio on {original:%Y-%m-%d}; all times moved by {describe_shift(shift_s)}, so that the "
            f"{spec['anchor']} falls at {moved_to:%H:%M:%S}Z of the recorded day; nothing else changed"
        ),
    }
    return document, entry


def describe_shift(shift_s: float) -> str:
    """Say how far times were moved."""
    days, rest = divmod(abs(round(shift_s)), 86_400)
    return (
        f"{days} days {rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02} {'later' if shift_s > 0 else 'earlier'}"
    )


def write_recording(data: Path, folder: Path, watchlist_file: Path) -> None:
    """Write traces, manifest and watchlist."""
    stops = read_logged_stops(data / "iceair")
    made = [interpolate_stop(stop) for stop in stops]
    first_roll_s = min(document["trace"][0][0] for document, _ in made) + PARKED_S
    begins_at = (datetime.fromtimestamp(first_roll_s, UTC) - LEAD).replace(second=0, microsecond=0)
    made += [move_trace(data / "flights" / "readsb_traces", spec, begins_at) for spec in TRACES]
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for document, entry in made:
        name = f"trace_full_{entry['icao24']}.json.gz"
        packed = gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 9, mtime=0)
        (folder / name).write_bytes(packed)
        entries.append({**entry, "file": name})
    manifest = {
        "name": f"{RECORDED_ON}-msp",
        "begins_at": begins_at,
        "ends_at": begins_at + LENGTH,
        "notice": (
            f"Replay of {RECORDED_ON}: ICE flights logged by Nick Benson (MN50501), their positions interpolated "
            "between the logged times, among real radio records of other days moved to this one. The news is invented."
        ),
        "aircraft": entries,
    }
    write_yaml(folder / "manifest.yml", manifest)
    write_yaml(watchlist_file, make_watchlist(entries))


def make_watchlist(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The watchlist of the replay: the aircraft of the recording, each saying why it is in it."""
    sources = {
        "mn50501": {"name": "MN50501 log of ICE flights at Minneapolis-St Paul", "credit": LOG_CREDIT},
        "radio": {"name": "real radio records moved to the recorded day", "credit": f"see manifest.yml; {ODBL}"},
    }
    return {
        "note": "The aircraft of the recorded day, for the replay only. Made by flows/replay/build_recording.py.",
        "sources": sources,
        "aircraft": [make_watch_row(entry) for entry in sorted(entries, key=lambda entry: entry["registration"])],
    }


def make_watch_row(entry: dict[str, Any]) -> dict[str, Any]:
    """One airframe of the replay's watchlist."""
    logged = entry["basis"] == "interpolated"
    if logged:
        claim = "flew a logged ICE flight at KMSP on the recorded day"
    elif entry["operator"] == ORDINARY:
        claim = ORDINARY
    else:
        claim = "contractor airframe, in the replay for its real radio record of a flight not known to be ICE's"
    row = {
        "icao24": entry["icao24"],
        "registration": entry["registration"],
        "type": entry.get("type"),
        "operator": entry["operator"],
        "status": "current",
        "claims": [
            {
                "claim": claim,
                "source": "mn50501" if logged else "radio",
                "first_on": entry["original_on"],
                "last_on": entry["original_on"],
            }
        ],
    }
    return {key: value for key, value in row.items() if value is not None}


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_yaml(path: Path, document: dict[str, Any]) -> None:
    """Write a YAML file in the order of the document, every value written out."""
    text = yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=118)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Write the recording that comes with Tarmac, or another one with --out."""
    parser = argparse.ArgumentParser(description="Build flows/replay/recording.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=RECORDING_FOLDER)
    parser.add_argument("--watchlist", type=Path, default=WATCHLIST_FILE)
    arguments = parser.parse_args()
    write_recording(arguments.folder, arguments.out, arguments.watchlist)


if __name__ == "__main__":
    main()
