"""Height, distance and speed of positions, with the corrections that raw values need."""

from collections.abc import Sequence
from math import cos, radians

from models.vocab.airport import ground_elevation_ft
from models.vocab.geodesy import distance_nm
from models.vocab.position import Position

STANDARD_QNH_HPA = 1013.25
FEET_PER_HPA = 27.3
DENSE_S = 40
LONGEST_DEGREE_NM = 60.05


def correct_altitude(position: Position) -> float | None:
    """Altitude above sea level: barometric, corrected for the pressure the crew had set where that is known."""
    if position.altitude_ft is None:
        return None
    if position.qnh_hpa is None or position.altitude_is_geometric or not 940 < position.qnh_hpa < 1060:
        return position.altitude_ft
    return position.altitude_ft + (position.qnh_hpa - STANDARD_QNH_HPA) * FEET_PER_HPA


def height_ft(position: Position) -> float | None:
    """Height above the fields nearby; above the sea where there is no field."""
    altitude = position.altitude_ft if position.qnh_hpa is None else correct_altitude(position)
    if altitude is None:
        return None
    if altitude > 25000:
        return altitude - 1000  # only its order of magnitude matters up here
    return altitude - (ground_elevation_ft(position.latitude, position.longitude) or 0)


def apart_nm(one: Position, other: Position) -> float:
    """Distance between two positions."""
    return distance_nm(one.latitude, one.longitude, other.latitude, other.longitude)


def apart_at_most_nm(one: Position, other: Position) -> float:
    """A distance never below the real one and quickly measured: along a meridian, then along a parallel."""
    return LONGEST_DEGREE_NM * (abs(one.latitude - other.latitude) + abs(one.longitude - other.longitude))


def speed_kt(track: Sequence[Position], index: int) -> float | None:
    """Ground speed as sent, unless it is missing or the aircraft demonstrably did not move: then from the positions."""
    sent = track[index].ground_speed_kt
    if sent is not None and sent < 50:
        return sent
    before, after = _find_neighbours(track, index)
    lasted_s = track[after].at_s - track[before].at_s
    if not 8 <= lasted_s <= 300:
        return sent
    is_dense = lasted_s <= DENSE_S
    if sent is not None:
        stuck_kt = sent / 2 - 10 if is_dense else sent / 8
        if _is_surely_apart(track[before], track[after], stuck_kt * lasted_s / 3600):
            return sent
    if is_dense:
        moved = apart_nm(track[before], track[after]) / lasted_s * 3600
    else:
        # Meanwhile it may have flown a circle, so the way along all points counts.
        moved = sum(apart_nm(track[i], track[i + 1]) for i in range(before, after)) / lasted_s * 3600
    return moved if sent is None or moved < stuck_kt else sent


def _is_surely_apart(one: Position, other: Position, least_nm: float) -> bool:
    """Whether two positions are farther apart than a distance, told by latitude alone or by a rough measure."""
    north = abs(one.latitude - other.latitude) * 60
    if north >= least_nm:
        return True
    if abs(one.latitude) > 60 or least_nm > 100:
        return False
    east = abs(one.longitude - other.longitude) * 60 * cos(radians(one.latitude))
    return east < 200 and north * north + east * east > 1.1 * least_nm * least_nm


def _find_neighbours(track: Sequence[Position], index: int) -> tuple[int, int]:
    """The nearest positions at least 8 s before and after, or else the first and last."""
    here = track[index].at_s
    before = after = index
    while before > 0 and here - track[before].at_s < 8:
        before -= 1
    while after < len(track) - 1 and track[after].at_s - here < 8:
        after += 1
    return before, after
