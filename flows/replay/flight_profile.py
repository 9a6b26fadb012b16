"""Makes positions for a flight of which only the times are known: great circle, plausible climb, cruise and descent.

Everything made here is marked as interpolated wherever it is stored, served or shown. Speeds and rates are those of an
airliner of the A320/B737 size; winds are not modelled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import asin, atan2, cos, degrees, radians, sin

from models.vocab.airport import Airport
from models.vocab.geodesy import EARTH_RADIUS_NM, angle_between_deg, bearing_deg, distance_nm

STEP_S = 5
"""integration step"""
ROLL_S = 35
"""seconds from standstill to lift-off, and from touchdown to taxi speed"""
LIFT_OFF_KT, TOUCHDOWN_KT, TAXI_KT = 145.0, 135.0, 15.0
CLIMB_FPM = ((10_000, 2200), (24_000, 1700), (45_000, 1000))
"""climb rate below each altitude"""
DESCENT_FPM, STEEPEST_FPM = 1700, 2600
FINAL_NM, FINAL_FT_PER_NM = 8.0, 318.0
"""a final approach of three degrees"""
CRUISE_FT, CRUISE_KT = 34_000, 445.0
PARKED_S = 300
"""how long the aircraft is seen on the ground before and after"""
QNH_HPA = 1013.2
KNOTS_TO_NM_PER_S = 1 / 3600

Row = list[object]
Point = tuple[float, float]


@dataclass(frozen=True)
class Waypoint:
    """One step of a flight: seconds since standstill on the departure runway."""

    at_s: float
    latitude: float
    longitude: float
    altitude_ft: float
    on_ground: bool
    speed_kt: float
    track_deg: float
    rate_fpm: float


def choose_runway(airport: Airport, course_deg: float) -> tuple[Point, Point]:
    """The runway, and its direction, that points most nearly along a course: (begin, end)."""
    directed = [ends for runway in airport.runways for ends in (runway, runway[::-1])]
    if not directed:
        raise ValueError(f"{airport.id} has no runway of which the thresholds are known")
    return min(directed, key=lambda ends: angle_between_deg(bearing_deg(*ends[0], *ends[1]), course_deg))


def travel(start: Point, course_deg: float, length_nm: float) -> Point:
    """The point reached from ``start`` along a great circle."""
    angle, course = length_nm / EARTH_RADIUS_NM, radians(course_deg)
    latitude, longitude = radians(start[0]), radians(start[1])
    sine = sin(latitude) * cos(angle) + cos(latitude) * sin(angle) * cos(course)
    turn = atan2(sin(course) * sin(angle) * cos(latitude), cos(angle) - sin(latitude) * sine)
    return degrees(asin(sine)), (degrees(longitude + turn) + 540) % 360 - 180


def fly(departure: Airport, arrival: Airport) -> list[Waypoint]:
    """Every STEP_S seconds of a flight from standstill on one runway to taxi speed on the other."""
    course = bearing_deg(departure.latitude, departure.longitude, arrival.latitude, arrival.longitude)
    inbound = (bearing_deg(arrival.latitude, arrival.longitude, departure.latitude, departure.longitude) + 180) % 360
    begin, begin_end = choose_runway(departure, course)
    threshold, threshold_end = choose_runway(arrival, inbound)
    heading, landing_heading = bearing_deg(*begin, *begin_end), bearing_deg(*threshold, *threshold_end)
    final = travel(threshold, landing_heading + 180, FINAL_NM)
    origin_ft, field_ft = departure.elevation_ft or 0.0, arrival.elevation_ft or 0.0

    roll = list(_roll(begin, heading, origin_ft, 0.0, LIFT_OFF_KT))
    lifted = roll[-1]
    turn = travel((lifted.latitude, lifted.longitude), heading, 3.0)
    legs = [((lifted.latitude, lifted.longitude), turn), (turn, final), (final, threshold)]
    flown = list(_fly_legs(legs, lifted, field_ft))
    touched = flown[-1]
    return [*roll, *flown, *_roll(threshold, landing_heading, field_ft, touched.at_s, TAXI_KT, TOUCHDOWN_KT)]


def _roll(
    start: Point, heading: float, elevation_ft: float, from_s: float, to_kt: float, from_kt: float = 0.0
) -> Iterator[Waypoint]:
    gone_nm = 0.0
    for second in range(0, ROLL_S + 1, STEP_S):
        speed = from_kt + (to_kt - from_kt) * second / ROLL_S
        latitude, longitude = travel(start, heading, gone_nm)
        yield Waypoint(from_s + second, latitude, longitude, elevation_ft, True, speed, heading, 0.0)
        gone_nm += speed * STEP_S * KNOTS_TO_NM_PER_S


def _fly_legs(legs: list[tuple[Point, Point]], lifted: Waypoint, field_ft: float) -> Iterator[Waypoint]:
    lengths = [distance_nm(*start, *end) for start, end in legs]
    total_nm, gone_nm, altitude, at_s = sum(lengths), 0.0, lifted.altitude_ft, lifted.at_s
    while True:
        left_nm = total_nm - gone_nm
        speed = _speed_kt(altitude, left_nm)
        ceiling = _highest_ft(left_nm, speed, field_ft)
        climbed = min(altitude + _climb_fpm(altitude) * STEP_S / 60, CRUISE_FT, ceiling)
        climbed = max(climbed, altitude - STEEPEST_FPM * STEP_S / 60)
        rate = (climbed - altitude) * 60 / STEP_S
        altitude, at_s = climbed, at_s + STEP_S
        gone_nm += speed * STEP_S * KNOTS_TO_NM_PER_S
        if gone_nm >= total_nm:
            yield Waypoint(
                at_s, *legs[-1][1], field_ft, True, TOUCHDOWN_KT, bearing_deg(*legs[-1][0], *legs[-1][1]), 0.0
            )
            return
        (latitude, longitude), track = _locate(legs, lengths, gone_nm)
        yield Waypoint(at_s, latitude, longitude, altitude, False, speed, track, rate)


def _locate(legs: list[tuple[Point, Point]], lengths: list[float], gone_nm: float) -> tuple[Point, float]:
    for (start, end), length in zip(legs, lengths, strict=True):
        if gone_nm <= length:
            point = travel(start, bearing_deg(*start, *end), gone_nm)
            return point, bearing_deg(*point, *end)
        gone_nm -= length
    raise ValueError("beyond the end of the flight")


def _climb_fpm(altitude_ft: float) -> float:
    return next((rate for below, rate in CLIMB_FPM if altitude_ft < below), 0)


def _speed_kt(altitude_ft: float, left_nm: float) -> float:
    by_altitude = LIFT_OFF_KT + (250 - LIFT_OFF_KT) * min(1.0, altitude_ft / 5_000)
    if altitude_ft > 10_000:
        by_altitude = 290 + (CRUISE_KT - 290) * min(1.0, (altitude_ft - 10_000) / (CRUISE_FT - 10_000))
    near_field = TOUCHDOWN_KT + (250 - TOUCHDOWN_KT) * min(1.0, left_nm / 20)
    return min(by_altitude, near_field) if left_nm < 20 else by_altitude


def _highest_ft(left_nm: float, speed_kt: float, field_ft: float) -> float:
    """The descent path: three degrees on final, before that DESCENT_FPM at the speed flown."""
    if left_nm <= FINAL_NM:
        return field_ft + left_nm * FINAL_FT_PER_NM
    feet_per_nm = DESCENT_FPM * 60 / max(speed_kt, 250.0)
    return field_ft + FINAL_NM * FINAL_FT_PER_NM + (left_nm - FINAL_NM) * feet_per_nm
