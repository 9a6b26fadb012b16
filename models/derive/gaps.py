"""Decide whether an aircraft stopped somewhere while nobody heard it.

A gap in coverage is not a landing. Only a gap much longer than the way across it needs, or one that begins low over a
field, is read as an unseen stop; the rules start from sancha1090's four and from real cases (34718d, c060ba, N703KW).
"""

from collections.abc import Sequence

from models.derive.ends import find_low_field, flight_time_s, is_vertical
from models.derive.measures import apart_nm, height_ft
from models.derive.performance import Performance
from models.derive.unseen import find_stop_field
from models.vocab.position import Position

SHORTEST_GAP_S = 15 * 60
LONGEST_FLIGHT_S = 18 * 3600
"""no aircraft we follow stays up longer"""


def has_unseen_stop(track: Sequence[Position], before: int, after: int, performance: Performance) -> bool:
    """Whether the aircraft landed between two fixes in the air, the last before a gap and the first after it."""
    gap_s = track[after].at_s - track[before].at_s
    if gap_s < SHORTEST_GAP_S:
        return False
    if gap_s > LONGEST_FLIGHT_S:
        return True
    apart = apart_nm(track[before], track[after])
    spare_s = gap_s - flight_time_s(apart, performance)
    if spare_s < performance.turn_round_s:
        return False
    was_low = find_low_field(track, before, performance, is_arrival=True) is not None
    is_low = find_low_field(track, after, performance, is_arrival=False) is not None
    if was_low and is_low:
        return True
    if was_low or is_low:
        return spare_s >= performance.turn_round_s + 300
    if (
        is_vertical(track, before, is_arrival=True)
        and is_vertical(track, after, is_arrival=False)
        and find_stop_field(track, before, after, performance) is not None
    ):
        return spare_s >= performance.turn_round_s + 300
    speed_share = apart / gap_s * 3600 / performance.cruise_kt
    if performance.is_jet:
        was_ending = _is_below(track[before], 10000) and is_vertical(track, before, is_arrival=True)
        is_beginning = _is_below(track[after], 10000) and is_vertical(track, after, is_arrival=False)
        if was_ending or is_beginning:
            return speed_share < 0.5 and spare_s >= (25 if was_ending and is_beginning else 40) * 60
        was_below = _is_below(track[before], 10000) or _is_below(track[after], 10000)
        return speed_share < 0.65 and gap_s >= 3600 and spare_s >= (40 if was_below else 60) * 60
    was_ending = _is_below(track[before], 5000) and is_vertical(track, before, is_arrival=True)
    is_beginning = _is_below(track[after], 5000) and is_vertical(track, after, is_arrival=False)
    if speed_share < 0.4 and (was_ending or is_beginning):
        return spare_s >= (35 if was_ending and is_beginning else 60) * 60
    return speed_share < 0.5 and gap_s >= 2 * 3600 and spare_s >= 90 * 60


def _is_below(position: Position, limit_ft: float) -> bool:
    height = height_ft(position)
    return height is not None and height < limit_ft
