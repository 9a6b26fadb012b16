"""Tell when an aircraft was in the air and when on the ground, from flags that flicker and speeds that stick.

A transmitter's word "ground" is one witness among several: parked aircraft were seen to "fly" for four seconds at 0 kt,
and taxiing ones at 5 kt. A change of phase counts only when it lasts and the aircraft has moved as such a change needs.
"""

from collections.abc import Sequence
from enum import Enum
from operator import itemgetter, sub
from typing import NamedTuple

from models.derive.fields import find_ground_field
from models.derive.measures import apart_at_most_nm, apart_nm, height_ft, speed_kt
from models.derive.performance import AircraftKind, Performance
from models.vocab.airport import ground_elevation_ft
from models.vocab.position import Position

FASTEST_ON_GROUND_KT = 230
"""no wheel holds more; a "ground" point above it is a wrong flag"""
ABOVE_ALL_GROUND_FT = 16000
"""higher than any field with an error of barometric altitude"""
HIGH_ENOUGH_FT = 1500
"""so high above the fields nearby, no speed makes it stand on one"""
PERSISTS_S = 15
LEAST_FLIGHT_NM = 0.7
LONGEST_RUNWAY_NM = 2.2
TOUCH_AND_GO_S = 90
"""a ground run at speed that ends sooner is a touch-and-go, which is not a landing"""
LEAST_STOP_S = 300
"""two events of the same kind are at least so far apart; what is closer is one event seen twice"""


MOST_TELLING = itemgetter(
    *map(
        Position._fields.index,
        ("latitude", "longitude", "altitude_ft", "on_ground", "ground_speed_kt", "qnh_hpa"),
    )
)


class State(Enum):
    """What one point says by itself."""

    GROUND = -1
    UNCLEAR = 0
    AIRBORNE = 1


class Phase(NamedTuple):
    """A stretch of the track, both indexes inclusive, in which the aircraft was in the air, or was not."""

    is_airborne: bool
    first: int
    last: int


def judge_state(track: Sequence[Position], index: int, performance: Performance) -> State:
    """What one point says by itself, with its neighbours only used to check its speed, which takes time."""
    position = track[index]
    if position.on_ground:
        sent = position.ground_speed_kt
        speed = sent if sent is not None and sent <= FASTEST_ON_GROUND_KT else speed_kt(track, index)
        return State.UNCLEAR if speed is not None and speed > FASTEST_ON_GROUND_KT else State.GROUND
    if position.altitude_ft is not None and position.altitude_ft > ABOVE_ALL_GROUND_FT:
        return State.AIRBORNE
    height = height_ft(position)
    if height is not None and height > HIGH_ENOUGH_FT:
        return State.AIRBORNE
    speed = speed_kt(track, index)
    if height is None:
        if speed is None:
            return State.UNCLEAR
        if speed >= performance.airborne_kt + 30:
            return State.AIRBORNE
        return State.GROUND if speed < 30 else State.UNCLEAR
    if speed is None:
        return State.AIRBORNE if height > 1500 else State.UNCLEAR
    if performance.kind == AircraftKind.HELICOPTER and (height > 300 or position.on_ground is False):
        return State.AIRBORNE if height > 150 or speed > performance.airborne_kt else State.UNCLEAR
    if speed >= performance.airborne_kt:
        return State.AIRBORNE
    if speed >= 0.75 * performance.airborne_kt:
        return State.AIRBORNE if height > 500 else State.UNCLEAR
    # On the ground barometric altitude alone may be off by 1,000 ft either way.
    if height > (1500 if performance.is_jet else 1000):
        return State.AIRBORNE
    # Slow and low without the word "ground": standing on a field, or hovering elsewhere.
    return State.GROUND if find_ground_field(position, performance) is not None else State.UNCLEAR


def find_phases(track: Sequence[Position], performance: Performance) -> list[Phase]:
    """Alternating phases that survive the tests of persistence and displacement."""
    runs = _find_runs(track, performance)
    count = len(runs)
    runs = _drop(runs, [not run.is_airborne or _is_flight(track, runs, number) for number, run in enumerate(runs)])
    runs = _drop(
        runs, [run.is_airborne or _is_stop(track, runs, number, performance) for number, run in enumerate(runs)]
    )
    if len(runs) == count:
        return runs
    # A flight next to a stop that was none is another flight now.
    return _drop(runs, [not run.is_airborne or _is_flight(track, runs, number) for number, run in enumerate(runs)])


