"""Derive the legs of one aircraft from its positions: one take-off to one landing, with the evidence for both ends.

Pure and repeatable: the same positions give the same legs in whatever order and however often they come. Callsigns,
midnight and the publisher's own leg flag decide nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import sub

from models.derive.gaps import SHORTEST_GAP_S, has_unseen_stop
from models.derive.measures import height_ft
from models.derive.performance import Performance, judge_performance
from models.derive.phases import Phase, find_phases, split_moved_ground
from models.derive.settle import Piece, settle_ends
from models.derive.track import clean_track
from models.vocab.certainty import Evidence
from models.vocab.event import LastFix, LegEnd
from models.vocab.position import Position

LOST_AFTER_S = 20 * 60
SETTLED_AFTER_S, SETTLED_HEIGHT_FT = 120, 500


@dataclass(frozen=True, slots=True)
class Leg:
    """One take-off to one landing, as far as the positions tell.

    ``status`` is one of
    landed    the arrival is known, on the evidence it names;
    gap       it landed where nobody heard it (airport None), because a later position cannot belong to the same flight,
              or because a record to which nothing will be added ends in its last descent;
    airborne  it was in the air when the positions end;
    lost      it was in the air, and silent for 20 minutes at the time the legs were derived for; with an arrival of
              evidence unknown where it was in its last descent.
    """

    icao24: str
    registration: str | None
    aircraft_type: str | None
    callsigns: tuple[str, ...]
    """in order of first use, inside this leg only"""
    departure: LegEnd | None
    """None when the positions begin in the air; with evidence ``unknown``, ``at`` is the first fix, in the climb"""
    arrival: LegEnd | None
    """None while in the air or lost; with evidence ``unknown``, ``at`` is the last fix: it landed later"""
    first_fix: Position
    last_fix: Position
    max_gap_s: float
    position_count: int
    status: str
    is_interpolated: bool
    sources: tuple[str, ...]
    departure_is_settled: bool
    """in the air for 2 min and above 500 ft, or landed since: before that a departure is not worth an alert"""


def derive_legs(
    positions: Iterable[Position],
    *,
    icao24: str,
    registration: str | None = None,
    aircraft_type: str | None = None,
    now_s: float | None = None,
    is_complete: bool = False,
) -> list[Leg]:
    """Legs in order of time, never overlapping.

    ``now_s`` is the instant up to which positions were looked for; without it an aircraft in the air at the end of the
    positions is ``airborne``, however long ago that was. ``is_complete`` says that nothing later will come, as of an
    archived file: then an aircraft last heard on short final has landed.
    """
    track = clean_track(positions)
    if not track:
        return []
    performance = judge_performance(track, aircraft_type)
    pieces = cut_pieces(track, split_moved_ground(track, find_phases(track, performance)), performance)
    ended = settle_ends(track, pieces, performance, now_s, is_complete=is_complete)
    return [
        _describe(track, piece, departure, arrival, icao24, registration, aircraft_type, now_s)
        for piece, departure, arrival in ended
    ]


def cut_pieces(track: Sequence[Position], phases: Sequence[Phase], performance: Performance) -> list[Piece]:
    """Flights between ground phases, cut at unseen stops, and flights nobody heard between two places on the ground."""
    pieces: list[Piece] = []
    for number, phase in enumerate(phases):
        before = phases[number - 1] if number > 0 else None
        after = phases[number + 1] if number + 1 < len(phases) else None
        if not phase.is_airborne:
            if after is not None and not after.is_airborne:
                pieces.append(Piece(phase.last, after.first, phase.last, after.first, is_unheard=True))
            continue
        times = [point.at_s for point in track[phase.first : phase.last + 1]]
        gaps = [i for i, gap_s in enumerate(map(sub, times[1:], times), phase.first) if gap_s >= SHORTEST_GAP_S]
        cuts = [i for i in gaps if has_unseen_stop(track, i, i + 1, performance)]
        starts = [phase.first, *(cut + 1 for cut in cuts)]
        stops = [*cuts, phase.last]
        for start, stop in zip(starts, stops, strict=True):
            pieces.append(
                Piece(
                    start,
                    stop,
                    before.last if before is not None and start == phase.first else None,
                    after.first if after is not None and stop == phase.last else None,
                )
            )
    return pieces


def _describe(
    track: Sequence[Position],
    piece: Piece,
    departure: LegEnd | None,
    arrival: LegEnd | None,
    icao24: str,
    registration: str | None,
    aircraft_type: str | None,
    now_s: float | None,
) -> Leg:
    heard = track[piece.first : piece.last + 1]
    times = [point.at_s for point in heard]
    if departure is not None:
        times.insert(0, min(times[0], departure.at.timestamp()))
    if arrival is not None:
        times.append(max(times[-1], arrival.at.timestamp()))
    is_silent = now_s is not None and now_s - track[piece.last].at_s >= LOST_AFTER_S
    is_last = piece.last == len(track) - 1
    if arrival is None or (is_silent and is_last and arrival.evidence is Evidence.UNKNOWN):
        status = "lost" if is_silent else "airborne"
    else:
        status = "gap" if arrival.evidence is Evidence.UNKNOWN else "landed"
    return Leg(
        icao24=icao24,
        registration=registration,
        aircraft_type=aircraft_type,
        callsigns=tuple(filter(None, dict.fromkeys([p.callsign for p in heard]))),
        departure=departure,
        arrival=arrival,
        first_fix=track[piece.first],
        last_fix=track[piece.last],
        max_gap_s=round(max(map(sub, times[1:], times), default=0.0), 1),
        position_count=len(heard),
        status=status,
        is_interpolated=True in [p.is_interpolated for p in heard],
        sources=tuple(sorted(filter(None, {p.source for p in heard}))),
        departure_is_settled=_is_settled(track, piece, departure, None if status == "lost" else arrival),
    )


def _is_settled(track: Sequence[Position], piece: Piece, departure: LegEnd | None, arrival: LegEnd | None) -> bool:
    if departure is None:
        return False
    if arrival is not None:
        return True
    from_s = departure.at.timestamp() + SETTLED_AFTER_S
    return any(
        point.at_s >= from_s and (height_ft(point) or 0) > SETTLED_HEIGHT_FT
        for point in track[piece.first : piece.last + 1]
    )


def reach_nm(last_fix: Position | LastFix, hours: float) -> float:
    """How far an aircraft may be from its last fix after some hours in the air, in nautical miles.

    Jets (seen above 180 kt or 18,000 ft) are given 460 kt or their last speed, others a fifth more than that.
    """
    speed = last_fix.ground_speed_kt or 0.0
    is_fast = speed > 180 or (last_fix.altitude_ft or 0) > 18000
    return round(hours * (max(460.0, speed) if is_fast else max(120.0, speed * 1.2)), 1)
