"""Cases no recorded trace shows: each is a mistake that would alarm or fail the people who wait for the alert."""

import random

import pytest

from models.derive.legs import Leg, derive_legs, reach_nm
from models.derive.measures import apart_nm
from models.vocab.certainty import Certainty, Evidence
from models.vocab.position import Position
from tests.models.derive.made_flights import (
    JET,
    LIGHT,
    START_S,
    field,
    fly,
    move,
    park,
    runway_point,
    shift,
    since,
    thin,
    until,
)


def derive(positions: list[Position], aircraft_type: str | None = "B738", now_s: float | None = None) -> list[Leg]:
    return derive_legs(positions, icao24="a0b1c2", aircraft_type=aircraft_type, now_s=now_s)


def ends(legs: list[Leg]) -> list[tuple[str | None, str | None]]:
    return [
        (leg.departure.airport if leg.departure else "-", leg.arrival.airport if leg.arrival else "-") for leg in legs
    ]


def test_a_flight_is_one_leg_with_ground_seen_at_both_ends() -> None:
    flight = fly("KAEX", "KELP")
    [leg] = derive(park("KAEX", START_S - 900, 900) + flight + park("KELP", flight[-1].at_s + 5, 900))
    assert leg.departure is not None
    assert leg.arrival is not None
    assert (leg.departure.airport, leg.arrival.airport, leg.status) == ("KAEX", "KELP", "landed")
    assert leg.departure.evidence is leg.arrival.evidence is Evidence.GROUND_OBSERVED
    assert leg.departure.certainty is Certainty.CONFIRMED
    assert abs(leg.departure.at.timestamp() - START_S - 34) < 15
    assert abs(leg.arrival.at.timestamp() - flight[-1].at_s + 22) < 20
    assert leg.departure_is_settled
    assert leg.callsigns == ("TST1",)


@pytest.mark.parametrize(("origin", "destination"), [("KDEN", "KELP"), ("KSLC", "KDEN"), ("SLLP", "SPJC")])
def test_high_fields_are_not_taken_for_height(origin: str, destination: str) -> None:
    flight = fly(origin, destination)
    legs = derive(park(origin, START_S - 600, 600) + flight + park(destination, flight[-1].at_s + 5, 600))
    assert ends(legs) == [(origin, destination)]


@pytest.mark.parametrize("error_ft", [-400, 400, 900])
def test_pressure_altitude_errors_move_no_end(error_ft: float) -> None:
    flight = fly("KMIA", "KAEX")
    wrong = [p if p.altitude_ft is None else p._replace(altitude_ft=p.altitude_ft + error_ft) for p in flight]
    legs = derive(park("KMIA", START_S - 600, 600) + wrong + park("KAEX", flight[-1].at_s + 5, 600))
    assert ends(legs) == [("KMIA", "KAEX")]


def test_a_go_around_is_not_a_landing() -> None:
    first = fly("KAEX", "KELP")
    low = until(first, field("KELP").elevation_ft + 200)  # type: ignore[operator]
    again = [p for p in fly("KELP", "KELP", low[-1].at_s - 40, via_nm=18) if not p.on_ground]
    legs = derive(park("KAEX", START_S - 600, 600) + low + again + park("KELP", again[-1].at_s + 60, 600))
    assert ends(legs) == [("KAEX", "KELP")]


