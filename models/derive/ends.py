"""Say at which field a leg began or ended, and on what evidence; "nearest airport" without evidence is never an answer."""

from collections.abc import Sequence
from typing import NamedTuple

from models.derive.performance import Performance
from models.derive.phases import apart_nm, correct_altitude
from models.vocab.airport import Airport, NearAirport, airports_near
from models.vocab.geodesy import angle_between_deg, bearing_deg
from models.vocab.position import Position

GROUND_RADIUS_NM = 6
LOW_RADIUS_NM, LOW_HEIGHT_FT = 5, 1500
DESCENT_RADIUS_NM, DESCENT_HEIGHT_FT = 30, 10000
LEVEL_FPM = 250
"""a slower climb or descent is level flight"""
TREND_S = 150


class Field(NamedTuple):
    """A candidate field: how far its runways are, and how ill it fits (smaller is better)."""

    airport: Airport
    distance_nm: float
    misfit: float


def can_use(airport: Airport, runway_ft: int) -> bool:
    """Whether an aircraft that needs this length of runway may be assumed to use the field."""
    if airport.kind in ("heliport", "seaplane", "closed"):
        return False
    return runway_ft == 0 or (airport.longest_runway_ft or 0) >= runway_ft


def find_ground_field(place: Position, performance: Performance) -> Airport | None:
    """The field an aircraft seen rolling or standing at this place is on; None where no field fits or two fit as well."""
    nearby = airports_near(place.latitude, place.longitude, GROUND_RADIUS_NM)
    for runway_ft in dict.fromkeys((performance.least_runway_ft, performance.least_runway_seen_ft)):
        fields = sorted(
            (_measure(near, place) for near in nearby if can_use(near.airport, runway_ft)),
            key=lambda field: field.misfit,
        )
        # Aprons reach a mile beyond the runways; at a field without known runways only its centre is known.
        fields = [field for field in fields if field.distance_nm <= (2.0 if field.airport.runways else 1.5)]
        if fields:
            return _choose(fields, clear_nm=0.15)
    return None


def find_low_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The field an aircraft lost low in descent was about to touch, or one first seen low in climb had just left."""
    place = track[index]
    trend = trend_fpm(track, index, is_arrival=is_arrival)
    fields = []
    for near in airports_near(place.latitude, place.longitude, LOW_RADIUS_NM + 2):
        if not can_use(near.airport, performance.least_runway_ft):
            continue
        height = _height_over(near.airport, place)
        field = _measure(near, place)
        if (
            height is None
            or height > (LOW_HEIGHT_FT if performance.is_jet else 1000)
            or field.distance_nm > LOW_RADIUS_NM
        ):
            continue
        # Three degrees of glide are 318 ft a mile: what is much lower for its distance was not going there.
        if field.distance_nm > 1.5 and not _points_at(field, place, is_arrival=is_arrival, within_deg=35):
            continue
        if not _is_vertical(trend, is_arrival=is_arrival) and not (height < 400 and field.distance_nm < 1.5):
            continue
        if not performance.is_jet and field.distance_nm > 3:
            continue
        fields.append(field)
    return _choose(sorted(fields, key=lambda field: field.misfit), clear_nm=0.5) if fields else None


def find_descent_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The one field that fits an aircraft lost below 10,000 ft in descent, or first seen there in climb."""
    place = track[index]
    if not _is_vertical(trend_fpm(track, index, is_arrival=is_arrival), is_arrival=is_arrival):
        return None
    radius_nm = DESCENT_RADIUS_NM if performance.is_jet else 8
    most_ft = DESCENT_HEIGHT_FT if performance.is_jet else 3000
    fields = []
    for near in airports_near(place.latitude, place.longitude, radius_nm + 2):
        if not can_use(near.airport, performance.least_runway_ft):
            continue
        height = _height_over(near.airport, place)
        field = _measure(near, place)
        if height is None or not -500 < height < most_ft or field.distance_nm > radius_nm:
            continue
        if field.distance_nm > 8 and not _points_at(field, place, is_arrival=is_arrival, within_deg=75):
            continue
        # A field much nearer than a steep approach needs is flown past, not landed on.
        needed_nm = height / 700
        too_steep_nm = max(0.0, needed_nm - field.distance_nm)
        size = {"large": -9.0, "medium": -2.0}.get(field.airport.kind, 0.0) - (
            4.0 if field.airport.is_scheduled else 0.0
        )
        fields.append(field._replace(misfit=field.distance_nm + 3 * too_steep_nm + (size if performance.is_jet else 0)))
    return _choose(sorted(fields, key=lambda field: field.misfit), clear_nm=3) if fields else None


