"""Height, distance and speed of positions, with the corrections that raw values need."""

from collections.abc import Sequence

from models.vocab.airport import ground_elevation_ft
from models.vocab.geodesy import distance_nm
from models.vocab.position import Position

STANDARD_QNH_HPA = 1013.25
FEET_PER_HPA = 27.3
DENSE_S = 40


def correct_altitude(position: Position) -> float | None:
    """Altitude above sea level: barometric, corrected for the pressure the crew had set where that is known."""
    if position.altitude_ft is None:
        return None
    if position.qnh_hpa is None or position.altitude_is_geometric or not 940 < position.qnh_hpa < 1060:
        return position.altitude_ft
    return position.altitude_ft + (position.qnh_hpa - STANDARD_QNH_HPA) * FEET_PER_HPA


def height_ft(position: Position) -> float | None:
    """Height above the fields nearby; above the sea where there is no field."""
    altitude = correct_altitude(position)
    if altitude is None:
        return None
    if altitude > 25000:
        return altitude - 1000  # only its order of magnitude matters up here
    return altitude - (ground_elevation_ft(position.latitude, position.longitude) or 0)


def apart_nm(one: Position, other: Position) -> float:
    """Distance between two positions."""
    return distance_nm(one.latitude, one.longitude, other.latitude, other.longitude)


def speed_kt(track: Sequence[Position], index: int) -> float | None:
    """Ground speed as sent, unless it is missing or the aircraft demonstrably did not move: then from the positions."""
    sent = track[index].ground_speed_kt
    if sent is not None and sent < 50:
        return sent
    moved, is_dense = _moved_kt(track, index)
    if sent is None:
        return moved
    if moved is None:
        return sent
    return moved if moved < (sent / 2 - 10 if is_dense else sent / 8) else sent


def _moved_kt(track: Sequence[Position], index: int) -> tuple[float | None, bool]:
    """Speed between the neighbours at least 8 s before and after, and whether they are so near that it is exact.

    Over more than 40 s an aircraft may have flown a circle, so the way along all points counts; None beyond 5 min.
    """
    here = track[index].at_s
    before = after = index
    while before > 0 and here - track[before].at_s < 8:
        before -= 1
    while after < len(track) - 1 and track[after].at_s - here < 8:
        after += 1
    lasted_s = track[after].at_s - track[before].at_s
    if not 8 <= lasted_s <= 300:
        return None, False
    if lasted_s <= DENSE_S:
        return apart_nm(track[before], track[after]) / lasted_s * 3600, True
    way_nm = sum(apart_nm(track[i], track[i + 1]) for i in range(before, after))
    return way_nm / lasted_s * 3600, False
