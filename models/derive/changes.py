"""Compare what is known of an aircraft's legs with what its positions say now, and say what is worth telling. Pure.

A leg is the same leg when the two overlap in time or begin within 30 minutes of each other, whatever the callsign.
Each of departure, landing and lost signal is told once; what was told and is no longer so is corrected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.derive.legs import Leg, reach_nm
from models.vocab.certainty import Basis, Certainty, Evidence
from models.vocab.event import Correction, EventKind, FlightPayload, LastFix, LegEnd
from models.vocab.position import Position

SAME_START_S = 30 * 60
MOVED_AFTER = timedelta(minutes=15)
"""A time told that is wrong by less is not worth a second message."""
LOST_AGAIN_AFTER = timedelta(minutes=30)
"""A later silence of the same leg is told when the aircraft was heard at least so long after the first."""
OLD_NEWS = timedelta(hours=48)
"""What is found so late is kept and not told. Longer than what is looked up after an outage (36 h) and the pause until
that is done (6 h), or the legs looked up would be told to nobody."""
LOST, NOWHERE = "lost signal", "airport not known"
REACH_HOURS = (0.5, 1, 2)
DAY_RECORD_SUFFIX = "_traces"
"""Sources so named publish a whole day afterwards: what they say confirms or corrects what was seen live."""


@dataclass(frozen=True)
class KnownLeg:
    """A leg as stored, or as last told where its row is gone."""

    id: UUID
    departure: LegEnd | None
    arrival: LegEnd | None
    first_fix_at: datetime
    last_fix_at: datetime


@dataclass(frozen=True)
class Told:
    """The latest revision of one event of a leg. ``is_quiet``: it was recorded and nobody was told."""

    event_id: UUID
    revision: int
    payload: FlightPayload
    is_quiet: bool = False


@dataclass(frozen=True)
class Context:
    """What a message says beside the leg itself. ``clock_at``: the present by the sources' clock."""

    leg_id: UUID
    registration: str | None
    operator: str | None
    clock_at: datetime
    looked_at: datetime | None


@dataclass(frozen=True)
class News:
    """One event to record."""

    kind: EventKind
    dedupe_key: str
    revision: int
    supersedes_id: UUID | None
    certainty: Certainty
    occurred_at: datetime
    payload: FlightPayload
    is_quiet: bool


@dataclass(frozen=True)
class Pairing:
    """Which derived leg is which known one; None for a leg nobody knew. ``vanished``: known, and not so."""

    pairs: tuple[tuple[KnownLeg | None, Leg], ...]
    vanished: tuple[KnownLeg, ...]


def pair_legs(known: Sequence[KnownLeg], derived: Sequence[Leg]) -> Pairing:
    """Find each derived leg among the known ones: longest overlap first, then nearest start; each is used once."""
    candidates = []
    for i, leg in enumerate(derived):
        for j, earlier in enumerate(known):
            overlap_s = min(end_s(leg), _known_end_s(earlier)) - max(start_s(leg), _known_start_s(earlier))
            apart_s = abs(start_s(leg) - _known_start_s(earlier))
            if overlap_s > 0 or apart_s <= SAME_START_S:
                candidates.append((max(overlap_s, 0.0), -apart_s, i, j))
    found: dict[int, int] = {}
    for _overlap_s, _apart_s, i, j in sorted(candidates, reverse=True):
        if i not in found and j not in found.values():
            found[i] = j
    return Pairing(
        pairs=tuple((known[found[i]] if i in found else None, leg) for i, leg in enumerate(derived)),
        vanished=tuple(earlier for j, earlier in enumerate(known) if j not in found.values()),
    )


def find_news(leg: Leg, told: Mapping[EventKind, Told], context: Context) -> list[News]:
    """What is worth telling of a leg, given the latest that was told of it by kind (departed, landed, signal_lost)."""
    was_lost = EventKind.FLIGHT_SIGNAL_LOST in told or leg.status == "lost"
    payload = describe_leg(leg, context, was_lost=was_lost)
    departure = leg.departure if leg.departure_is_settled and _is_known(leg.departure) else None
    arrival = leg.arrival if _is_known(leg.arrival) else None
    news: list[News] = [
        *_compare_end(EventKind.FLIGHT_DEPARTED, "departure", departure, told, payload, context),
        *_compare_lost(leg, told, payload, context),
        *_compare_end(EventKind.FLIGHT_LANDED, "landing", arrival, told, payload, context),
    ]
    # A departure that is not yet settled again, as after a late position, has not been disproved.
    if leg.departure is not None and departure is None:
        return [item for item in news if not _retracts(item, "departure")]
    return news


