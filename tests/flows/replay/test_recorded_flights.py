"""Polled once a recorded minute, the recorded day must show its flights: logged times, real landings, honest losses."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.replay.faults import Faults, load_faults
from flows.replay.recording import load_recording
from flows.replay.sky import Sky
from models.derive.legs import derive_legs
from models.vocab.aircraft import registration_of
from models.vocab.certainty import Certainty, Evidence
from models.vocab.position import Position
from models.vocab.watchlist import load_watchlist

LOGGED = [
    ("N802XT", "departure", "KIWA", "10 13:06"),
    ("N802XT", "arrival", "KMSP", "10 15:47"),
    ("N802XT", "departure", "KMSP", "10 19:24"),
    ("N802XT", "arrival", "KELP", "10 21:49"),
    ("N668CP", "departure", "KYNG", "10 15:31"),
    ("N668CP", "arrival", "KMSP", "10 17:04"),
    ("N668CP", "departure", "KMSP", "10 20:35"),
    ("N668CP", "arrival", "KIAH", "10 22:49"),
    ("N629SW", "departure", "KAEX", "10 20:18"),
    ("N629SW", "arrival", "KMSP", "10 22:21"),
    ("N629SW", "departure", "KMSP", "10 23:39"),
    ("N629SW", "arrival", "KELP", "11 02:04"),
]
RADIO = [
    ("N493MC", "arrival", "PANC", "10 13:13"),
    ("N899DN", "arrival", "KMSP", "10 13:17"),
    ("N8774Q", "arrival", "KPBI", "10 13:23"),
    ("N703KW", "departure", "KMCI", "10 13:11"),
]


def at(text):
    return datetime.fromisoformat(f"2026-01-{text}").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def recording():
    return load_recording()


def poll(recording, faults, minutes=1.0):
    """Legs per registration as polling one live source would have them."""
    sky, instant = Sky(recording, faults), recording.begins_at
    heard = {}
    while instant <= recording.ends_at:
        rows = (
            []
            if faults.find_answer_fault("adsb_fi", instant, ("adsb_fi",))
            else sky.find_addresses(recording.aircraft, instant)
        )
        for row in rows:
            heard.setdefault(row["hex"], set()).add(read_row(row, instant))
        instant += timedelta(minutes=minutes)
    return {
        registration_of(icao24): derive_legs(positions, icao24=icao24, now_s=recording.ends_at.timestamp())
        for icao24, positions in heard.items()
    }


def read_row(row, instant):
    on_ground = row["alt_baro"] == "ground"
    return Position(
        at_s=round(instant.timestamp() - row["seen_pos"], 3),
        latitude=row["lat"],
        longitude=row["lon"],
        altitude_ft=None if on_ground else row["alt_baro"],
        on_ground=on_ground,
        ground_speed_kt=row.get("gs"),
        track_deg=row.get("track"),
        vertical_rate_fpm=row.get("baro_rate"),
        callsign=row.get("flight", "").strip() or None,
        is_stale=row["seen_pos"] > 60,
        is_interpolated=row.get("tarmac_basis") == "interpolated",
    )


def find_end(legs, end, airport, instant):
    ends = [getattr(leg, end) for leg in legs if getattr(leg, end)]
    return [e for e in ends if e.airport == airport and abs(e.at - instant) <= timedelta(minutes=3)]


@pytest.mark.parametrize("faults", [Faults(), load_faults()], ids=["undisturbed", "with the faults of the day"])
def test_each_logged_and_each_real_take_off_and_landing_is_found_once(recording, faults):
    legs = poll(recording, faults)
    for registration, end, airport, instant in (*LOGGED, *RADIO):
        found = find_end(legs[registration], end, airport, at(instant))
        assert len(found) == 1, (registration, end, airport)
    for registration in ("N802XT", "N668CP", "N629SW"):
        assert len(legs[registration]) == 2


def test_a_landing_nobody_heard_is_only_inferred(recording):
    (arrival,) = find_end(poll(recording, load_faults())["N668CP"], "arrival", "KMSP", at("10 17:04"))
    assert arrival.evidence is Evidence.INFERRED_GAP
    (arrival,) = find_end(poll(recording, Faults())["N668CP"], "arrival", "KMSP", at("10 17:04"))
    assert (arrival.evidence, arrival.certainty) == (Evidence.REPORTED, Certainty.POSSIBLE)


def test_what_an_observer_logged_is_only_reported_and_what_a_radio_said_is_observed(recording):
    legs = poll(recording, Faults())
    for registration, end, airport, instant in LOGGED:
        [found] = find_end(legs[registration], end, airport, at(instant))
        assert (found.evidence, found.certainty) == (Evidence.REPORTED, Certainty.POSSIBLE)
    for registration, end, airport, instant in RADIO:
        [found] = find_end(legs[registration], end, airport, at(instant))
        assert found.evidence is not Evidence.REPORTED


def test_the_first_departure_comes_within_two_recorded_minutes_of_the_first_question(recording):
    first = min(leg.departure.at for legs in poll(recording, Faults()).values() for leg in legs if leg.departure)
    assert timedelta(seconds=60) < first - recording.begins_at < timedelta(minutes=3)


def test_no_position_of_a_logged_flight_is_faster_or_steeper_than_an_airliner(recording):
    for aircraft in recording.aircraft.values():
        if aircraft.header["tarmac_basis"] != "interpolated":
            continue
        for row in aircraft.rows:
            assert 0 <= row[4] < 500
            assert row[3] == "ground" or 0 < row[3] <= 34_000
            assert row[7] is None or -2700 <= row[7] <= 2300


def test_the_recorded_logged_aircraft_are_on_the_shipped_watchlist(recording):
    for aircraft in recording.aircraft.values():
        if aircraft.label["basis"] == "interpolated":
            assert aircraft.icao24 in load_watchlist().by_icao24
