"""Date and place both ends of each flight, on ground seen, on low fixes, on gaps, in that order of trust."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from models.derive.crossing import cross_lift_off_s
from models.derive.ends import (
    direct_from,
    estimate_touch_s,
    find_low_field,
    flight_time_s,
    is_vertical,
    points_at,
)
from models.derive.fields import find_ground_field
from models.derive.measures import apart_nm, height_ft
from models.derive.performance import Performance
from models.derive.phases import LEAST_STOP_S
from models.derive.unseen import HEIGHT_FT, find_descent_field, find_stop_field
from models.vocab.airport import Airport, find_airport
from models.vocab.certainty import Evidence
from models.vocab.event import LegEnd
from models.vocab.position import Position

SEEN_WITHIN_S = 30 * 60
"""ground heard so soon before or after the flight is ground observed"""
LOW_SILENCE_S = 15 * 60
DESCENT_SILENCE_S = 30 * 60
SEEN_LOW = (Evidence.LOW_OBSERVED, Evidence.REPORTED)
DAY_S = 86400
SHORTEST_FLIGHT_S = 150
SMALL_SPARE_S, MOST_SPARE_S = 30 * 60, 4 * 3600
"""within so much spare time an aircraft that vanished and reappeared is taken to have made one stop, not two"""
NEAR_NM = 60
CLEAR_CLIMB_FT, CLEAR_CLIMB_NM = 6000, 15
"""a record that begins in a climb farther from a field than this does not tell where the flight began"""


class Piece(NamedTuple):
    """A flight as indexes into the track: first and last fix in the air, and the ground points before and after."""

    first: int
    last: int
    ground_before: int | None
    ground_after: int | None
    is_unheard: bool = False
    """nothing was heard in the air: first and last are the ground points themselves"""


class Unseen(NamedTuple):
    """A field used without being seen there on the ground, and what says so."""

    airport: Airport
    evidence: Evidence


class Ended(NamedTuple):
    """A flight with its ends."""

    piece: Piece
    departure: LegEnd | None
    arrival: LegEnd | None


def settle_ends(
    track: Sequence[Position],
    pieces: Sequence[Piece],
    performance: Performance,
    now_s: float | None,
    *,
    is_complete: bool,
) -> list[Ended]:
    """Both ends of every flight; flights that are one flight seen in two parts are joined."""
    joined: list[Ended] = []
    for piece in pieces:
        previous = joined[-1] if joined else None
        ended = _settle(track, piece, previous, performance)
        if previous is not None and _is_same(previous, ended):
            joined.pop()
            whole = piece._replace(first=previous.piece.first, ground_before=previous.piece.ground_before)
            ended = _settle(track, whole, joined[-1] if joined else None, performance)
        elif previous is not None and previous.piece.ground_after is None:
            joined[-1] = _settle_gap_arrival(track, previous, ended, performance)
        if not _is_hop(ended):
            joined.append(ended)
    if joined and joined[-1].arrival is None:
        arrival = _settle_last(track, joined[-1].piece, performance, now_s, is_complete=is_complete)
        joined[-1] = joined[-1]._replace(arrival=arrival)
    return [_order(ended) for ended in joined]


def _settle(track: Sequence[Position], piece: Piece, previous: Ended | None, performance: Performance) -> Ended:
    if piece.is_unheard:
        return _settle_unheard(track, piece, performance)
    departure = arrival = None
    if piece.ground_before is not None:
        departure = _settle_ground_end(track, piece.ground_before, piece.first, performance, is_arrival=False)
    else:
        departure = _settle_air_departure(track, piece, previous, performance)
    if piece.ground_after is not None:
        arrival = _settle_ground_end(track, piece.ground_after, piece.last, performance, is_arrival=True)
    return Ended(piece, departure, arrival)


def _settle_ground_end(
    track: Sequence[Position], ground: int, air: int, performance: Performance, *, is_arrival: bool
) -> LegEnd:
    """An end next to a point on the ground, which may lie hours away."""
    sign = 1 if is_arrival else -1
    airport = _find_field_around(track, ground, air, performance, is_arrival=is_arrival)
    gap_s = abs(track[ground].at_s - track[air].at_s)
    away_nm = apart_nm(track[ground], track[air])
    spare_s = gap_s - flight_time_s(away_nm, performance)
    guess_s = (
        estimate_touch_s(track[air], airport, performance)
        if airport is not None
        else flight_time_s(away_nm, performance)
    )
    guess_s = min(guess_s, gap_s)
    if gap_s <= SEEN_WITHIN_S:
        at_s = cross_lift_off_s(track, ground, air, performance, is_arrival=is_arrival)
        if at_s is None:
            at_s = track[air].at_s + sign * (gap_s / 2 if gap_s <= 120 else guess_s)
        if not _was_received_on_ground(track, ground, air, performance, airport):
            low = find_low_field(track, air, performance, is_arrival=is_arrival)
            if track[air].is_interpolated or low is None or low != airport:
                return _make_end(at_s, airport, Evidence.REPORTED)
            return _make_end(at_s, airport, Evidence.LOW_OBSERVED)
        return _make_end(at_s, airport, Evidence.GROUND_OBSERVED)
    unseen = _find_unseen(track, air, performance, is_arrival=is_arrival)
    if unseen is not None and (airport is None or unseen.airport.id != airport.id):
        # Heard coming down at one field and hours later on the ground at another: it stopped in between.
        if spare_s >= performance.turn_round_s:
            evidence = _weigh(unseen.evidence, track[air])
            return _make_end(_date_unseen(track[air], unseen, performance, sign), unseen.airport, evidence)
    elif unseen is not None and unseen.evidence is Evidence.LOW_OBSERVED:
        return _make_end(track[air].at_s + sign * guess_s, unseen.airport, _weigh(unseen.evidence, track[air]))
    is_near = away_nm <= NEAR_NM and (height_ft(track[air]) or 0) < 20000
    if airport is not None and (is_near or _is_plausible(airport, track[air], spare_s, is_arrival=is_arrival)):
        return _make_end(track[air].at_s + sign * guess_s, airport, Evidence.INFERRED_GAP)
    return _make_end(track[air].at_s, None, Evidence.UNKNOWN)


def _was_received_on_ground(
    track: Sequence[Position], ground: int, air: int, performance: Performance, airport: Airport | None
) -> bool:
    """Whether a radio was heard on the ground at this end; positions computed from an observer's log say it only."""
    step = 1 if ground > air else -1
    index = ground
    while 0 <= index < len(track) and abs(track[index].at_s - track[air].at_s) <= SEEN_WITHIN_S:
        point = track[index]
        if not point.is_interpolated:
            return index == ground or (point.on_ground is True and find_ground_field(point, performance) == airport)
        if point.on_ground is False:
            return False
        index += step
    return False