def test_a_low_pass_over_another_field_is_not_a_landing() -> None:
    flight = fly("KAEX", "KELP")
    low = [
        p._replace(altitude_ft=field("KSAT").elevation_ft + 300)  # type: ignore[operator]
        if 600 < p.at_s - flight[len(flight) // 2].at_s < 660
        else p
        for p in flight
    ]
    legs = derive(park("KAEX", START_S - 600, 600) + low + park("KELP", flight[-1].at_s + 5, 600))
    assert ends(legs) == [("KAEX", "KELP")]


def test_a_touch_and_go_does_not_split_a_flight() -> None:
    first = fly("KCLL", "KCLL", craft=LIGHT, via_nm=8, callsign="N12345")
    rolling = [p for p in first if not (p.on_ground and p.at_s > START_S + 200 and (p.ground_speed_kt or 0) < 50)]
    second = shift(
        since(fly("KCLL", "KCLL", craft=LIGHT, via_nm=8, callsign="N12345"), 400), rolling[-1].at_s - START_S
    )
    legs = derive(park("KCLL", START_S - 300, 300) + rolling + second, "C172")
    assert len(legs) == 1


def test_light_aircraft_flying_home_to_their_field_make_a_leg_each() -> None:
    one = fly("KCLL", "KCLL", craft=LIGHT, via_nm=12)
    pause = park("KCLL", one[-1].at_s + 5, 1200)
    two = fly("KCLL", "KCLL", pause[-1].at_s + 5, craft=LIGHT, via_nm=12)
    assert ends(derive(park("KCLL", START_S - 300, 300) + one + pause + two, "C172")) == [("KCLL", "KCLL")] * 2


def test_flicker_of_the_ground_flag_makes_no_event() -> None:
    rng = random.Random(4)
    parked = park("KIAD", START_S, 6 * 3600)
    flickering = [
        p._replace(on_ground=False, altitude_ft=float(rng.choice((-75, 50, 275)))) if rng.random() < 0.1 else p
        for p in parked
    ]
    assert derive(flickering) == []


def test_a_flag_that_toggles_during_the_roll_gives_one_departure() -> None:
    flight = fly("KIAD", "KSFO", step_s=1)
    toggling = [
        p._replace(on_ground=False, altitude_ft=250.0) if p.on_ground and (p.ground_speed_kt or 0) > 60 and i % 3 else p
        for i, p in enumerate(flight)
    ]
    legs = derive(park("KIAD", START_S - 600, 600) + toggling + park("KSFO", flight[-1].at_s + 5, 600))
    assert ends(legs) == [("KIAD", "KSFO")]
    assert abs(legs[0].departure.at.timestamp() - START_S - 34) < 15  # type: ignore[union-attr]


def test_a_rejected_take_off_is_no_departure() -> None:
    rolling = [p for p in fly("KIAD", "KSFO", step_s=2) if p.on_ground and p.at_s < START_S + 100]
    braking = [
        rolling[-1]._replace(at_s=rolling[-1].at_s + i, ground_speed_kt=max(0.0, 140.0 - 4 * i)) for i in range(1, 60)
    ]
    rejected = park("KIAD", START_S - 600, 600) + rolling + braking
    assert derive(rejected) == []
    assert derive([p._replace(on_ground=None, altitude_ft=300.0) for p in rejected]) == []


def test_a_stuck_ground_speed_is_not_a_flight() -> None:
    parked = [p._replace(on_ground=None, altitude_ft=0.0, ground_speed_kt=135.0) for p in park("KIAD", START_S, 3600)]
    assert derive(parked) == []


def test_a_vehicle_driving_about_the_field_never_departs() -> None:
    latitude, longitude = runway_point(field("KMCI"))
    driving = [
        Position(START_S + 10 * i, *move(latitude, longitude, 7 * i, 1.2), None, True, 45.0, 0.0, source="made")
        for i in range(600)
    ]
    assert derive(driving, None) == []


def test_taxi_without_take_off_is_no_departure() -> None:
    taxi = [p for p in fly("KPBI", "KAEX") if (p.ground_speed_kt or 0) < 90 and p.on_ground and p.at_s < START_S + 60]
    assert derive(park("KPBI", START_S - 600, 600, callsign="SWA936") + taxi) == []


def test_a_short_turn_polled_once_a_minute_is_two_legs() -> None:
    one = fly("KAEX", "KELP", callsign="GXA6100")
    pause = park("KELP", one[-1].at_s + 5, 25 * 60)
    two = fly("KELP", "MMMX", pause[-1].at_s + 5, callsign="GXA6100")
    after = park("MMMX", two[-1].at_s + 5, 1200)
    for phase in range(0, 60, 7):
        polled = thin(park("KAEX", START_S - 300 - phase, 300 + phase) + one + pause + two + after, 60)
        legs = derive(polled)
        assert ends(legs) == [("KAEX", "KELP"), ("KELP", "MMMX")]
        assert abs(legs[0].arrival.at.timestamp() - one[-1].at_s) < 120  # type: ignore[union-attr]


def test_sources_without_a_ground_flag_give_the_same_legs() -> None:
    flight = fly("LIRF", "LLBG")
    whole = park("LIRF", START_S - 1200, 1200) + flight + park("LLBG", flight[-1].at_s + 5, 1200)
    bare = [p._replace(on_ground=None, altitude_ft=0.0 if p.on_ground else p.altitude_ft) for p in whole]
    [leg] = derive(bare, None)
    assert leg.departure is not None
    assert leg.arrival is not None
    assert (leg.departure.airport, leg.arrival.airport) == ("LIRF", "LLBG")
    assert abs(leg.departure.at.timestamp() - START_S - 34) < 60


def test_a_diversion_lands_where_it_landed() -> None:
    planned = fly("KAEX", "KELP")
    turned = [p for p in planned if p.at_s < START_S + 3000]
    here = turned[-1]
    onward = [p for p in fly("KAEX", "KSAT") if p.at_s > START_S + 1200]
    flown = turned + shift(onward, here.at_s + apart_nm(here, onward[0]) / 420 * 3600 - onward[0].at_s)
    [leg] = derive(park("KAEX", START_S - 600, 600) + flown + park("KSAT", flown[-1].at_s + 5, 600))
    assert leg.arrival is not None
    assert leg.arrival.airport == "KSAT"


def test_lost_in_descent_is_said_to_be_possible_and_only_after_silence() -> None:
    flight = fly("KMIA", "KAEX")
    lost = until(flight, 5000)
    last_s = lost[-1].at_s
    before = park("KMIA", START_S - 600, 600)
    [leg] = derive(before + lost, now_s=last_s + 600)
    assert (leg.arrival, leg.status) == (None, "airborne")
    [leg] = derive(before + lost, now_s=last_s + 25 * 60)
    assert (leg.arrival, leg.status) == (None, "lost")
    [leg] = derive(before + lost, now_s=last_s + 40 * 60)
    assert leg.arrival is not None
    assert (leg.arrival.airport, leg.arrival.evidence) == ("KAEX", Evidence.INFERRED_GAP)
    assert leg.arrival.certainty is Certainty.POSSIBLE
    assert abs(leg.arrival.at.timestamp() - flight[-1].at_s) < 600


def test_low_on_approach_is_a_landing_only_after_a_quarter_of_an_hour() -> None:
    lost = until(fly("KMIA", "KAEX"), 600)
    last_s = lost[-1].at_s
    [leg] = derive(lost, now_s=last_s + 14 * 60)
    assert leg.arrival is None
    [leg] = derive(lost, now_s=last_s + 16 * 60)
    assert leg.arrival is not None
    assert (leg.arrival.airport, leg.arrival.evidence) == ("KAEX", Evidence.LOW_OBSERVED)


def test_only_a_closed_record_that_ends_on_short_final_ends_with_a_landing() -> None:
    lost = until(fly("KMIA", "KAEX"), 500)
    assert derive(lost)[0].arrival is None
    [leg] = derive_legs(lost, icao24="a0b1c2", aircraft_type="B738", is_complete=True)
    assert leg.arrival is not None
    assert (leg.arrival.airport, leg.arrival.evidence) == ("KAEX", Evidence.LOW_OBSERVED)
    midnight_s = START_S - START_S % 86400 + 86400
    [leg] = derive_legs(shift(lost, midnight_s - lost[-1].at_s - 5), icao24="a0b1c2", is_complete=True)
    assert leg.arrival is None


def test_a_speed_stuck_through_taxi_and_parking_hides_no_landing() -> None:
    flight = fly("KMIA", "KAEX", step_s=2)
    rolled_s = flight[-1].at_s
    taxi = [
        Position(rolled_s + 2 * i, *move(*runway_point(field("KAEX")), 90, 0.012 * i), None, None, 135.0, 90.0)
        for i in range(1, 60)
    ]
    parked = [taxi[-1]._replace(at_s=taxi[-1].at_s + 5 * i) for i in range(1, 400)]
    bare = [
        p._replace(
            on_ground=None,
            altitude_ft=90.0 if p.altitude_ft is None else p.altitude_ft,
            ground_speed_kt=max(135.0, p.ground_speed_kt or 0.0) if p.at_s > rolled_s - 600 else p.ground_speed_kt,
        )
        for p in flight + taxi + parked
    ]
    [leg] = derive(bare)
    assert leg.arrival is not None
    assert leg.arrival.airport == "KAEX"
    assert abs(leg.arrival.at.timestamp() - rolled_s) < 120


def test_two_sources_with_clocks_apart_give_the_same_legs() -> None:
    flight = fly("KMIA", "KAEX")
    whole = park("KMIA", START_S - 600, 600) + flight + park("KAEX", flight[-1].at_s + 5, 600)
    late = [p._replace(at_s=p.at_s + 9.3, source="other") for p in whole]
    both = derive(whole + late)
    assert ends(both) == [("KMIA", "KAEX")]
    assert both[0].sources == ("made", "other")


def test_lost_at_cruise_is_never_a_landing() -> None:
    flight = fly("KAEX", "KELP")
    lost = [p for p in flight if p.at_s < START_S + 3600]
    [leg] = derive(park("KAEX", START_S - 600, 600) + lost, now_s=lost[-1].at_s + 30 * 3600)
    assert (leg.arrival, leg.status) == (None, "lost")
    assert reach_nm(leg.last_fix, 2) == 2 * reach_nm(leg.last_fix, 1) >= 900


def test_an_aircraft_in_the_air_when_the_record_ends_has_not_landed() -> None:
    flight = fly("KAEX", "KELP")
    for minutes in (10, 40, 70, 90):
        [leg] = derive([p for p in flight if p.at_s < START_S + 60 * minutes])
        assert (leg.arrival, leg.status) == (None, "airborne")


def test_a_gap_at_cruise_is_not_a_stop() -> None:
    flight = fly("KLAX", "RJAA")
    heard = [p for p in flight if not START_S + 3600 < p.at_s < START_S + 7 * 3600]
    [leg] = derive(park("KLAX", START_S - 600, 600) + heard)
    assert leg.arrival is not None
    assert leg.max_gap_s > 5 * 3600


def test_a_stop_nobody_heard_is_reported_as_unknown() -> None:
    out = [p for p in fly("KAEX", "GOBD") if p.at_s < START_S + 5 * 3600]
    back = shift([p for p in fly("GOBD", "KAEX") if p.at_s > START_S + 2 * 3600], 40 * 3600)
    first, second = derive(park("KAEX", START_S - 600, 600) + out + back)
    assert first.arrival is not None
    assert second.departure is not None
    assert (first.arrival.airport, first.arrival.evidence, first.status) == (None, Evidence.UNKNOWN, "gap")
    assert first.arrival.certainty is Certainty.POSSIBLE
    assert (second.departure.airport, second.departure.evidence) == (None, Evidence.UNKNOWN)


def test_a_stop_below_coverage_is_found_at_the_field() -> None:
    out = until(fly("KMIA", "KAEX"), 1200)
    back = since(fly("KAEX", "KMIA", out[-1].at_s + 90 * 60), 1200)
    first, second = derive(park("KMIA", START_S - 600, 600) + out + back)
    assert ends([first]) == [("KMIA", "KAEX")]
    assert second.departure is not None
    assert second.departure.airport == "KAEX"


def test_silence_on_the_ground_between_two_fields_is_a_flight_nobody_heard() -> None:
    legs = derive(park("KAEX", START_S, 1200) + park("KELP", START_S + 4 * 3600, 1200))
    assert ends(legs) == [("KAEX", "KELP")]
    assert legs[0].departure.evidence is Evidence.INFERRED_GAP  # type: ignore[union-attr]


def test_spoofed_places_are_dropped() -> None:
    flight = fly("KMIA", "KAEX")
    spoofed = [
        p._replace(latitude=33.8, longitude=35.5) if START_S + 2000 < p.at_s < START_S + 3000 and i % 3 else p
        for i, p in enumerate(flight)
    ]
    assert ends(derive(park("KMIA", START_S - 600, 600) + spoofed + park("KAEX", flight[-1].at_s + 5, 600))) == [
        ("KMIA", "KAEX")
    ]


def test_stale_points_date_nothing() -> None:
    flight = fly("KMIA", "KAEX")
    stale = [flight[200]._replace(at_s=flight[-1].at_s + 60 * i, is_stale=True) for i in range(1, 30)]
    assert derive(flight + stale) == derive(flight)


def test_callsigns_belong_to_their_leg() -> None:
    one = fly("KAEX", "KELP", callsign="TYSON45")
    pause = park("KELP", one[-1].at_s + 5, 3600, callsign="TYSON46")
    two = fly("KELP", "KAEX", pause[-1].at_s + 5, callsign="TYSON46")
    first, second = derive(one + pause + two)
    assert (first.callsigns, second.callsigns) == (("TYSON45",), ("TYSON46",))


def test_an_unchanged_callsign_joins_no_legs_and_midnight_splits_none() -> None:
    midnight_s = START_S - START_S % 86400 + 86400
    one = fly("KAEX", "KELP", midnight_s - 3000)
    pause = park("KELP", one[-1].at_s + 5, 3600)
    two = fly("KELP", "KAEX", pause[-1].at_s + 5)
    assert len(derive(one + pause + two)) == 2


def test_a_jet_is_never_placed_at_a_strip() -> None:
    flight = fly("KAEX", "KGEG")
    [leg] = derive(park("KAEX", START_S - 600, 600) + until(flight, 6000), now_s=flight[-1].at_s + 7200)
    assert leg.arrival is None or leg.arrival.airport in (None, "KGEG")


def test_a_departure_settles_two_minutes_after_take_off() -> None:
    flight = fly("KAEX", "KELP")
    before = park("KAEX", START_S - 600, 600)
    fresh = [p for p in flight if p.at_s <= START_S + 34 + 90]
    settled = [p for p in flight if p.at_s <= START_S + 34 + 150]
    assert [leg.departure_is_settled for leg in derive(before + fresh)] == [False]
    assert [leg.departure_is_settled for leg in derive(before + settled)] == [True]


def test_interpolated_positions_mark_their_leg() -> None:
    flight = [p._replace(is_interpolated=True) for p in fly("KMIA", "KAEX", craft=JET)]
    assert all(leg.is_interpolated for leg in derive(flight))


def log_of(positions: list[Position]) -> list[Position]:
    return [p._replace(is_interpolated=True, source="log") for p in positions]


def test_ends_computed_from_a_log_are_reported_and_never_confirmed() -> None:
    flight = fly("KMIA", "KAEX")
    [leg] = derive(log_of(park("KMIA", START_S - 600, 600) + flight + park("KAEX", flight[-1].at_s + 5, 600)))
    for end, airport in ((leg.departure, "KMIA"), (leg.arrival, "KAEX")):
        assert end is not None
        assert (end.airport, end.evidence, end.certainty) == (airport, Evidence.REPORTED, Certainty.POSSIBLE)
    assert leg.departure_is_settled


def test_a_radio_outranks_a_log_of_the_same_flight() -> None:
    flight = fly("KMIA", "KAEX")
    middle_s = (flight[0].at_s + flight[-1].at_s) / 2
    late = log_of(shift(flight, 240))
    heard = [p for p in flight if p.at_s >= middle_s] + park("KAEX", flight[-1].at_s + 5, 600)
    [leg] = derive(late + heard)
    assert leg.departure is not None
    assert leg.arrival is not None
    assert (leg.departure.airport, leg.departure.evidence) == ("KMIA", Evidence.REPORTED)
    assert (leg.arrival.airport, leg.arrival.evidence) == ("KAEX", Evidence.GROUND_OBSERVED)
    assert abs(leg.arrival.at.timestamp() - flight[-1].at_s) < 120


def test_a_log_that_a_radio_contradicts_is_left_out() -> None:
    heard = park("KDEN", START_S, 4 * 3600, step_s=60)
    assert derive(log_of(fly("KMIA", "KAEX", START_S + 60)) + heard) == []


def test_lost_in_descent_between_two_fields_is_a_landing_at_neither() -> None:
    """From 7,000 ft over the Bay the way is as good to San Francisco as to Oakland."""
    lost = until(fly("KSEA", "KOAK"), 7000)
    [leg] = derive(lost, now_s=lost[-1].at_s + 3 * 3600)
    assert leg.status == "lost"
    assert leg.arrival is not None
    assert (leg.arrival.airport, leg.arrival.evidence) == (None, Evidence.UNKNOWN)
    [leg] = derive(lost, now_s=lost[-1].at_s + 10 * 60)
    assert leg.arrival is None


def test_both_sides_of_a_stop_tell_the_field_that_one_side_leaves_open() -> None:
    down = until(fly("KSEA", "KOAK"), 7000)
    assert ends(derive(down, now_s=down[-1].at_s + 5400)) == [("KSEA", None)]
    up = since(fly("KOAK", "KMIA", down[-1].at_s + 5400), 6000)
    assert ends(derive(down + up)) == [("KSEA", "KOAK"), ("KOAK", "KMIA")]


def test_first_heard_in_a_climb_far_from_any_clear_field_has_left_from_somewhere() -> None:
    [leg] = derive(since(fly("KPHX", "KAEX"), 9000))
    assert leg.departure is not None
    assert (leg.departure.airport, leg.departure.certainty) == (None, Certainty.POSSIBLE)
    [leg] = derive(since(fly("KPHX", "KAEX"), 15000))
    assert leg.departure is None


def test_a_closed_record_that_ends_in_cruise_ends_in_the_air() -> None:
    flight = fly("KMIA", "KAEX")
    for height, arrives in ((30000, False), (6000, True)):
        [leg] = derive_legs(until(flight, height), icao24="a0b1c2", aircraft_type="B738", is_complete=True)
        assert (leg.arrival is not None, leg.status) == (arrives, "gap" if arrives else "airborne")
        assert leg.arrival is None or leg.arrival.airport is None
