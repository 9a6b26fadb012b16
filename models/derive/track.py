"""Clean the positions of one aircraft: in order, without repeats, stale points, spoofed places and impossible times."""

from bisect import bisect_left
from collections.abc import Iterable
from math import inf
from operator import itemgetter, sub

from models.derive.measures import LONGEST_DEGREE_NM
from models.vocab.geodesy import distance_nm
from models.vocab.position import Position
from models.vocab.trace import order_positions

FASTEST_KT = 700
"""no airliner flies faster over ground; the strongest jet streams stay below"""
POSITION_ERROR_NM = 0.6
"""two receivers may time the same flight a few seconds apart"""
OUTRANKED_S = 300
"""so near in time to a received position, a computed one adds nothing but the error of whoever wrote the log"""
EMPTY_DEG = 0.01
"""a position so near to zero north, zero east is an empty message"""
LOOK_BACK = 40
"""how many runs of agreeing points a later run may follow, when places contradict each other"""
LOOK_AHEAD = 120
"""how many points of a run may be given up to join it to an earlier one"""


def clean_track(positions: Iterable[Position]) -> list[Position]:
    """Positions fit for timing: the largest set that one aircraft can have flown, in order of time."""
    usable = [
        position
        for position in positions
        if not position.is_stale
        and -90 <= (latitude := position.latitude) <= 90
        and -180 <= (longitude := position.longitude) <= 180
        and not (-EMPTY_DEG < latitude < EMPTY_DEG and -EMPTY_DEG < longitude < EMPTY_DEG)
        and -inf < position.at_s < inf
    ]
    computed = [position for position in usable if position.is_interpolated]
    heard = [position for position in usable if not position.is_interpolated] if computed else usable
    received = drop_impossible(drop_repeats(order_positions(heard)))
    if not computed:
        return received
    return fill_silence(received, drop_impossible(drop_repeats(order_positions(computed))))


def fill_silence(received: list[Position], computed: list[Position]) -> list[Position]:
    """Received positions, and computed ones only where nothing was received and what was received allows them."""
    times = [position.at_s for position in received]
    kept = list(received)
    for position in computed:
        index = bisect_left(times, position.at_s)
        before, after = received[max(0, index - 1) : index], received[index : index + 1]
        if all(
            abs(other.at_s - position.at_s) > OUTRANKED_S and can_follow(*sorted((other, position), key=itemgetter(0)))
            for other in (*before, *after)
        ):
            kept.append(position)
    return order_positions(kept)


def drop_repeats(track: list[Position]) -> list[Position]:
    """One position for each half second: where several sources speak at once, the one that says most."""
    times = [position.at_s for position in track]
    close = [index for index, gap_s in enumerate(map(sub, times[1:], times), 1) if gap_s < 0.5]
    kept: list[Position] = []
    start = 0
    for index in close:
        kept += track[start:index]
        position, start = track[index], index + 1
        if position.at_s - kept[-1].at_s >= 0.5:
            kept.append(position)
        elif _said(position) > _said(kept[-1]):
            kept[-1] = position
    return kept + track[start:] if close else track


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


def find_breaks(track: list[Position]) -> list[int]:
    """Where a position cannot follow the one before it."""
    breaks: list[int] = []
    if not track:
        return breaks
    last_s, last_latitude, last_longitude = track[0][:3]
    # The way along a meridian and a parallel is longer than the straight one, and quicker to measure.
    error_deg = POSITION_ERROR_NM / LONGEST_DEGREE_NM
    deg_per_s = FASTEST_KT / 3600 / LONGEST_DEGREE_NM
    for index, (at_s, latitude, longitude) in enumerate(map(itemgetter(0, 1, 2), track)):
        way_deg = abs(latitude - last_latitude) + abs(longitude - last_longitude)
        if way_deg > error_deg + deg_per_s * (at_s - last_s) and not can_follow(track[index - 1], track[index]):
            breaks.append(index)
        last_s, last_latitude, last_longitude = at_s, latitude, longitude
    return breaks


def drop_impossible(track: list[Position]) -> list[Position]:
    """The chain of agreeing runs with the most points: spoofed and mistimed points contradict the rest and fall out."""
    starts = [0, *find_breaks(track)]
    if len(starts) == 1:
        return track
    ends = [*starts[1:], len(track)]
    weight: list[int] = []
    before: list[int] = []
    entries: list[int] = []
    for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
        best, best_before, best_entry = end - start, -1, start
        for earlier in range(run - 1, max(-1, run - 1 - LOOK_BACK), -1):
            if weight[earlier] + end - start <= best:
                continue
            entry = _find_entry(track, ends[earlier] - 1, start, end)
            if entry is not None and weight[earlier] + end - entry > best:
                best, best_before, best_entry = weight[earlier] + end - entry, earlier, entry
        weight.append(best)
        before.append(best_before)
        entries.append(best_entry)
    run = max(range(len(weight)), key=lambda index: weight[index])
    parts: list[list[Position]] = []
    while run >= 0:
        parts.append(track[entries[run] : ends[run]])
        run = before[run]
    return [position for part in reversed(parts) for position in part]


def _find_entry(track: list[Position], last: int, start: int, end: int) -> int | None:
    """The first point of a run that can follow the end of an earlier one: sources may disagree for some minutes."""
    for index in range(start, min(end, start + LOOK_AHEAD)):
        if can_follow(track[last], track[index]):
            return index
    return None
