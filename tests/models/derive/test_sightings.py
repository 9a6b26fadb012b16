"""A false flag tells people their client may be leaving; a missed one tells them nothing."""

from datetime import date

import pytest

from models.derive.sightings import Sighting, SightingVerdict, judge_sighting, judge_sightings
from models.vocab.callsign import load_callsigns
from models.vocab.watchlist import load_watchlist

OURS = "a8b479"  # N660CP, on the list
STRANGER = "a00001"
PAST = "a3c4d2"  # N342AX, past fleet


def judge(icao24=STRANGER, callsign=None, registration=None, seen_on=None):
    sighting = Sighting(icao24, callsign, registration, seen_on)
    return judge_sighting(sighting, load_watchlist(), load_callsigns())


@pytest.mark.parametrize("callsign", ["TYSON45", "BBQ8252", "", None, "Unknown", "N660CP", "SWA12"])
def test_an_airframe_on_the_list_is_watched_whatever_it_calls_itself(callsign):
    judgement = judge(OURS, callsign)
    assert judgement.verdict is SightingVerdict.WATCHED
    assert "N660CP" in judgement.reasons[0]


@pytest.mark.parametrize("icao24", [OURS.upper(), f" {OURS} "])
def test_case_and_padding_of_the_address_do_not_hide_an_airframe(icao24):
    assert judge(icao24).verdict is SightingVerdict.WATCHED


@pytest.mark.parametrize(
    "callsign",
    [
        *("GXA6151", "GXA151", "BBQ8252", "BBQ", "EAL8270", "EAL12", "OAE2119", "OAE4107"),
        *("TYSON45", "TYS61", "TYSON", " tyson62 ", "TYSN46A", "GAX6151"),
        *("AWI7732", "VXP54", "LYM400"),
    ],
)
def test_a_callsign_of_ice_work_makes_a_stranger_a_candidate_and_no_more(callsign):
    judgement = judge(callsign=callsign)
    assert judgement.verdict is SightingVerdict.CANDIDATE
    assert judgement.reasons


@pytest.mark.parametrize(
    "callsign",
    [
        *("SWA936", "AAY12", "NDU877", "SKW6409", "DAL1812", "EJA512"),
        *("AWI3812", "VXP512", "LYM3101", "LYM40"),
        *("N551AM", "GXABC", "EALTD", "OAEAB", "XAAAL", "RCH4525", "BBC123", "", None, "Unknown"),
    ],
)
def test_airlines_private_aircraft_and_blanks_are_nothing(callsign):
    assert judge(callsign=callsign).verdict is SightingVerdict.NONE


def test_a_block_counts_only_in_the_days_it_was_used():
    assert judge(callsign="VXP54", seen_on=date(2026, 1, 20)).verdict is SightingVerdict.CANDIDATE
    assert judge(callsign="VXP54", seen_on=date(2026, 3, 20)).verdict is SightingVerdict.NONE
    assert judge(callsign="SWQ3501", seen_on=date(2020, 3, 20)).verdict is SightingVerdict.CANDIDATE


@pytest.mark.parametrize(
    ("callsign", "verdict"),
    [
        (None, SightingVerdict.CANDIDATE),
        ("OAE4107", SightingVerdict.CANDIDATE),
        ("N342AX", SightingVerdict.CANDIDATE),
        ("SWA12", SightingVerdict.NONE),
    ],
)
def test_an_airframe_of_the_past_fleet_is_a_candidate_unless_it_flies_for_another_airline(callsign, verdict):
    judgement = judge(PAST, callsign)
    assert judgement.verdict is verdict
    assert "past fleet" in judgement.reasons[0]


def test_one_thin_sighting_does_not_make_an_airliner_watched():
    assert judge("a36980", "AAY1432").verdict is SightingVerdict.NONE
    assert judge("a36980", "GXA6141").verdict is SightingVerdict.CANDIDATE


def test_a_registration_that_contradicts_the_address_is_said():
    watched = judge(OURS, "TYSON45", registration="N668CP")
    assert watched.verdict is SightingVerdict.WATCHED
    assert any("contradicts the address" in reason and "N660CP" in reason for reason in watched.reasons)
    claimed = judge(STRANGER, "N1", registration="N660CP")
    assert claimed.verdict is SightingVerdict.CANDIDATE
    assert any("contradicts" in reason for reason in claimed.reasons)
    assert not any("contradicts" in reason for reason in judge(OURS, registration=" n660cp ").reasons)


def test_an_address_that_is_not_icao_is_never_an_airframe():
    judgement = judge(f"~{OURS}")
    assert judgement.verdict is SightingVerdict.NONE
    assert any("not an ICAO address" in reason for reason in judgement.reasons)
    assert judge("~a8b47", "TYSON45").verdict is SightingVerdict.CANDIDATE


def test_a_contractor_that_switches_its_callsign_off_stays_a_candidate():
    log = [Sighting(STRANGER, ""), Sighting(STRANGER, "OAE2119"), Sighting("a00002", ""), Sighting(STRANGER, "SWA1")]
    verdicts = [j.verdict.value for j in judge_sightings(log, load_watchlist(), load_callsigns())]
    assert verdicts == ["candidate", "candidate", "none", "none"]