def retract_leg(told: Mapping[EventKind, Told], context: Context) -> list[News]:
    """What to tell when a leg turns out not to have been: everything told of it is taken back."""
    news: list[News] = []
    for kind, what in ((EventKind.FLIGHT_DEPARTED, "departure"), (EventKind.FLIGHT_LANDED, "landing")):
        if kind in told:
            blank = told[kind].payload.model_copy(
                update={"departure": None, "arrival": None, "corrections": (), "last_looked_at": context.looked_at}
            )
            news.extend(_compare_end(kind, what, None, told, blank, context))
    return [*news, *_retract_lost(told.get(EventKind.FLIGHT_SIGNAL_LOST), context)]


def describe_leg(leg: Leg, context: Context, *, was_lost: bool = False) -> FlightPayload:
    """A leg as messages carry it."""
    return FlightPayload(
        leg_id=str(context.leg_id),
        icao24=leg.icao24,
        registration=context.registration or leg.registration,
        operator=context.operator,
        callsigns=leg.callsigns,
        departure=leg.departure,
        arrival=None if leg.status == "lost" else leg.arrival,
        last_fix=to_last_fix(leg.last_fix),
        basis=Basis.INTERPOLATED if leg.is_interpolated else Basis.OBSERVED,
        sources=leg.sources,
        last_looked_at=context.looked_at,
        signal_was_lost=was_lost,
    )


def judge_standing(known: KnownLeg | None, standing: str | None, leg: Leg) -> str:
    """provisional until a day record speaks of the leg, then confirmed, or revised where it moved an end."""
    if not any(source.endswith(DAY_RECORD_SUFFIX) for source in leg.sources):
        return "provisional"
    if standing in {"confirmed", "revised"} or known is None:
        return standing if standing in {"confirmed", "revised"} else "confirmed"
    moved = [
        *list_corrections("departure", known.departure if _is_known(known.departure) else None, leg.departure),
        *list_corrections("landing", known.arrival if _is_known(known.arrival) else None, leg.arrival),
    ]
    return "revised" if any(correction.told not in (None, NOWHERE) for correction in moved) else "confirmed"


def list_corrections(what: str, told: LegEnd | None, now: LegEnd | None) -> tuple[Correction, ...]:
    """In what one end of a leg differs from what was told, as far as it is worth a message."""
    if told is None or now is None:
        if told is None and now is None:
            return ()
        return (Correction(what=what, told=_name_end(told), now=_name_end(now)),)
    corrections = []
    if told.airport != now.airport:
        corrections.append(Correction(what=f"{what} airport", told=told.airport or NOWHERE, now=now.airport or NOWHERE))
    if abs(told.at - now.at) > MOVED_AFTER:
        corrections.append(Correction(what=f"{what} time", told=told.at.isoformat(), now=now.at.isoformat()))
    return tuple(corrections)


def to_last_fix(position: Position) -> LastFix:
    """The last position of a leg as messages carry it."""
    return LastFix(
        at=datetime.fromtimestamp(position.at_s, UTC),
        latitude=position.latitude,
        longitude=position.longitude,
        altitude_ft=position.altitude_ft,
        ground_speed_kt=position.ground_speed_kt,
        track_deg=position.track_deg,
    )


def start_s(leg: Leg) -> float:
    """When a derived leg begins, in epoch seconds."""
    return leg.departure.at.timestamp() if leg.departure else leg.first_fix.at_s


def end_s(leg: Leg) -> float:
    """When a derived leg ends, or was last heard, in epoch seconds."""
    return max(leg.arrival.at.timestamp() if leg.arrival else 0, leg.last_fix.at_s)


def make_dedupe_key(kind: EventKind, leg_id: UUID | str) -> str:
    """The name under which one thing about one leg is told only once."""
    return f"{kind.value}:{leg_id}"


