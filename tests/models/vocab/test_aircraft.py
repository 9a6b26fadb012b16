"""An address or registration read wrongly watches a stranger's aircraft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vocab.aircraft import US_COUNT, US_FIRST, US_LAST, PairCheck, check_pair, icao24_of, registration_of


def test_every_address_of_the_us_block_has_one_registration_and_back():
    assert US_COUNT == 915_399
    for number in [*range(US_FIRST, US_LAST, 37), US_LAST]:
        icao24 = f"{number:06x}"
        registration = registration_of(icao24)
        assert registration is not None
        assert icao24_of(registration) == icao24


@given(st.integers(US_FIRST, US_LAST - 1))
def test_registrations_count_up_with_the_address(number):
    assert registration_of(f"{number:06x}") != registration_of(f"{number + 1:06x}")


@pytest.mark.parametrize(
    ("icao24", "registration"),
    [
        ("a00001", "N1"),
        ("a00002", "N1A"),
        ("a00003", "N1AA"),
        ("adf7c7", "N99999"),
        ("a2c4e0", "N278GX"),
        ("a8b479", "N660CP"),
        ("ac671b", "N899DN"),
        ("ac134a", "N8774Q"),
        ("a61c53", "N493MC"),
        ("a960a9", "N703KW"),
        ("acb2ba", "N917XA"),
    ],
)
def test_addresses_seen_on_the_air_match_the_registrations_painted_on_the_aircraft(icao24, registration):
    assert registration_of(icao24) == registration
    assert icao24_of(registration) == icao24


def test_padding_and_case_do_not_matter():
    assert icao24_of(" n278gx ") == "a2c4e0"
    assert registration_of(" A2C4E0 ") == "N278GX"


@pytest.mark.parametrize("icao24", ["a00000", "adf7c8", "ae0000", "4ca123", "~a2c4e0", "", "a2c4e", "zzzzzz"])
def test_an_address_outside_the_block_has_no_n_number(icao24):
    assert registration_of(icao24) is None


@pytest.mark.parametrize("text", ["N0", "N012", "N278IO", "N1234AB", "N123456", "EC-NRG", "", "N", "N12A3"])
def test_what_is_no_n_number_has_no_address(text):
    assert icao24_of(text) is None


@pytest.mark.parametrize(
    ("icao24", "registration", "outcome"),
    [
        ("a2c4e0", "N278GX", PairCheck.OK),
        ("ad92cf", "N975DC", PairCheck.MISMATCH),
        ("a2c4e0", "EC-NRG", PairCheck.MISMATCH),
        ("4ca123", "N278GX", PairCheck.MISMATCH),
        ("34718d", "EC-NRG", PairCheck.OUTSIDE_US),
        ("ae4f14", "10-0220", PairCheck.OUTSIDE_US),
        ("adf7c8", "N278GX", PairCheck.OUTSIDE_US),
        ("~2c4e0", "N278GX", PairCheck.MISMATCH),
    ],
)
def test_a_pair_is_ok_a_mismatch_or_outside_the_us_block(icao24, registration, outcome):
    assert check_pair(icao24, registration) is outcome
