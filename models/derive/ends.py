"""Say at which field a leg began or ended, and on what evidence; "nearest airport" alone is never an answer."""

from collections.abc import Sequence

from models.derive.fields import Field, can_use, choose_field, is_aligned, measure_field
from models.derive.measures import correct_altitude
from models.derive.performance import AircraftKind, Performance
from models.vocab.airport import Airport, airports_near, ground_elevation_ft
from models.vocab.geodesy import angle_between_deg, bearing_deg, distance_nm
from models.vocab.position import Position

LOW_RADIUS_NM, LOW_HEIGHT_FT = 5, 1500
DESCENT_RADIUS_NM, DESCENT_HEIGHT_FT = 30, 10000
TWIN_FIELD_NM = 3.5
"""so near to each other as Biggs and El Paso, two long runways cannot be told apart from miles away"""
LARGE_FIELD_NM = 3
"""how much worse a large field may fit than a smaller one and still be as likely"""
DESCENT_FT_PER_NM, CLIMB_FT_PER_NM = 318, 500
"""three degrees of glide; a jet's climb"""
ALIGNED_NM, STRIP_NM = 1.5, 1.5
"""how many miles nearer a field counts whose runway the aircraft is in line with, and how many farther a bare strip"""
LEVEL_FPM = 250
"""a slower climb or descent is level flight"""
TREND_S = 150


def find_low_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The field an aircraft lost low in descent was about to touch, or one first seen low in climb had just left."""
    place = track[index]
    is_moving = is_vertical(track, index, is_arrival=is_arrival)
    has_aligned = False
    fields = []
    for near in airports_near(place.latitude, place.longitude, LOW_RADIUS_NM + 2):
        if not can_use(near.airport, performance.least_runway_ft):
            continue
        height = _height_over(near.airport, place)
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
    is_over = fields[0].distance_nm < 0.7 and (_height_over(fields[0].airport, place) or 0) < 600
    return choose_field(fields, clear_nm=0.3 if is_over else 1.0 if has_aligned else 2.0)


def find_descent_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The one field that fits an aircraft lost below 10,000 ft in descent, or first seen there in climb."""
    place = track[index]
    if not is_vertical(track, index, is_arrival=is_arrival):
        return None
    radius_nm = DESCENT_RADIUS_NM if performance.is_jet else 8
    most_ft = DESCENT_HEIGHT_FT if performance.is_jet else 3000
    fields = []
    for near in airports_near(place.latitude, place.longitude, radius_nm + 2):
        if not can_use(near.airport, performance.least_runway_ft) or near.airport.longest_runway_ft is None:
            continue
        height = _height_over(near.airport, place)
        field = measure_field(near, place)
        if height is None or not -500 < height < most_ft or field.distance_nm > radius_nm:
            continue
        # Within 15 nm an aircraft may be on any leg of its approach, or turn out in any direction.
        if field.distance_nm > 15 and not points_at(field.airport, place, is_arrival=is_arrival, within_deg=75):
            continue
        # An aircraft at 6,000 ft has 19 miles of approach before it: a field five miles off is rather flown past.
        path_nm = max(0.0, height) / (DESCENT_FT_PER_NM if is_arrival else CLIMB_FT_PER_NM)
        short_nm = path_nm - field.distance_nm
        fields.append(field._replace(misfit=0.5 * short_nm if short_nm > 0 else -0.8 * short_nm))
    fields.sort(key=lambda field: field.misfit)
    if not performance.is_jet:
        return choose_field(fields, clear_nm=3) if fields else None
    return _choose_unseen(fields, performance)


def _choose_unseen(fields: list[Field], performance: Performance) -> Airport | None:
    """Of the fields a jet may have gone to unseen, the one with airline service; None if it may as well be another."""
    served = sorted(
        (
            field._replace(misfit=field.misfit - (LARGE_FIELD_NM if field.airport.kind == "large" else 0))
            for field in fields
            if field.airport.is_scheduled or field.airport.kind == "large"
        ),
        key=lambda field: field.misfit,
    )
    others = [field for field in fields if not (field.airport.is_scheduled or field.airport.kind == "large")]
    if not served:
        is_small_jet = performance.kind is not AircraftKind.AIRLINER
        return choose_field(others, clear_nm=4) if others and is_small_jet and others[0].misfit <= 5 else None
    best = choose_field(served, clear_nm=3)
    if best is None:
        return None
    for other in others:
        apart_nm = distance_nm(best.latitude, best.longitude, other.airport.latitude, other.airport.longitude)
        if apart_nm < TWIN_FIELD_NM and (other.airport.longest_runway_ft or 0) >= 8000:
            return None
        if performance.kind is not AircraftKind.AIRLINER and other.misfit < served[0].misfit - 1:
            return None
    return best


def trend_fpm(track: Sequence[Position], index: int, *, is_arrival: bool) -> float | None:
    """Climb (positive) or descent before the last point, or after the first one, over up to 150 s."""
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


def is_vertical(track: Sequence[Position], index: int, *, is_arrival: bool) -> bool:
    """Whether the aircraft was coming down before a point, or going up after it."""
    trend = trend_fpm(track, index, is_arrival=is_arrival)
    if trend is None:
        return False
    return trend < -LEVEL_FPM if is_arrival else trend > LEVEL_FPM


def _height_over(airport: Airport, place: Position) -> float | None:
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
    height = max(0.0, _height_over(airport, fix) or 0.0)
    by_height_s = height / performance.climb_fpm * 60
    speed = fix.ground_speed_kt or performance.lift_off_kt * 1.4
    by_distance_s = min(away_nm, 15) / max(performance.lift_off_kt, min(speed, 240)) * 3600
    if away_nm > 15:
        by_distance_s += flight_time_s(away_nm - 15, performance)
    return max(by_distance_s, by_height_s)


def points_at(airport: Airport, fix: Position, *, is_arrival: bool, within_deg: float) -> bool:
    """Whether it flies towards the field (arrival) or away from it (departure); true when its track is unknown."""
    if fix.track_deg is None:
        return True
    to_field = bearing_deg(fix.latitude, fix.longitude, airport.latitude, airport.longitude)
    return angle_between_deg(fix.track_deg, to_field if is_arrival else to_field + 180) <= within_deg


def direct_from(airport: Airport, fix: Position, performance: Performance) -> float:
    """Least flying time in seconds between a field and a fix."""
    return flight_time_s(airport.field_distance_nm(fix.latitude, fix.longitude), performance)
