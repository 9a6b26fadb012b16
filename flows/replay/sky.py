"""What the publishers would have answered at one instant of the recorded day. Pure: instants in, documents out."""

import gzip
import json
import zlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from math import cos, radians, sin
from typing import Any

from flows.replay.faults import FaultKind, Faults
from flows.replay.recording import (
    ALTITUDE,
    AT,
    DETAILS,
    FLAGS,
    GEOMETRIC_ALTITUDE,
    GEOMETRIC_FT,
    GEOMETRIC_RATE,
    KIND,
    LATITUDE,
    LONGITUDE,
    RATE,
    SPEED,
    STALE,
    TRACK,
    RecordedAircraft,
    Recording,
    Row,
)
from models.vocab.geodesy import bearing_deg, distance_nm

POSITION_LIVES_S = 60.0
"""readsb leaves an aircraft out when its position is older"""
DETAILS_LIVE_S = 600.0
"""how long a callsign or a setting is carried on: only every fourth row or so repeats them"""
OLDER_BY_S = 90.0
"""how far an ``older`` answer goes back"""
CANARY_COUNT = 24
CANARY_PLACE = (33.64, -84.43)
"""Atlanta, around which the spiders ask whether the sky is empty"""
UNRECORDED = {"messages": 1000, "rssi": -20.0}
"""every answer carries these two and no trace keeps them"""

Document = dict[str, Any]


class Sky:
    """The recorded day's aircraft as a v2 interface and a trace archive show them."""

    def __init__(self, recording: Recording, faults: Faults) -> None:
        self.recording = recording
        self.faults = faults

    def find_addresses(self, addresses: Iterable[str], instant: datetime) -> list[Document]:
        """Aircraft objects of those addresses that are heard."""
        return [
            found
            for address in dict.fromkeys(part.strip().lower() for part in addresses)
            if address in self.recording.aircraft
            and (found := self.describe(self.recording.aircraft[address], instant)) is not None
        ]

    def find_type(self, wanted: str, instant: datetime) -> list[Document]:
        """Aircraft objects of one type: those recorded, and enough invented ones that a canary finds the sky full."""
        recorded = [found for found in self._describe_all(instant) if found.get("t") == wanted]
        return [*recorded, *(self._invent(index, wanted, instant) for index in range(CANARY_COUNT))]

    def find_near(self, latitude: float, longitude: float, radius_nm: float, instant: datetime) -> list[Document]:
        """Aircraft objects within a circle, with distance and direction from its centre."""
        near = []
        invented = [self._invent(index, "B738", instant) for index in range(CANARY_COUNT)]
        for found in [*self._describe_all(instant), *invented]:
            away = distance_nm(latitude, longitude, found["lat"], found["lon"])
            if away <= radius_nm:
                course = bearing_deg(latitude, longitude, found["lat"], found["lon"])
                near.append({**found, "dst": round(away, 3), "dir": round(course, 1)})
        return near

    def describe(self, aircraft: RecordedAircraft, instant: datetime) -> Document | None:
        """The aircraft object of one aircraft; None when it is not heard."""
        at_s = instant.timestamp()
        fault = self.faults.find_aircraft_fault(aircraft.icao24, instant)
        if fault and fault.kind is not FaultKind.OLDER:
            return None
        index = self._last_heard(aircraft, at_s - (OLDER_BY_S if fault else 0))
        if index is None:
            return None
        row = aircraft.rows[index]
        age_s = at_s - row[AT]
        if age_s > POSITION_LIVES_S + (OLDER_BY_S if fault else 0):
            return None
        return _write_aircraft(aircraft, row, _carry_details(aircraft, index), age_s)

    def _last_heard(self, aircraft: RecordedAircraft, at_s: float) -> int | None:
        gaps = self.faults.list_gaps(aircraft.icao24)
        for index in range(aircraft.rows_until(at_s) - 1, -1, -1):
            row = aircraft.rows[index]
            if at_s - row[AT] > POSITION_LIVES_S:
                return None
            if not row[FLAGS] & STALE and not any(begin <= row[AT] < end for begin, end in gaps):
                return index
        return None

    def _describe_all(self, instant: datetime) -> list[Document]:
        described = (self.describe(aircraft, instant) for aircraft in self.recording.aircraft.values())
        return [found for found in described if found is not None]

    def _invent(self, index: int, wanted: str, instant: datetime) -> Document:
        """An aircraft that only answers the canary question; non-ICAO addresses cannot be mistaken for real ones."""
        turn = radians((instant.timestamp() / 60 + index * 360 / CANARY_COUNT) % 360)
        return {
            "hex": f"~{index:06x}",
            "type": "unknown",
            "t": wanted,
            "alt_baro": 36_000,
            "gs": 440.0,
            "track": 90.0,
            "lat": round(CANARY_PLACE[0] + 0.3 * cos(turn), 4),
            "lon": round(CANARY_PLACE[1] + 0.3 * sin(turn), 4),
            "seen_pos": 0.5,
            "mlat": [],
            "tisb": [],
            **UNRECORDED,
            "seen": 0.1,
            "tarmac_basis": "interpolated",
            "tarmac_note": "invented for the replay, to answer the canary question",
        }

    def pack_day(self, icao24: str, day: date, instant: datetime) -> bytes | None:
        """The day file of one aircraft as gzip, as far as the record has run; None when it was not heard that day.

        The real archive shows a day only after it is over. Here it grows with the record, so that the confirmation of
        live results can be watched. For days before the record the aircraft that were received by radio have a file
        without rows: the archive works and has nothing.
        """
        aircraft = self.recording.aircraft.get(icao24)
        if aircraft is None:
            return None
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        is_before = day < self.recording.begins_at.date() and aircraft.header.get("tarmac_basis") == "observed"
        until_s = min(instant, midnight + timedelta(days=1)).timestamp()
        gaps = self.faults.list_gaps(icao24)
        rows = [
            [round(row[AT] - midnight.timestamp(), 2), *row[1:]]
            for row in aircraft.rows[: aircraft.rows_until(until_s)]
            if midnight.timestamp() <= row[AT] < midnight.timestamp() + 86_400
            and not any(begin <= row[AT] < end for begin, end in gaps)
        ]
        if not rows and not is_before:
            return None
        header = {key: value for key, value in aircraft.header.items() if value is not None}
        document = {**header, "timestamp": midnight.timestamp(), "trace": rows}
        return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), zlib.Z_BEST_SPEED, mtime=0)