def _find_field_around(
    track: Sequence[Position], ground: int, air: int, performance: Performance, *, is_arrival: bool
) -> Airport | None:
    """The field of a ground end: by the runway point, then by points further along the way to the stand."""
    step = 1 if is_arrival else -1
    index = ground
    while 0 <= index < len(track) and abs(index - ground) < 200:
        airport = find_ground_field(track[index], performance)
        if airport is not None:
            return airport
        if abs(track[index].at_s - track[ground].at_s) > 900 or apart_nm(track[index], track[ground]) > 5:
            break
        index += 8 * step
        if 0 <= index < len(track) and track[index].on_ground is False:
            break
    if abs(track[air].at_s - track[ground].at_s) < 60 and (height_ft(track[air]) or 9999) < 500:
        return find_ground_field(track[air], performance)
    return None


def _settle_air_departure(
    track: Sequence[Position], piece: Piece, previous: Ended | None, performance: Performance
) -> LegEnd | None:
    """The start of a flight whose first sign is in the air: at the start of the record, or after an unseen stop."""
    first = track[piece.first]
    low = find_low_field(track, piece.first, performance, is_arrival=False)
    if low is not None:
        at_s = first.at_s - estimate_touch_s(first, low, performance)
        return _make_end(max(at_s, _end_of(track, previous)), low, _weigh(Evidence.LOW_OBSERVED, first))
    if previous is None:
        return _settle_first_climb(track, piece, performance)
    if previous.arrival is not None:
        begun_s = previous.arrival.at.timestamp()
        airport = find_airport(previous.arrival.airport) if previous.arrival.airport else None
        fields = (airport, find_descent_field(track, piece.first, performance, is_arrival=False))
    else:
        stop = find_stop_field(track, previous.piece.last, piece.first, performance)
        landed = _settle_lost(track, previous.piece, performance, stop)
        begun_s = landed.at.timestamp() if landed is not None else track[previous.piece.last].at_s
        fields = (stop, None)
    for airport in fields:
        if airport is None:
            continue
        needed_s = direct_from(airport, first, performance)
        spare_s = first.at_s - begun_s - needed_s
        is_near = (
            airport.field_distance_nm(first.latitude, first.longitude) <= NEAR_NM and (height_ft(first) or 0) < 20000
        )
        if spare_s > 0 and (is_near or _is_plausible(airport, first, spare_s, is_arrival=False)):
            at_s = first.at_s - max(needed_s, estimate_touch_s(first, airport, performance))
            return _make_end(max(at_s, begun_s), airport, Evidence.INFERRED_GAP)
    return _make_end(first.at_s, None, Evidence.UNKNOWN)


