"""Clean the positions of one aircraft: in order, without repeats, stale points, spoofed places and impossible times."""

from collections.abc import Iterable
from math import isfinite

from models.vocab.geodesy import distance_nm
from models.vocab.position import Position
from models.vocab.trace import order_key

FASTEST_KT = 700
"""no airliner flies faster over ground; the strongest jet streams stay below"""
POSITION_ERROR_NM = 0.6
"""two receivers may time the same flight a few seconds apart"""
LOOK_BACK = 40
"""how many runs of agreeing points a later run may follow, when places contradict each other"""


def clean_track(positions: Iterable[Position]) -> list[Position]:
    """Positions fit for timing: the largest set that one aircraft can have flown. The order of the input does not matter."""
    return drop_impossible(drop_repeats(sorted((p for p in positions if _is_usable(p)), key=order_key)))


def _is_usable(position: Position) -> bool:
    return (
        not position.is_stale
        and isfinite(position.at_s)
        and -90 <= position.latitude <= 90
        and -180 <= position.longitude <= 180
        and not (abs(position.latitude) < 0.01 and abs(position.longitude) < 0.01)  # an empty position message
    )


def drop_repeats(track: list[Position]) -> list[Position]:
    """One position for each half second: where several sources speak at once, the one that says most."""
    kept: list[Position] = []
    for position in track:
        if kept and position.at_s - kept[-1].at_s < 0.5:
            if _said(position) > _said(kept[-1]):
                kept[-1] = position
        else:
            kept.append(position)
    return kept


def _said(position: Position) -> int:
    return sum(
        value is not None
        for value in (position.altitude_ft, position.on_ground, position.ground_speed_kt, position.callsign)
    )


def can_follow(earlier: Position, later: Position) -> bool:
    """Whether one aircraft can be at both places at their times."""
    if abs(later.latitude - earlier.latitude) < 0.01 and abs(later.longitude - earlier.longitude) < 0.01:
        return True
    apart_nm = distance_nm(earlier.latitude, earlier.longitude, later.latitude, later.longitude)
    return apart_nm <= POSITION_ERROR_NM + FASTEST_KT * (later.at_s - earlier.at_s) / 3600


def drop_impossible(track: list[Position]) -> list[Position]:
    """The chain of agreeing runs with the most points: spoofed and mistimed points contradict the rest and fall out."""
    starts = [0] + [i for i in range(1, len(track)) if not can_follow(track[i - 1], track[i])]
    if len(starts) == 1:
        return track
    ends = [*starts[1:], len(track)]
    weight: list[int] = []
    before: list[int] = []
    for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
        best, best_before = 0, -1
        for earlier in range(run - 1, max(-1, run - 1 - LOOK_BACK), -1):
            if weight[earlier] > best and can_follow(track[ends[earlier] - 1], track[start]):
                best, best_before = weight[earlier], earlier
        weight.append(best + end - start)
        before.append(best_before)
    run = max(range(len(weight)), key=lambda index: weight[index])
    chain: list[Position] = []
    while run >= 0:
        chain[:0] = track[starts[run] : ends[run]]
        run = before[run]
    return chain
