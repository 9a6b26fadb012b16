"""Flights made from simple physics, for cases that no recorded trace shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import asin, atan2, cos, degrees, radians, sin

from models.vocab.airport import Airport, find_airport
from models.vocab.geodesy import EARTH_RADIUS_NM, bearing_deg, distance_nm
from models.vocab.position import Position

START_S = 1_780_000_000.0


@dataclass(frozen=True)
class Craft:
    """How an aircraft moves."""

    lift_off_kt: float
    approach_kt: float
    cruise_kt: float
    cruise_ft: float
    climb_fpm: float
    acceleration: float


JET = Craft(150, 140, 450, 35000, 2200, 3)
LIGHT = Craft(62, 60, 105, 5500, 600, 1.5)


def field(code: str) -> Airport:
    """An airport that must exist."""
    airport = find_airport(code)
    assert airport is not None
    return airport


def move(latitude: float, longitude: float, bearing: float, distance: float) -> tuple[float, float]:
    """The place a distance in nautical miles away."""
    phi, turn, arc = radians(latitude), radians(bearing), distance / EARTH_RADIUS_NM
    there = asin(sin(phi) * cos(arc) + cos(phi) * sin(arc) * cos(turn))
    east = atan2(sin(turn) * sin(arc) * cos(phi), cos(arc) - sin(phi) * sin(there))
    return degrees(there), (longitude + degrees(east) + 180) % 360 - 180


def runway_point(airport: Airport) -> tuple[float, float]:
    """The middle of the first runway."""
    if not airport.runways:
        return airport.latitude, airport.longitude
    (south, west), (north, east) = airport.runways[0]
    return (south + north) / 2, (west + east) / 2


def park(
    code: str, start_s: float, lasted_s: float, *, step_s: float = 5, callsign: str | None = None
) -> list[Position]:
    """Standing half a mile from the runway, transmitting."""
    latitude, longitude = move(*runway_point(field(code)), 200, 0.5)
    count = int(lasted_s // step_s)
    return [
        Position(start_s + i * step_s, latitude, longitude, None, True, 0.0, 90.0, callsign=callsign, source="made")
        for i in range(count)
    ]


def fly(
    origin: str,
    destination: str,
    start_s: float = START_S,
    *,
    craft: Craft = JET,
    step_s: float = 5,
    callsign: str | None = "TST1",
    via_nm: float = 0,
) -> list[Position]:
    """From the first roll to the end of the landing roll. ``via_nm`` adds a straight leg out and back."""
    start, end = field(origin), field(destination)
    from_place, to_place = runway_point(start), runway_point(end)
    total_nm = distance_nm(*from_place, *to_place) + 2 * via_nm
    heading = bearing_deg(*from_place, *to_place) if total_nm > 2 * via_nm + 1 else 270.0
    from_ft, to_ft = start.elevation_ft or 0.0, end.elevation_ft or 0.0
    positions: list[Position] = []
    at_s, gone_nm, speed, altitude, is_rolling, has_landed = start_s, 0.0, 0.0, from_ft, True, False
    while True:
        left_nm = total_nm - gone_nm
        before_ft = altitude
        if has_landed:
            speed -= 4
            altitude = to_ft
        elif is_rolling:
            speed += craft.acceleration
            is_rolling = speed < craft.lift_off_kt
        else:
            limit = 250 if altitude < max(from_ft, to_ft) + 10000 else craft.cruise_kt
            approach = craft.approach_kt + max(0.0, left_nm - 4) * 9
            target = min(craft.cruise_kt, limit, approach)
            speed += max(-1.5, min(1.5, target - speed))
            glide_ft = to_ft + max(0.0, left_nm) * 318
            altitude = min(altitude + craft.climb_fpm / 60, craft.cruise_ft, glide_ft)
            has_landed = left_nm <= 0
        if (at_s - start_s) % step_s == 0:
            on_ground = is_rolling or has_landed
            if via_nm and gone_nm > via_nm:
                latitude, longitude = move(*from_place, heading, max(-1.0, total_nm - gone_nm))
            else:
                latitude, longitude = move(*from_place, heading, gone_nm)
            positions.append(
                Position(
                    at_s,
                    latitude,
                    longitude,
                    None if on_ground else float(round(altitude / 25) * 25),
                    on_ground,
                    round(speed, 1),
                    bearing_deg(latitude, longitude, *to_place) if left_nm > 1 and not via_nm else None,
                    round((altitude - before_ft) * 60),
                    callsign=callsign,
                    source="made",
                )
            )
        if has_landed and speed <= 12:
            return positions
        gone_nm += speed / 3600
        at_s += 1


def until(positions: list[Position], altitude_ft: float) -> list[Position]:
    """The part of a flight until it descends through an altitude for good."""
    last = max(i for i, p in enumerate(positions) if p.altitude_ft is not None and p.altitude_ft >= altitude_ft)
    return positions[: last + 1]


def since(positions: list[Position], altitude_ft: float) -> list[Position]:
    """The part of a flight from when it first climbs through an altitude."""
    first = next(i for i, p in enumerate(positions) if p.altitude_ft is not None and p.altitude_ft >= altitude_ft)
    return positions[first:]


def shift(positions: Iterable[Position], seconds: float) -> list[Position]:
    """The same path at another time."""
    return [p._replace(at_s=p.at_s + seconds) for p in positions]


def thin(positions: Iterable[Position], step_s: float) -> list[Position]:
    """Positions as a poll at a fixed interval would see them."""
    kept: list[Position] = []
    for position in positions:
        if not kept or position.at_s - kept[-1].at_s >= step_s:
            kept.append(position)
    return kept
