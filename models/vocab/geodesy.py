"""Distances and bearings on the globe, in nautical miles and degrees, quick enough to run per position."""

from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt

EARTH_RADIUS_NM = 3440.065


def distance_nm(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance between two points."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    half_chord = (
        sin((other_phi - phi) / 2) ** 2 + cos(phi) * cos(other_phi) * sin(radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_NM * asin(min(1.0, sqrt(half_chord)))


def bearing_deg(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Initial bearing from the first point to the second, 0 to 360, true north."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    turn = radians(other_longitude - longitude)
    east = sin(turn) * cos(other_phi)
    north = cos(phi) * sin(other_phi) - sin(phi) * cos(other_phi) * cos(turn)
    return degrees(atan2(east, north)) % 360


def angle_between_deg(one: float, other: float) -> float:
    """The smaller angle between two directions, 0 to 180."""
    return abs((one - other + 180) % 360 - 180)


def distance_to_segment_nm(
    latitude: float, longitude: float, start: tuple[float, float], end: tuple[float, float]
) -> float:
    """Distance from a point to a short line such as a runway, whose ends are (latitude, longitude).

    Works on the local tangent plane: good to a few metres for lines of some miles, wrong across continents.
    """
    scale = cos(radians(latitude))

    def to_plane(point: tuple[float, float]) -> tuple[float, float]:
        return ((point[1] - longitude + 180) % 360 - 180) * 60 * scale, (point[0] - latitude) * 60

    (x1, y1), (x2, y2) = to_plane(start), to_plane(end)
    dx, dy = x2 - x1, y2 - y1
    length_squared = dx * dx + dy * dy
    along = 0.0 if length_squared == 0 else max(0.0, min(1.0, -(x1 * dx + y1 * dy) / length_squared))
    return hypot(x1 + along * dx, y1 + along * dy)
