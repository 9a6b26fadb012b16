"""Which field an aircraft used that was lost in descent, or first heard in climb: one field that fits, or none named.

Between 1,500 and 10,000 ft an aircraft may be on its way to, or from, any of several fields. How far a field fits is
measured in miles between where it lies and where the usual glide or climb would put it; a field is named only where
no other fits nearly as well. Where the aircraft was heard both before and after its stop, both must fit one field.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from models.derive.ends import find_low_field, height_over, is_vertical, off_course_deg
from models.derive.fields import Field, can_use, choose_field, measure_field
from models.derive.performance import AircraftKind, Performance
from models.vocab.airport import Airport, airports_near
from models.vocab.geodesy import distance_nm
from models.vocab.position import Position

RADIUS_NM, HEIGHT_FT = 30, 10000
"""what may be named: no farther and no higher on at least one side of the stop"""
RIVAL_NM, RIVAL_FT = 45, 14000
"""what may be meant all the same: a field just outside those limits makes one just inside them doubtful"""
LIGHT_RADIUS_NM, LIGHT_HEIGHT_FT = 8, 3000
DESCENT_FT_PER_NM, CLIMB_FT_PER_NM = 318, 500
"""three degrees of glide; a jet's climb"""
TWIN_FIELD_NM = 3.5
"""so near to each other as Biggs and El Paso, two long runways cannot be told apart from miles away"""
LARGE_FIELD_NM = 3
"""how much worse a large field may fit than a smaller one and still be as likely"""
CLEAR_NM, CLEAR_LIGHT_NM = 2, 3
"""by how much the best field must fit better than the next, near the ground, and for light aircraft at any height"""
CLEAR_FT_PER_NM = 1200
"""and how much higher it must be for one mile more: the longer the way still to go, the less the glide says"""
TURN_NM_PER_DEG = 0.03
"""a turn of 90 degrees onto a course that does not lead to the field is as unlikely as 3 miles of detour"""


class Rival(NamedTuple):
    """A field that fits more or less, the height over it, and whether it is near enough to be named."""

    field: Field
    height_ft: float
    is_near: bool


def find_descent_field(
    track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The one field that fits an aircraft lost below 10,000 ft in descent, or first seen there in climb."""
    return choose_unseen(rate_fields(track, index, performance, is_arrival=is_arrival), performance)


def find_stop_field(track: Sequence[Position], before: int, after: int, performance: Performance) -> Airport | None:
    """The one field at which an aircraft stopped between two fixes in the air, by how it went down and came up."""
    landed = find_low_field(track, before, performance, is_arrival=True)
    left = find_low_field(track, after, performance, is_arrival=False)
    if landed is not None and left is not None:
        return landed if landed == left else None
    came_down = rate_fields(track, before, performance, is_arrival=True)
    went_up = rate_fields(track, after, performance, is_arrival=False)
    if landed is not None or left is not None:
        low, rivals = (landed, went_up) if landed is not None else (left, came_down)
        return low if not rivals or any(rival.field.airport == low for rival in rivals) else None
    if not came_down or not went_up:
        return choose_unseen(came_down or went_up, performance)
    others = {rival.field.airport.id: rival for rival in went_up}
    both = [_add(rival, others[rival.field.airport.id]) for rival in came_down if rival.field.airport.id in others]
    return choose_unseen(both, performance)


def _add(one: Rival, other: Rival) -> Rival:
    return Rival(
        one.field._replace(misfit=one.field.misfit + other.field.misfit),
        min(one.height_ft, other.height_ft),
        one.is_near or other.is_near,
    )


def rate_fields(track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool) -> list[Rival]:
    """All fields an aircraft in descent may have reached, or one in climb may have left, with how ill each fits."""
    if not is_vertical(track, index, is_arrival=is_arrival):
        return []
    return list(_rate_fields(track[index], performance, is_arrival=is_arrival))


@lru_cache(maxsize=16)
def _rate_fields(place: Position, performance: Performance, *, is_arrival: bool) -> tuple[Rival, ...]:
    # The same few fixes are asked about again while one track is read.
    radius_nm = RIVAL_NM if performance.is_jet else LIGHT_RADIUS_NM
    most_ft = RIVAL_FT if performance.is_jet else LIGHT_HEIGHT_FT
    rivals = []
    for near in airports_near(place.latitude, place.longitude, radius_nm + 2, performance.least_runway_ft):
        if not can_use(near.airport, performance.least_runway_ft) or near.airport.longest_runway_ft is None:
            continue
        height = height_over(near.airport, place)
        field = measure_field(near, place)
        if height is None or not -500 < height < most_ft or field.distance_nm > radius_nm:
            continue
        # Within 15 nm an aircraft may be on any leg of its approach, or turn out in any direction.
        off_deg = off_course_deg(near.airport, place, is_arrival=is_arrival)
        if field.distance_nm > 15 and off_deg > 75:
            continue
        # An aircraft at 6,000 ft has 19 miles of approach before it: a field five miles off is rather flown past.
        path_nm = max(0.0, height) / (DESCENT_FT_PER_NM if is_arrival else CLIMB_FT_PER_NM)
        short_nm = path_nm - field.distance_nm
        turn_nm = TURN_NM_PER_DEG * max(0.0, off_deg - 30)
        field = field._replace(misfit=(0.5 * short_nm if short_nm > 0 else -0.8 * short_nm) + turn_nm)
        rivals.append(Rival(field, height, field.distance_nm <= RADIUS_NM and height < HEIGHT_FT))
    return tuple(rivals)


def choose_unseen(rivals: Sequence[Rival], performance: Performance) -> Airport | None:
    """Of the fields that may have been used unseen, the one with airline service; None if it may be another."""
    if not rivals:
        return None
    if not performance.is_jet:
        return choose_field(sorted((rival.field for rival in rivals), key=_misfit), clear_nm=CLEAR_LIGHT_NM)
    served = sorted((_favour(rival) for rival in rivals if _is_served(rival.field.airport)), key=_rival_misfit)
    others = sorted((rival for rival in rivals if not _is_served(rival.field.airport)), key=_rival_misfit)
    best, *_ = served or others
    clear_nm = CLEAR_NM + max(0.0, best.height_ft) / CLEAR_FT_PER_NM
    if not best.is_near:
        return None
    is_airliner = performance.kind is AircraftKind.AIRLINER
    if not served:
        is_fit = not is_airliner and best.field.misfit <= 5
        return choose_field([rival.field for rival in others], clear_nm=clear_nm) if is_fit else None
    airport = choose_field([rival.field for rival in served], clear_nm=clear_nm)
    if airport is None:
        return None
    for other in others:
        field = other.field.airport
        apart_nm = distance_nm(airport.latitude, airport.longitude, field.latitude, field.longitude)
        if apart_nm < TWIN_FIELD_NM and (field.longest_runway_ft or 0) >= 8000:
            return None
        if not is_airliner and other.field.misfit < best.field.misfit - 1:
            return None
    return airport


def _favour(rival: Rival) -> Rival:
    if rival.field.airport.kind != "large":
        return rival
    return rival._replace(field=rival.field._replace(misfit=rival.field.misfit - LARGE_FIELD_NM))


def _misfit(field: Field) -> float:
    return field.misfit


def _rival_misfit(rival: Rival) -> float:
    return rival.field.misfit


def _is_served(airport: Airport) -> bool:
    return airport.is_scheduled or airport.kind == "large"