def _settle_first_climb(track: Sequence[Position], piece: Piece, performance: Performance) -> LegEnd | None:
    """The start of a record's first flight, first heard in climb: from the one field that fits, or from somewhere."""
    first = track[piece.first]
    climbed = find_descent_field(track, piece.first, performance, is_arrival=False)
    height = height_ft(first)
    if (
        climbed is not None
        and performance.is_jet
        and (height or CLEAR_CLIMB_FT) < CLEAR_CLIMB_FT
        and climbed.field_distance_nm(first.latitude, first.longitude) <= CLEAR_CLIMB_NM
    ):
        return _make_end(first.at_s - estimate_touch_s(first, climbed, performance), climbed, Evidence.INFERRED_GAP)
    if _is_near_ground(track, piece.first, performance, is_arrival=False):
        return _make_end(first.at_s, None, Evidence.INFERRED_GAP)
    return None


def _is_near_ground(track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool) -> bool:
    """Whether a jet climbs so low that it has just taken off, or descends so low that it is about to land.

    Jets do not cruise below 10,000 ft, nor come down so low but to land. Light aircraft go up and down all the way.
    """
    height = height_ft(track[index])
    return (
        performance.is_jet
        and height is not None
        and height < HEIGHT_FT
        and is_vertical(track, index, is_arrival=is_arrival)
    )


def _find_unseen(track: Sequence[Position], index: int, performance: Performance, *, is_arrival: bool) -> Unseen | None:
    """Where an aircraft last heard low or in descent landed, or one first heard in climb took off."""
    low = find_low_field(track, index, performance, is_arrival=is_arrival)
    if low is not None:
        return Unseen(low, Evidence.LOW_OBSERVED)
    airport = find_descent_field(track, index, performance, is_arrival=is_arrival)
    return None if airport is None else Unseen(airport, Evidence.INFERRED_GAP)


def _date_unseen(fix: Position, unseen: Unseen, performance: Performance, sign: int) -> float:
    return fix.at_s + sign * estimate_touch_s(fix, unseen.airport, performance)


def _settle_lost(
    track: Sequence[Position], piece: Piece, performance: Performance, stop: Airport | None
) -> LegEnd | None:
    """The landing of an aircraft last heard low over a field, or in descent to the field where it stopped."""
    last = track[piece.last]
    low = find_low_field(track, piece.last, performance, is_arrival=True)
    if low is not None:
        unseen = Unseen(low, Evidence.LOW_OBSERVED)
    elif stop is not None and is_vertical(track, piece.last, is_arrival=True):
        unseen = Unseen(stop, Evidence.INFERRED_GAP)
    else:
        return None
    return _make_end(_date_unseen(last, unseen, performance, 1), unseen.airport, _weigh(unseen.evidence, last))


def _settle_gap_arrival(track: Sequence[Position], ended: Ended, following: Ended, performance: Performance) -> Ended:
    """The landing before an unseen stop: where it was last heard coming down, or is next seen to leave from."""
    last, limit_s = track[ended.piece.last], track[following.piece.first].at_s
    stop = find_stop_field(track, ended.piece.last, following.piece.first, performance)
    arrival = _settle_lost(track, ended.piece, performance, stop)
    if arrival is None:
        arrival = _make_end(last.at_s, None, Evidence.UNKNOWN)
        departure = following.departure
        airport = find_airport(departure.airport) if departure is not None and departure.airport else None
        if airport is not None and departure is not None:
            needed_s = direct_from(airport, last, performance)
            spare_s = departure.at.timestamp() - last.at_s - needed_s
            if spare_s > 0 and _is_plausible(airport, last, spare_s, is_arrival=True):
                arrival = _make_end(last.at_s + needed_s, airport, Evidence.INFERRED_GAP)
    if following.departure is not None:
        limit_s = min(limit_s, following.departure.at.timestamp())
    if arrival.at.timestamp() > limit_s:
        arrival = arrival.model_copy(update={"at": _to_instant(limit_s)})
    return ended._replace(arrival=arrival)