def _compare_end(
    kind: EventKind,
    what: str,
    end: LegEnd | None,
    told: Mapping[EventKind, Told],
    payload: FlightPayload,
    context: Context,
) -> Iterable[News]:
    before = told.get(kind)
    key = make_dedupe_key(kind, context.leg_id)
    if before is None:
        if end is not None:
            is_quiet = _is_old_news(end.at, told, context)
            yield News(kind, key, 1, None, end.certainty, end.at, payload, is_quiet)
        return
    told_end = before.payload.departure if kind is EventKind.FLIGHT_DEPARTED else before.payload.arrival
    corrections = list_corrections(what, told_end, end)
    if not corrections:
        return
    # What the message says of this end must be what is remembered as told of it.
    field = "departure" if kind is EventKind.FLIGHT_DEPARTED else "arrival"
    corrected = payload.model_copy(update={"corrections": corrections, field: end})
    latest = end or told_end
    assert latest is not None
    yield News(
        EventKind.FLIGHT_CORRECTED,
        key,
        before.revision + 1,
        before.event_id,
        latest.certainty,
        latest.at,
        corrected,
        before.is_quiet,
    )


def _compare_lost(leg: Leg, told: Mapping[EventKind, Told], payload: FlightPayload, context: Context) -> Iterable[News]:
    if leg.status != "lost":
        return
    before = told.get(EventKind.FLIGHT_SIGNAL_LOST)
    last_fix = to_last_fix(leg.last_fix)
    told_fix = before.payload.last_fix if before and not _is_taken_back(before) else None
    if told_fix is not None and last_fix.at < told_fix.at + LOST_AGAIN_AFTER:
        return
    reach = {f"{hours:g}": reach_nm(leg.last_fix, hours) for hours in REACH_HOURS}
    yield News(
        EventKind.FLIGHT_SIGNAL_LOST,
        make_dedupe_key(EventKind.FLIGHT_SIGNAL_LOST, context.leg_id),
        before.revision + 1 if before else 1,
        before.event_id if before else None,
        Certainty.CONFIRMED,
        last_fix.at,
        payload.model_copy(update={"reach_nm": reach}),
        _is_old_news(last_fix.at, told, context),
    )


def _retract_lost(before: Told | None, context: Context) -> Iterable[News]:
    if before is None or _is_taken_back(before) or before.payload.last_fix is None:
        return
    lost_at = before.payload.last_fix.at
    correction = Correction(what=LOST, told=lost_at.isoformat(), now=None)
    yield News(
        EventKind.FLIGHT_CORRECTED,
        make_dedupe_key(EventKind.FLIGHT_SIGNAL_LOST, context.leg_id),
        before.revision + 1,
        before.event_id,
        Certainty.CONFIRMED,
        lost_at,
        before.payload.model_copy(
            update={
                "departure": None,
                "arrival": None,
                "reach_nm": {},
                "corrections": (correction,),
                "last_looked_at": context.looked_at,
            }
        ),
        before.is_quiet,
    )


def _is_taken_back(lost: Told) -> bool:
    """Whether the latest that was told of a lost signal is that there was none."""
    return any(correction.what == LOST and correction.now is None for correction in lost.payload.corrections)


def _is_old_news(at: datetime, told: Mapping[EventKind, Told], context: Context) -> bool:
    """Whether something comes too late to be told; who heard one part of a leg is told the rest however late."""
    return at < context.clock_at - OLD_NEWS and all(item.is_quiet for item in told.values())


def _retracts(item: News, what: str) -> bool:
    return any(correction.what == what and correction.now is None for correction in item.payload.corrections)


def _is_known(end: LegEnd | None) -> bool:
    """Whether an end is worth telling: it rests on something, even if on nothing that names the airport."""
    return end is not None and end.evidence is not Evidence.UNKNOWN


def _name_end(end: LegEnd | None) -> str | None:
    if end is None:
        return None
    return f"{end.airport or NOWHERE}, {end.at.isoformat(timespec='minutes')}"


def _known_start_s(leg: KnownLeg) -> float:
    return (leg.departure.at if leg.departure else leg.first_fix_at).timestamp()


def _known_end_s(leg: KnownLeg) -> float:
    return max(leg.arrival.at if leg.arrival else leg.last_fix_at, leg.last_fix_at).timestamp()
