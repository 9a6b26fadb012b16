"""What must hold of the legs of any positions whatever, real, torn or hostile."""

import random
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.derive.legs import Leg, derive_legs
from models.derive.phases import LEAST_STOP_S
from models.vocab.airport import find_airport
from models.vocab.certainty import Evidence
from models.vocab.position import Position
from tests.models.derive.made_flights import START_S, fly, park, thin

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
FIELDS = ("KAEX", "KELP", "KIWA", "KMIA", "KDEN", "KBRO", "MHLM", "MGGT")


def derive(positions: list[Position], aircraft_type: str | None = "B738") -> list[Leg]:
    return derive_legs(positions, icao24="a0b1c2", aircraft_type=aircraft_type)


def check_invariants(legs: list[Leg], *, is_jet: bool = True) -> None:
    instants = [end.at for leg in legs for end in (leg.departure, leg.arrival) if end is not None]
    assert instants == sorted(instants), "legs in order of time, not overlapping"
    for earlier, later in pairwise(legs):
        assert earlier.last_fix.at_s <= later.first_fix.at_s
        assert earlier.arrival is not None, "a leg that is followed by another has ended"
        assert later.departure is not None
        for one, other in ((earlier.departure, later.departure), (earlier.arrival, later.arrival)):
            if one is None or other is None:
                continue
            if one.evidence is other.evidence is Evidence.GROUND_OBSERVED:
                assert abs((other.at - one.at).total_seconds()) >= LEAST_STOP_S, "near-duplicate ends"
    for leg in legs:
        assert leg.position_count >= 1
        for end, fix in ((leg.departure, leg.first_fix), (leg.arrival, leg.last_fix)):
            if end is None:
                continue
            if end.airport is None:
                continue
            airport = find_airport(end.airport)
            assert airport is not None
            assert airport.kind not in ("heliport", "seaplane")
            if is_jet:
                assert (airport.longest_runway_ft or 0) >= 5000, "a field too short for a jet"
            if end.evidence is Evidence.LOW_OBSERVED:
                assert fix.altitude_ft is not None
                assert fix.altitude_ft < (airport.elevation_ft or 0) + 1600, "high-altitude airport snap"


@st.composite
def days(draw: st.DrawFn) -> list[Position]:
    """A day of one jet: some flights with ground stays, heard badly."""
    here = draw(st.sampled_from(FIELDS))
    positions = park(here, START_S, 900, step_s=10)
    for _ in range(draw(st.integers(1, 3))):
        there = draw(st.sampled_from([code for code in FIELDS if code != here]))
        positions += fly(here, there, positions[-1].at_s + 10, step_s=10)
        positions += park(there, positions[-1].at_s + 10, draw(st.integers(1500, 9000)), step_s=10)
        here = there
    return positions


@given(positions=days(), seed=st.integers(0, 10**6))
@SETTINGS
def test_order_and_repeats_of_the_input_change_nothing(positions: list[Position], seed: int) -> None:
    shuffled = positions + positions[::3]
    random.Random(seed).shuffle(shuffled)
    assert derive(shuffled) == derive(positions)


@given(positions=days(), share=st.floats(0.02, 0.9), seed=st.integers(0, 10**6))
@SETTINGS
def test_invariants_hold_however_badly_it_was_heard(positions: list[Position], share: float, seed: int) -> None:
    rng = random.Random(seed)
    heard = [p for p in positions if rng.random() < share]
    holes = [(rng.choice(positions).at_s, rng.uniform(600, 9000)) for _ in range(rng.randrange(4))]
    heard = [p for p in heard if not any(begin < p.at_s < begin + lasted for begin, lasted in holes)]
    legs = derive(heard)
    check_invariants(legs)


@given(positions=days(), phase=st.integers(0, 59))
@SETTINGS
def test_a_poll_a_minute_sees_every_leg(positions: list[Position], phase: int) -> None:
    whole = derive(positions)
    polled = derive(thin([p for p in positions if p.at_s >= START_S + phase], 60))
    assert [(leg.departure.airport, leg.arrival.airport) for leg in whole if leg.departure and leg.arrival] == [
        (leg.departure.airport, leg.arrival.airport) for leg in polled if leg.departure and leg.arrival
    ]
    for one, other in zip(whole, polled, strict=True):
        for end, seen in ((one.departure, other.departure), (one.arrival, other.arrival)):
            assert end is not None
            assert seen is not None
            assert abs((end.at - seen.at).total_seconds()) <= 120


@given(positions=days(), cut=st.floats(0.05, 0.95))
@SETTINGS
def test_no_turnaround_is_fused_and_a_cut_invents_nothing(positions: list[Position], cut: float) -> None:
    whole = derive(positions)
    known = {end.airport for leg in whole for end in (leg.departure, leg.arrival) if end is not None}
    part = derive(positions[: int(len(positions) * cut)])
    assert len(part) <= len(whole)
    for leg in part:
        for end in (leg.departure, leg.arrival):
            assert end is None or end.airport in known
    for leg in whole:
        assert leg.departure is not None
        assert leg.arrival is not None
        assert leg.departure.airport != leg.arrival.airport


positions_of_any_kind = st.builds(
    Position,
    at_s=st.floats(START_S, START_S + 86400),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    altitude_ft=st.none() | st.floats(-2000, 60000),
    on_ground=st.none() | st.booleans(),
    ground_speed_kt=st.none() | st.floats(0, 800),
    track_deg=st.none() | st.floats(0, 360),
    vertical_rate_fpm=st.none() | st.floats(-9000, 9000),
    callsign=st.none() | st.sampled_from(["A", "B"]),
    is_stale=st.booleans(),
    qnh_hpa=st.none() | st.floats(0, 2000),
)


@given(positions=st.lists(positions_of_any_kind, max_size=60))
@settings(max_examples=150, deadline=None)
def test_nonsense_breaks_nothing(positions: list[Position]) -> None:
    check_invariants(derive(positions, None), is_jet=False)


@given(steps=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.booleans(), st.floats(0, 200)), max_size=80))
@settings(max_examples=100, deadline=None)
def test_nonsense_around_one_field_breaks_nothing(steps: list[tuple[float, float, bool, float]]) -> None:
    positions = [
        Position(START_S + 60 * i, 31.8 + y / 20, -106.4 + x / 20, None if ground else 4500.0, ground, speed)
        for i, (y, x, ground, speed) in enumerate(steps)
    ]
    check_invariants(derive(positions, None), is_jet=False)