def _find_runs(track: Sequence[Position], performance: Performance) -> list[Phase]:
    """Points that say the same, in a row."""
    runs: list[Phase] = []
    first = last = 0
    current: State | None = None
    ground, airborne = State.GROUND, State.AIRBORNE
    for index, (latitude, longitude, altitude, on_ground, speed, qnh) in enumerate(map(MOST_TELLING, track)):
        # Most points say it without a closer look.
        if on_ground and speed is not None and speed <= FASTEST_ON_GROUND_KT:
            state = ground
        elif (
            altitude is not None
            and not on_ground
            and (
                altitude > ABOVE_ALL_GROUND_FT
                or (qnh is None and altitude - (ground_elevation_ft(latitude, longitude) or 0) > HIGH_ENOUGH_FT)
            )
        ):
            state = airborne
        else:
            state = judge_state(track, index, performance)
            if state is State.UNCLEAR:
                continue
        if state is not current:
            if current is not None:
                runs.append(Phase(current is State.AIRBORNE, first, last))
            current, first = state, index
        last = index
    if current is not None:
        runs.append(Phase(current is State.AIRBORNE, first, last))
    return runs


def _drop(runs: list[Phase], keep: list[bool]) -> list[Phase]:
    kept: list[Phase] = []
    for run, is_kept in zip(runs, keep, strict=True):
        if not is_kept:
            continue
        if kept and kept[-1].is_airborne == run.is_airborne:
            kept[-1] = kept[-1]._replace(last=run.last)
        else:
            kept.append(run)
    return kept


def _is_flight(track: Sequence[Position], runs: list[Phase], number: int) -> bool:
    """Whether an airborne run left the ground, and not only the flag."""
    run = runs[number]
    grounds = [track[runs[number - 1].last]] if number > 0 else []
    if number + 1 < len(runs):
        grounds.append(track[runs[number + 1].first])
    if not grounds:
        return True
    points = track[run.first : run.last + 1]
    displaced_nm = 0.0
    for point in points:
        if apart_at_most_nm(grounds[0], point) <= displaced_nm:
            continue
        displaced_nm = max(displaced_nm, apart_nm(grounds[0], point))
        if displaced_nm >= 3 * LONGEST_RUNWAY_NM:
            return True
    lasted_s = points[-1].at_s - points[0].at_s
    is_away = displaced_nm >= LONGEST_RUNWAY_NM
    if displaced_nm < LEAST_FLIGHT_NM or len(points) < 2 or lasted_s < PERSISTS_S:
        return is_away and _find_peak_ft(points) > 1000
    if is_away and lasted_s >= 60:
        return True
    peak_ft = _find_peak_ft(points)
    return peak_ft >= 300 if is_away or lasted_s >= 30 else peak_ft > 1000


def _find_peak_ft(points: Sequence[Position]) -> float:
    return max(height_ft(point) or 0 for point in points)


def _is_stop(track: Sequence[Position], runs: list[Phase], number: int, performance: Performance) -> bool:
    """Whether a ground run between flights is a stop: not a touch-and-go, and not a wrong flag in the air."""
    run = runs[number]
    points = track[run.first : run.last + 1]
    before = track[runs[number - 1].last] if number > 0 else None
    after = track[runs[number + 1].first] if number + 1 < len(runs) else None
    for neighbour, edge in ((before, points[0]), (after, points[-1])):
        if neighbour is None:
            continue
        apart_s = abs(edge.at_s - neighbour.at_s)
        if (height_ft(neighbour) or 0) > 1500 + apart_s * 100:
            return False  # nothing descends or climbs so fast: the flag is wrong
    lasted_s = points[-1].at_s - points[0].at_s
    if before is None:
        return True
    if after is None:
        return len(points) >= 2 or _find_slowest(track, run, performance.lift_off_kt) < performance.lift_off_kt
    hidden_s = after.at_s - before.at_s
    if hidden_s < TOUCH_AND_GO_S:
        return False
    rolling_kt = performance.airborne_kt * 0.7
    if _find_slowest(track, run, rolling_kt) >= rolling_kt:
        return hidden_s >= LEAST_STOP_S
    return len(points) >= 2 or lasted_s >= PERSISTS_S or hidden_s >= 120


def _find_slowest(track: Sequence[Position], run: Phase, limit_kt: float) -> float:
    """The lowest speed of a run; the search ends at the first one below a limit."""
    slowest = None
    for index in range(run.first, run.last + 1):
        speed = speed_kt(track, index)
        if speed is not None and (slowest is None or speed < slowest):
            slowest = speed
            if slowest < limit_kt:
                break
    return slowest or 0.0


def split_moved_ground(track: Sequence[Position], phases: list[Phase]) -> list[Phase]:
    """Ground phases cut where the aircraft reappears on the ground somewhere else: it flew there unseen."""
    cut: list[Phase] = []
    for phase in phases:
        if phase.is_airborne:
            cut.append(phase)
            continue
        first = phase.first
        times = [point.at_s for point in track[phase.first : phase.last + 1]]
        silences = [phase.first + i for i, gap_s in enumerate(map(sub, times[1:], times)) if gap_s > 900]
        for here in silences:
            if apart_nm(track[here], track[here + 1]) > 10:
                cut.append(Phase(False, first, here))
                first = here + 1
        cut.append(Phase(False, first, phase.last))
    return cut