def wrap_answer(aircraft: list[Document], instant: datetime) -> Document:
    """The envelope of a v2 answer; its clocks count milliseconds."""
    now_ms = int(instant.timestamp() * 1000)
    return {"ac": aircraft, "msg": "No error", "now": now_ms, "total": len(aircraft), "ctime": now_ms, "ptime": 0}


def _carry_details(aircraft: RecordedAircraft, index: int) -> Document:
    """What the aircraft last said of itself: the newest row with details, unless that was long ago."""
    newest_s = aircraft.rows[index][AT]
    for row in reversed(aircraft.rows[: index + 1]):
        if newest_s - row[AT] > DETAILS_LIVE_S:
            break
        if row[DETAILS]:
            details: Document = row[DETAILS]
            return details
    return {}


def _write_aircraft(aircraft: RecordedAircraft, row: Row, details: Document, age_s: float) -> Document:
    on_ground = row[ALTITUDE] == "ground"
    is_geometric = bool(row[FLAGS] & GEOMETRIC_ALTITUDE)
    is_interpolated = aircraft.header.get("tarmac_basis") == "interpolated"
    own = {key: aircraft.header.get(key) for key in ("r", "t", "dbFlags", "desc", "ownOp", "year")}
    values = {
        **{key: value for key, value in details.items() if key not in ("baro_rate", "geom_rate", "track")},
        "hex": aircraft.icao24,
        "type": row[KIND] if len(row) > KIND else "adsb_icao",
        **own,
        "dbFlags": own["dbFlags"] or None,
        "alt_baro": None if is_geometric else row[ALTITUDE],
        "alt_geom": row[ALTITUDE] if is_geometric else row[GEOMETRIC_FT] if len(row) > GEOMETRIC_FT else None,
        "gs": row[SPEED],
        "true_heading" if on_ground else "track": row[TRACK],
        "geom_rate" if row[FLAGS] & GEOMETRIC_RATE else "baro_rate": row[RATE],
        "lat": row[LATITUDE],
        "lon": row[LONGITUDE],
        "seen_pos": round(age_s, 3),
        "mlat": [],
        "tisb": [],
        **UNRECORDED,
        "seen": round(min(age_s, 1.0), 1),
        "tarmac_basis": "interpolated" if is_interpolated else None,
    }
    first = ("hex", "type", "flight")
    ordered = {key: values[key] for key in first if key in values} | values
    return {key: value for key, value in ordered.items() if value is not None}
