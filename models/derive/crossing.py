"""Date take-off and touchdown by the speed: when it crossed that of lift-off."""

from collections.abc import Sequence

from models.derive.measures import speed_kt
from models.derive.performance import Performance
from models.vocab.position import Position

CROSSING_NEAR_S, CROSSING_FAR_S = 30, 240
"""lift-off speed is nearly always crossed within half a minute of the change of phase; it may be minutes away"""


def cross_lift_off_s(
    track: Sequence[Position], ground: int, air: int, performance: Performance, *, is_arrival: bool
) -> float | None:
    """When the speed crossed that of lift-off or touchdown, nearest to the change of phase; None when not seen."""
    middle_s = (track[ground].at_s + track[air].at_s) / 2
    best: float | None = None
    for reach_s in (CROSSING_NEAR_S, CROSSING_FAR_S):
        begin, end = (air, ground) if is_arrival else (ground, air)
        while begin > 0 and middle_s - track[begin - 1].at_s < reach_s:
            begin -= 1
        while end < len(track) - 1 and track[end + 1].at_s - middle_s < reach_s:
            end += 1
        best, seen_s = _find_crossing(track, range(begin, end + 1), performance, middle_s, is_arrival=is_arrival)
        if best is not None and abs(best - middle_s) < seen_s:
            break
    return best


def _find_crossing(
    track: Sequence[Position], indexes: range, performance: Performance, middle_s: float, *, is_arrival: bool
) -> tuple[float | None, float]:
    """The crossing nearest to an instant, and how far from that instant on both sides the speed is known."""
    limit = performance.lift_off_kt
    best: float | None = None
    before: tuple[float, float] | None = None
    first_s: float | None = None
    for index in indexes:
        speed = speed_kt(track, index)
        if speed is None:
            continue
        here = (track[index].at_s, speed)
        if first_s is None:
            first_s = here[0]
        if before is not None and here[0] - before[0] <= 300:
            slower, faster = (here[1], before[1]) if is_arrival else (before[1], here[1])
            if slower < limit <= faster:
                share = (limit - before[1]) / (here[1] - before[1])
                at_s = before[0] + share * (here[0] - before[0])
                if best is None or abs(at_s - middle_s) < abs(best - middle_s):
                    best = at_s
        before = here
    if first_s is None or before is None:
        return None, 0.0
    return best, min(middle_s - first_s, before[0] - middle_s)