def _settle_last(
    track: Sequence[Position], piece: Piece, performance: Performance, now_s: float | None, *, is_complete: bool
) -> LegEnd | None:
    """The landing of the last flight, once silence has lasted long enough to mean something."""
    last = track[piece.last]
    field = find_descent_field(track, piece.last, performance, is_arrival=True)
    arrival = _settle_lost(track, piece, performance, field)
    somewhere = None
    if _is_near_ground(track, piece.last, performance, is_arrival=True):
        somewhere = _make_end(last.at_s, None, Evidence.UNKNOWN)
    if now_s is None:
        # A record that ends at midnight was cut there and goes on in the next file.
        if not is_complete or DAY_S - last.at_s % DAY_S < LOW_SILENCE_S:
            return None
        is_short_final = arrival is not None and arrival.evidence in SEEN_LOW and (height_ft(last) or 0) < 800
        return arrival if is_short_final else somewhere
    arrival = arrival or somewhere
    if arrival is None:
        return None
    silence_s = LOW_SILENCE_S if arrival.evidence in SEEN_LOW else DESCENT_SILENCE_S
    return arrival if now_s - last.at_s >= silence_s else None


def _settle_unheard(track: Sequence[Position], piece: Piece, performance: Performance) -> Ended:
    here, there = track[piece.first], track[piece.last]
    return Ended(
        piece,
        _make_end(here.at_s, find_ground_field(here, performance), Evidence.INFERRED_GAP),
        _make_end(there.at_s, find_ground_field(there, performance), Evidence.INFERRED_GAP),
    )


def _is_same(previous: Ended, ended: Ended) -> bool:
    """Whether two flights share an end that cannot have happened twice within five minutes."""
    if previous.piece.ground_after is None or ended.piece.ground_before is None:
        return False
    if previous.piece.is_unheard or ended.piece.is_unheard:
        return False
    starts = (previous.departure, ended.departure)
    stops = (previous.arrival, ended.arrival)
    return _is_close(*starts) or _is_close(*stops)


def _is_close(one: LegEnd | None, other: LegEnd | None) -> bool:
    return one is not None and other is not None and abs((other.at - one.at).total_seconds()) < LEAST_STOP_S


def _is_hop(ended: Ended) -> bool:
    """A flight of seconds from a field to itself is noise around a parked aircraft."""
    departure, arrival = ended.departure, ended.arrival
    return (
        departure is not None
        and arrival is not None
        and departure.evidence is arrival.evidence is Evidence.GROUND_OBSERVED
        and departure.airport == arrival.airport
        and (arrival.at - departure.at).total_seconds() < SHORTEST_FLIGHT_S
    )


def _order(ended: Ended) -> Ended:
    if ended.departure is not None and ended.arrival is not None and ended.arrival.at < ended.departure.at:
        return ended._replace(arrival=ended.arrival.model_copy(update={"at": ended.departure.at}))
    return ended


def _is_plausible(airport: Airport, fix: Position, spare_s: float, *, is_arrival: bool) -> bool:
    """Whether a flight between a field and a far fix left no time, or no reason, for another stop in between."""
    if spare_s <= SMALL_SPARE_S:
        return True
    return spare_s <= MOST_SPARE_S and points_at(airport, fix, is_arrival=is_arrival, within_deg=50)


def _end_of(track: Sequence[Position], previous: Ended | None) -> float:
    if previous is None:
        return float("-inf")
    return previous.arrival.at.timestamp() if previous.arrival is not None else track[previous.piece.last].at_s


def _weigh(evidence: Evidence, fix: Position) -> Evidence:
    """What a fix low over a field is evidence of: a computed one repeats what an observer logged."""
    return Evidence.REPORTED if evidence is Evidence.LOW_OBSERVED and fix.is_interpolated else evidence


def _make_end(at_s: float, airport: Airport | None, evidence: Evidence) -> LegEnd:
    return LegEnd(
        at=_to_instant(at_s),
        airport=None if airport is None else airport.id,
        evidence=evidence,
        certainty=evidence.certainty,
    )


def _to_instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(round(at_s), UTC)
