"""Say at which field a leg began or ended, and on what evidence; "nearest airport" alone is never an answer."""

from collections.abc import Sequence
from functools import lru_cache

from models.derive.fields import can_use, choose_field, is_aligned, measure_field
from models.derive.measures import correct_altitude
from models.derive.performance import Performance
from models.vocab.airport import Airport, airports_near, ground_elevation_ft
from models.vocab.geodesy import angle_between_deg, bearing_deg
from models.vocab.position import Position

LOW_RADIUS_NM, LOW_HEIGHT_FT = 5, 1500
DESCENT_FT_PER_NM, CLIMB_FT_PER_NM = 318, 500
"""three degrees of glide; a jet's climb"""
ALIGNED_NM, STRIP_NM = 1.5, 1.5
"""how many miles nearer a field counts whose runway the aircraft is in line with, and how many farther a bare strip"""
ABOVE_ALL_FIELDS_FT = 16000
LEVEL_FPM = 250
"""a slower climb or descent is level flight"""
TREND_S = 150


def find_low_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The field an aircraft lost low in descent was about to touch, or one first seen low in climb had just left."""
    is_moving = is_vertical(track, index, is_arrival=is_arrival)
    return _find_low_field(track[index], performance, is_arrival=is_arrival, is_moving=is_moving)


@lru_cache(maxsize=16)
def _find_low_field(place: Position, performance: Performance, *, is_arrival: bool, is_moving: bool) -> Airport | None:
    # The same few fixes are asked about again while one track is read.
    altitude = correct_altitude(place)
    if altitude is None or altitude > ABOVE_ALL_FIELDS_FT + LOW_HEIGHT_FT:
        return None
    has_aligned = False
    fields = []
    for near in airports_near(place.latitude, place.longitude, LOW_RADIUS_NM + 2, performance.least_runway_ft):
        if not can_use(near.airport, performance.least_runway_ft):
            continue
        height = height_over(near.airport, place)
        field = measure_field(near, place)
        if (
            height is None
            or height > (LOW_HEIGHT_FT if performance.is_jet else 1000)
            or field.distance_nm > LOW_RADIUS_NM
        ):
            continue
        if field.distance_nm > 1.5 and not points_at(field.airport, place, is_arrival=is_arrival, within_deg=35):
            continue
        if not is_moving and not (height < 400 and field.distance_nm < 1.5):
            continue
        if not performance.is_jet and field.distance_nm > 3:
            continue
        path_nm = max(0.0, height) / (DESCENT_FT_PER_NM if is_arrival else CLIMB_FT_PER_NM)
        field = field._replace(misfit=field.misfit + 0.5 * max(0.0, path_nm - field.distance_nm))
        if is_aligned(field.airport, place):
            field = field._replace(misfit=field.misfit - ALIGNED_NM)
            has_aligned = True
        if field.airport.longest_runway_ft is None:
            # Private strips are everywhere; being low near one says little.
            field = field._replace(misfit=field.misfit + STRIP_NM)
        fields.append(field)
    if not fields:
        return None
    fields.sort(key=lambda field: field.misfit)
    is_over = fields[0].distance_nm < 0.7 and (height_over(fields[0].airport, place) or 0) < 600
    return choose_field(fields, clear_nm=0.3 if is_over else 1.0 if has_aligned else 2.0)


def trend_fpm(track: Sequence[Position], index: int, *, is_arrival: bool) -> float | None:
    """Climb (positive) or descent before the last point, or after the first one, over up to 150 s."""
    step = -1 if is_arrival else 1
    here, at_s = correct_altitude(track[index]), track[index].at_s
    sent = track[index].vertical_rate_fpm
    if here is None:
        return sent
    other = index
    while 0 <= other + step < len(track) and abs(track[other + step].at_s - at_s) <= TREND_S:
        other += step
    while other != index:
        altitude = correct_altitude(track[other])
        lasted_s = abs(track[other].at_s - at_s)
        if altitude is not None and lasted_s >= 10:
            return (here - altitude) / lasted_s * 60 * (1 if is_arrival else -1)
        other -= step
    return sent


def is_vertical(track: Sequence[Position], index: int, *, is_arrival: bool) -> bool:
    """Whether the aircraft was coming down before a point, or going up after it."""
    trend = trend_fpm(track, index, is_arrival=is_arrival)
    if trend is None:
        return False
    return trend < -LEVEL_FPM if is_arrival else trend > LEVEL_FPM


def height_over(airport: Airport, place: Position) -> float | None:
    """Height above a field."""
    altitude = correct_altitude(place)
    if altitude is None:
        return None
    elevation = airport.elevation_ft
    if elevation is None:
        elevation = ground_elevation_ft(airport.latitude, airport.longitude)
    return altitude - (elevation or 0)


def flight_time_s(distance_nm: float, performance: Performance) -> float:
    """Least time to fly a distance: slow within 30 nm of a field, then at cruise."""
    slow_nm = min(30.0, distance_nm)
    slow_kt = max(performance.lift_off_kt * 1.1, performance.cruise_kt * 0.6)
    return (slow_nm / slow_kt + (distance_nm - slow_nm) / performance.cruise_kt) * 3600


def estimate_touch_s(fix: Position, airport: Airport, performance: Performance) -> float:
    """Seconds between a fix in the air and the runway, by distance or by height, whichever takes longer."""
    away_nm = airport.field_distance_nm(fix.latitude, fix.longitude)
    height = max(0.0, height_over(airport, fix) or 0.0)
    by_height_s = height / performance.climb_fpm * 60
    speed = fix.ground_speed_kt or performance.lift_off_kt * 1.4
    by_distance_s = min(away_nm, 15) / max(performance.lift_off_kt, min(speed, 240)) * 3600
    if away_nm > 15:
        by_distance_s += flight_time_s(away_nm - 15, performance)
    return max(by_distance_s, by_height_s)


def points_at(airport: Airport, fix: Position, *, is_arrival: bool, within_deg: float) -> bool:
    """Whether it flies towards the field (arrival) or away from it (departure); true when its track is unknown."""
    return off_course_deg(airport, fix, is_arrival=is_arrival) <= within_deg


def off_course_deg(airport: Airport, fix: Position, *, is_arrival: bool) -> float:
    """How far its course is from leading to the field (arrival) or from it (departure); 0 when its track is unknown."""
    if fix.track_deg is None:
        return 0.0
    to_field = bearing_deg(fix.latitude, fix.longitude, airport.latitude, airport.longitude)
    return angle_between_deg(fix.track_deg, to_field if is_arrival else to_field + 180)


def direct_from(airport: Airport, fix: Position, performance: Performance) -> float:
    """Least flying time in seconds between a field and a fix."""
    return flight_time_s(airport.field_distance_nm(fix.latitude, fix.longitude), performance)
