"""What is told of a leg, what is taken back, and what is not worth a second message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flows.schedule import JOBS
from flows.watch import GAP_REACH
from models.derive.changes import Context, KnownLeg, News, Told, find_news, judge_standing, pair_legs, retract_leg
from models.derive.legs import Leg
from models.vocab.certainty import Certainty, Evidence
from models.vocab.event import EventKind, FlightPayload, LegEnd
from models.vocab.position import Position

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
LEG_ID = UUID(int=7)
LANDED_AT = NOON + timedelta(minutes=60)
CONFIRM_EVERY_S = next(job.live_every_s for job in JOBS if job.name == "confirm")
CONTEXT = Context(LEG_ID, "N1", "Operator", NOON + timedelta(hours=2), NOON + timedelta(hours=2))


def minute(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def end(number: float, airport: str | None, evidence: Evidence = Evidence.GROUND_OBSERVED) -> LegEnd:
    return LegEnd(at=minute(number), airport=airport, evidence=evidence, certainty=evidence.certainty)


def fix(number: float) -> Position:
    return Position(minute(number).timestamp(), 30.0, -95.0, 31000, ground_speed_kt=420, track_deg=250)


def make_leg(**values: object) -> Leg:
    leg = Leg(
        icao24="a1b2c3",
        registration=None,
        aircraft_type="B738",
        callsigns=("TST1",),
        departure=end(0, "KAEX"),
        arrival=None,
        first_fix=fix(1),
        last_fix=fix(30),
        max_gap_s=60,
        position_count=30,
        status="airborne",
        is_interpolated=False,
        sources=("adsb_lol",),
        departure_is_settled=True,
    )
    return replace(leg, **values)  # type: ignore[arg-type]


LANDED = make_leg(arrival=end(60, "KSAT"), last_fix=fix(60), status="landed")


class Audience:
    """Someone who is told everything, and remembers it as the database does."""

    def __init__(self) -> None:
        self.told: dict[EventKind, Told] = {}
        self.heard: list[News] = []

    def tell(self, news: list[News]) -> list[str]:
        for item in news:
            kind = EventKind(item.dedupe_key.partition(":")[0])
            self.told[kind] = Told(UUID(int=len(self.heard) + 100), item.revision, item.payload, item.is_quiet)
            self.heard.append(item)
        return [item.kind.value for item in news]

    def hear(self, leg: Leg) -> list[str]:
        return self.tell(find_news(leg, self.told, CONTEXT))


def test_departure_is_told_when_it_is_settled_and_only_then() -> None:
    audience = Audience()
    assert audience.hear(make_leg(departure_is_settled=False)) == []
    assert audience.hear(make_leg()) == ["flight.departed"]
    assert audience.hear(make_leg(departure_is_settled=False)) == []
    assert audience.hear(make_leg(departure=end(10, "KAEX", Evidence.LOW_OBSERVED))) == []


def test_ends_nobody_can_name_are_not_told() -> None:
    audience = Audience()
    assert audience.hear(make_leg(departure=end(0, None, Evidence.UNKNOWN))) == []
    assert audience.hear(make_leg(departure=None)) == []
    assert audience.hear(replace(LANDED, departure=None, arrival=end(60, None, Evidence.UNKNOWN), status="gap")) == []


def test_end_that_was_observed_is_told_where_its_airport_is_not_known() -> None:
    audience = Audience()
    climbing = make_leg(departure=end(0, None, Evidence.INFERRED_GAP))
    assert audience.hear(climbing) == ["flight.departed"]
    descended = replace(climbing, arrival=end(60, None, Evidence.INFERRED_GAP), last_fix=fix(60), status="landed")
    assert audience.hear(descended) == ["flight.landed"]
    assert [item.certainty for item in audience.heard] == [Certainty.POSSIBLE, Certainty.POSSIBLE]
    assert audience.hear(replace(descended, departure=end(0, "KAEX"))) == ["flight.corrected"]
    assert [(c.told, c.now) for c in audience.heard[-1].payload.corrections] == [("airport not known", "KAEX")]


def test_landing_elsewhere_or_at_another_time_is_corrected_once_and_names_what_was_told() -> None:
    audience = Audience()
    audience.hear(LANDED)
    moved = replace(LANDED, arrival=end(90, "KELP"))
    assert audience.hear(moved) == ["flight.corrected"]
    assert audience.hear(moved) == []
    item = audience.heard[-1]
    assert (item.revision, item.supersedes_id) == (2, UUID(int=101))
    assert [(c.what, c.told, c.now) for c in item.payload.corrections] == [
        ("landing airport", "KSAT", "KELP"),
        ("landing time", minute(60).isoformat(), minute(90).isoformat()),
    ]
    assert audience.hear(LANDED) == ["flight.corrected"]


def test_a_landing_that_was_none_is_taken_back_and_told_again_when_it_comes() -> None:
    audience = Audience()
    audience.hear(LANDED)
    assert audience.hear(make_leg()) == ["flight.corrected"]
    assert audience.heard[-1].payload.arrival is None
    assert audience.hear(make_leg()) == []
    assert audience.hear(LANDED) == ["flight.corrected"]
    assert audience.hear(LANDED) == []


def test_lost_signal_tells_how_far_the_aircraft_may_be_and_a_second_silence_is_told_again() -> None:
    audience = Audience()
    lost = make_leg(status="lost")
    assert audience.hear(lost) == ["flight.departed", "flight.signal_lost"]
    payload = audience.heard[-1].payload
    assert payload.reach_nm == {"0.5": 230.0, "1": 460.0, "2": 920.0}
    assert payload.last_fix is not None
    assert payload.last_fix.track_deg == 250
    assert audience.hear(replace(lost, last_fix=fix(35))) == []
    assert audience.hear(make_leg(last_fix=fix(90))) == []
    assert audience.hear(replace(lost, last_fix=fix(100))) == ["flight.signal_lost"]
    assert audience.hear(replace(LANDED, arrival=end(140, "KSAT"), last_fix=fix(139))) == ["flight.landed"]
    assert audience.heard[-1].payload.signal_was_lost


def test_leg_that_vanishes_is_taken_back_once_and_an_untold_one_silently() -> None:
    audience = Audience()
    assert audience.tell(retract_leg({}, CONTEXT)) == []
    audience.hear(LANDED)
    assert audience.tell(retract_leg(audience.told, CONTEXT)) == ["flight.corrected", "flight.corrected"]
    assert [item.payload.corrections[0].now for item in audience.heard[-2:]] == [None, None]
    assert audience.tell(retract_leg(audience.told, CONTEXT)) == []


def test_old_news_is_quiet_and_so_is_what_corrects_it() -> None:
    late = replace(CONTEXT, clock_at=NOON + timedelta(days=3))
    (departed, landed) = find_news(LANDED, {}, late)
    assert departed.is_quiet
    assert landed.is_quiet
    told = {EventKind.FLIGHT_LANDED: Told(UUID(int=1), 1, landed.payload, is_quiet=True)}
    corrected = find_news(replace(LANDED, arrival=end(60, "KELP")), told, CONTEXT)[-1]
    assert (corrected.kind, corrected.is_quiet) == (EventKind.FLIGHT_CORRECTED, True)


def test_what_is_looked_up_after_a_long_outage_is_still_told() -> None:
    found_at = replace(CONTEXT, clock_at=LANDED_AT + GAP_REACH + timedelta(seconds=CONFIRM_EVERY_S))
    assert [item.is_quiet for item in find_news(LANDED, {}, found_at)] == [False, False]


def test_rest_of_a_leg_is_told_however_late_to_those_who_heard_a_part_of_it() -> None:
    late = replace(CONTEXT, clock_at=NOON + timedelta(days=5))
    (departed,) = find_news(make_leg(), {}, CONTEXT)
    for is_quiet in (False, True):
        told = {EventKind.FLIGHT_DEPARTED: Told(UUID(int=1), 1, departed.payload, is_quiet)}
        assert [item.is_quiet for item in find_news(LANDED, told, late)] == [is_quiet]
        assert [item.is_quiet for item in find_news(make_leg(status="lost"), told, late)] == [is_quiet]


def test_lost_signal_of_a_leg_that_vanishes_is_taken_back_once_and_told_again_when_it_is_lost_after_all() -> None:
    audience = Audience()
    lost = make_leg(status="lost", departure=None)
    assert audience.hear(lost) == ["flight.signal_lost"]
    assert audience.tell(retract_leg(audience.told, CONTEXT)) == ["flight.corrected"]
    item = audience.heard[-1]
    assert (item.revision, item.supersedes_id, item.payload.reach_nm) == (2, UUID(int=100), {})
    assert [(c.what, c.told, c.now) for c in item.payload.corrections] == [
        ("lost signal", minute(30).isoformat(), None)
    ]
    assert audience.tell(retract_leg(audience.told, CONTEXT)) == []
    assert audience.hear(lost) == ["flight.signal_lost"]


def known(number: int, start: float, stop: float) -> KnownLeg:
    return KnownLeg(UUID(int=number), end(start, "KAEX"), end(stop, "KSAT"), minute(start), minute(stop))


def test_legs_are_recognised_by_time_never_by_callsign() -> None:
    first = replace(LANDED, callsigns=("OTHER1",))
    second = make_leg(departure=end(95, "KSAT"), arrival=end(160, "KELP"), first_fix=fix(96), last_fix=fix(159))
    pairing = pair_legs([known(1, 5, 58), known(2, 100, 150), known(3, 400, 460)], [first, second])
    assert [earlier.id.int if earlier else None for earlier, _ in pairing.pairs] == [1, 2]
    assert [earlier.id.int for earlier in pairing.vanished] == [3]


def test_of_two_parts_of_one_leg_the_longer_keeps_its_name() -> None:
    whole = replace(LANDED, last_fix=fix(60))
    pairing = pair_legs([known(1, 0, 10), known(2, 15, 60)], [whole])
    assert pairing.pairs[0][0] == known(2, 15, 60)
    assert [earlier.id.int for earlier in pairing.vanished] == [1]


def test_day_record_confirms_a_leg_or_revises_it() -> None:
    live = known(1, 0, 60)
    traced = replace(LANDED, sources=("adsb_lol", "adsb_lol_traces"))
    assert judge_standing(None, None, LANDED) == "provisional"
    assert judge_standing(live, "provisional", traced) == "confirmed"
    assert judge_standing(live, "provisional", replace(traced, arrival=end(60, "KELP"))) == "revised"
    assert judge_standing(live, "revised", traced) == "revised"
    assert judge_standing(replace(live, arrival=None), "provisional", traced) == "confirmed"


def test_certainty_of_the_news_is_that_of_its_end() -> None:
    (departed,) = find_news(make_leg(departure=end(0, "KAEX", Evidence.INFERRED_GAP)), {}, CONTEXT)
    assert departed.certainty is Certainty.POSSIBLE
    assert isinstance(departed.payload, FlightPayload)
    assert departed.payload.operator == "Operator"
