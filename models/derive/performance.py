"""What an aircraft can do, from its type where that is known, else from how it was seen to fly."""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from models.vocab.position import Position


class AircraftKind(StrEnum):
    """What decides at which fields an aircraft can land."""

    AIRLINER = "airliner"
    BUSINESS_JET = "business_jet"
    FAST = "fast"
    """type unknown, seen above 250 kt or 20,000 ft"""
    TURBOPROP = "turboprop"
    HELICOPTER = "helicopter"
    LIGHT = "light"


class Performance(NamedTuple):
    """Limits the rules of a leg are scaled by."""

    kind: AircraftKind
    cruise_kt: float
    airborne_kt: float
    """nothing of this kind rolls faster on a taxiway, and nothing flies slower for long"""
    lift_off_kt: float
    """the speed whose crossing dates take-off and touchdown"""
    least_runway_ft: int
    """runway of a field it may be assumed to use unseen"""
    least_runway_seen_ft: int
    """runway of a field it may be placed at when seen there on the ground"""
    climb_fpm: float
    turn_round_s: float
    """shortest stop that may be inferred without seeing it"""

    @property
    def is_jet(self) -> bool:
        """Whether it needs long runways and cruises fast."""
        return self.kind in (AircraftKind.AIRLINER, AircraftKind.BUSINESS_JET, AircraftKind.FAST)


def judge_performance(track: Sequence[Position], aircraft_type: str | None) -> Performance:
    """Performance by type; for an unknown type by the fastest and highest tenth of what was seen."""
    speeds = [
        speed for p in track if (speed := p.ground_speed_kt) is not None and speed < 700 and p.on_ground is not True
    ]
    speeds.sort()
    usual = speeds[len(speeds) * 8 // 10] if speeds else 0.0
    kind = _load_kinds().get((aircraft_type or "").strip().upper())
    if kind is None:
        heights = sorted(p.altitude_ft for p in track if p.altitude_ft is not None)
        fastest = speeds[-1 - len(speeds) // 50] if speeds else 0.0
        highest = heights[-1 - len(heights) // 50] if heights else 0.0
        kind = AircraftKind.FAST if fastest > 250 or highest > 20000 else AircraftKind.LIGHT
    match kind:
        case AircraftKind.AIRLINER | AircraftKind.BUSINESS_JET:
            seen_ft = 5000 if kind == AircraftKind.AIRLINER else 3000
            return Performance(kind, min(500, max(420, usual)), 70, 100, 5000, seen_ft, 2200, 20 * 60)
        case AircraftKind.FAST:
            return Performance(kind, min(500, max(300, usual)), 70, 100, 5000, 3000, 2200, 20 * 60)
        case AircraftKind.TURBOPROP:
            return Performance(kind, min(340, max(220, usual)), 65, 80, 3000, 2000, 1500, 15 * 60)
        case AircraftKind.HELICOPTER:
            return Performance(kind, min(160, max(100, usual)), 40, 40, 0, 0, 800, 12 * 60)
        case _:
            return Performance(kind, min(220, max(90, usual)), 50, 50, 0, 0, 700, 12 * 60)


@cache
def _load_kinds() -> dict[str, AircraftKind]:
    listed = yaml.safe_load((files("models.reference") / "aircraft_kinds.yml").read_text(encoding="utf-8"))
    return {
        designator: AircraftKind(kind) for kind, designators in listed.items() for designator in designators.split()
    }