def trend_fpm(track: Sequence[Position], index: int, *, is_arrival: bool) -> float | None:
    """Climb (positive) or descent before the last point, or after the first one, over up to 150 s; None when unknown."""
    step = -1 if is_arrival else 1
    here = correct_altitude(track[index])
    sent = track[index].vertical_rate_fpm
    other = index + step
    best: float | None = None
    while here is not None and 0 <= other < len(track) and abs(track[other].at_s - track[index].at_s) <= TREND_S:
        altitude = correct_altitude(track[other])
        lasted_s = abs(track[other].at_s - track[index].at_s)
        if altitude is not None and lasted_s >= 10:
            best = (here - altitude) / lasted_s * 60 * (1 if is_arrival else -1)
        other += step
    return best if best is not None else sent


def _is_vertical(trend: float | None, *, is_arrival: bool) -> bool:
    if trend is None:
        return False
    return trend < -LEVEL_FPM if is_arrival else trend > LEVEL_FPM


def _height_over(airport: Airport, place: Position) -> float | None:
    altitude = correct_altitude(place)
    return None if altitude is None else altitude - (airport.elevation_ft or 0)


def _measure(near: NearAirport, place: Position) -> Field:
    airport = near.airport
    distance = airport.field_distance_nm(place.latitude, place.longitude)
    bonus = 0.3 * (airport.kind in ("large", "medium")) + 0.2 * airport.is_scheduled + 0.1 * bool(airport.runways)
    return Field(airport, distance, distance - bonus + 0.05 * near.distance_nm)


def _points_at(field: Field, place: Position, *, is_arrival: bool, within_deg: float) -> bool:
    """Whether the aircraft flies towards the field (arrival) or away from it (departure); true when its track is unknown."""
    if place.track_deg is None:
        return True
    to_field = bearing_deg(place.latitude, place.longitude, field.airport.latitude, field.airport.longitude)
    return angle_between_deg(place.track_deg, to_field if is_arrival else to_field + 180) <= within_deg


def _choose(fields: list[Field], clear_nm: float) -> Airport | None:
    """The best field, if it is clearly better than the next one."""
    if len(fields) > 1 and fields[1].misfit - fields[0].misfit < clear_nm and not _same_place(fields[0], fields[1]):
        return None
    return fields[0].airport


def _same_place(one: Field, other: Field) -> bool:
    # One field may be listed under two codes.
    return (
        abs(one.airport.latitude - other.airport.latitude) + abs(one.airport.longitude - other.airport.longitude)
        < 0.015
    )


def flight_time_s(distance_nm: float, performance: Performance) -> float:
    """Least time to fly a distance: slow within 30 nm of a field, then at cruise."""
    slow_nm = min(30.0, distance_nm)
    slow_kt = max(performance.lift_off_kt * 1.1, performance.cruise_kt * 0.6)
    return (slow_nm / slow_kt + (distance_nm - slow_nm) / performance.cruise_kt) * 3600


def estimate_touch_s(fix: Position, airport: Airport, performance: Performance) -> float:
    """Seconds between a fix in the air and the runway: by distance at approach speed or by height, whichever takes longer."""
    away_nm = airport.field_distance_nm(fix.latitude, fix.longitude)
    height = max(0.0, _height_over(airport, fix) or 0.0)
    by_height_s = height / performance.climb_fpm * 60
    speed = fix.ground_speed_kt or performance.lift_off_kt * 1.4
    by_distance_s = away_nm / max(performance.lift_off_kt, min(speed, 240)) * 3600
    return max(by_distance_s, by_height_s)


def direct_from(airport: Airport, fix: Position, performance: Performance) -> float:
    """Least flying time in seconds between a field and a fix."""
    return flight_time_s(airport.field_distance_nm(fix.latitude, fix.longitude), performance)


__all__ = [
    "Field",
    "apart_nm",
    "can_use",
    "direct_from",
    "estimate_touch_s",
    "find_descent_field",
    "find_ground_field",
    "find_low_field",
    "flight_time_s",
    "trend_fpm",
]
