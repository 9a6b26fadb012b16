"""Airports are found under every code they go by, and where they lie."""

import subprocess
import sys

import pytest

from models.vocab.airport import airports_near, find_airport, ground_elevation_ft
from models.vocab.geodesy import angle_between_deg, bearing_deg, distance_nm, distance_to_segment_nm


@pytest.mark.parametrize(
    ("code", "own_id"),
    [
        ("KPBI", "KPBI"),
        ("KDJT", "KPBI"),
        ("PBI", "KPBI"),
        ("AZA", "KIWA"),
        ("IWA", "KIWA"),
        ("kiwa", "KIWA"),
        ("GRK", "KGRK"),
        (" AEX ", "KAEX"),
        ("88NV", "88NV"),
        ("BRU", "EBBR"),
        ("HSSJ", "HJJJ"),
        ("FVHA", "FVRG"),
        ("XPL", "MHPR"),
    ],
)
def test_any_code_finds_the_field(code: str, own_id: str) -> None:
    airport = find_airport(code)
    assert airport is not None
    assert airport.id == own_id


@pytest.mark.parametrize("code", ["", "ZZZZ", "KAEXX", "TYSON45"])
def test_what_is_no_code_finds_nothing(code: str) -> None:
    assert find_airport(code) is None


def test_a_field_says_what_its_reader_needs() -> None:
    airport = find_airport("KAEX")
    assert airport is not None
    assert (airport.city, airport.country, airport.time_zone) == ("Alexandria", "US", "America/Chicago")
    assert airport.longest_runway_ft is not None
    assert airport.longest_runway_ft > 9000
    assert airport.is_scheduled
    assert airport.elevation_ft == pytest.approx(88, abs=20)


@pytest.mark.parametrize(("code", "elevation_ft"), [("KDEN", 5350), ("KELP", 3950), ("SLLP", 13300), ("EHAM", -11)])
def test_elevation_is_that_of_the_runways(code: str, elevation_ft: float) -> None:
    airport = find_airport(code)
    assert airport is not None
    assert airport.elevation_ft == pytest.approx(elevation_ft, abs=60)
    assert ground_elevation_ft(airport.latitude, airport.longitude) == airport.elevation_ft


@pytest.mark.parametrize(
    "code", ["MHLM", "MHPR", "MGGT", "MSLP", "MUHA", "HJJJ", "HDAM", "FDSK", "GOBD", "UZTT", "DGAA"]
)
def test_fields_where_removals_land_can_take_a_jet(code: str) -> None:
    airport = find_airport(code)
    assert airport is not None
    assert (airport.longest_runway_ft or 0) >= 7000
    assert airport.elevation_ft is not None
    assert airport.time_zone


def test_no_field_is_listed_under_an_alias_too() -> None:
    for code in ("KDJT", "HSSJ", "FVHA", "FVBU", "FLLI", "UTTT", "SPIM"):
        airport = find_airport(code)
        assert airport is not None
        assert airport.id != code
        twins = airports_near(airport.latitude, airport.longitude, 0.5)
        assert code not in {near.airport.id for near in twins}


def test_brussels_lies_in_brussels() -> None:
    airport = find_airport("EBBR")
    assert airport is not None
    assert distance_nm(airport.latitude, airport.longitude, 50.9014, 4.4844) < 1


def test_neighbours_come_nearest_first_and_within_the_radius() -> None:
    near = airports_near(61.174, -149.998, 5)
    assert [n.distance_nm for n in near] == sorted(n.distance_nm for n in near)
    assert {"PANC", "PALH"} <= {n.airport.id for n in near}
    assert all(n.distance_nm <= 5 for n in near)
    assert next(n.airport for n in near if n.airport.id == "PALH").kind == "seaplane"


def test_neighbours_are_found_across_the_date_line_and_at_the_poles() -> None:
    fiji = find_airport("NFNA")
    assert fiji is not None
    assert fiji.id in {n.airport.id for n in airports_near(fiji.latitude, -179.9, 120)}
    assert airports_near(90, 0, 30) == []
    assert isinstance(airports_near(-89.9, 179.9, 60), list)


def test_a_long_runway_counts_and_not_the_middle_of_the_field() -> None:
    denver = find_airport("KDEN")
    assert denver is not None
    (south, west), _ = denver.runways[0]
    assert denver.field_distance_nm(south, west) < 0.01
    assert distance_nm(south, west, denver.latitude, denver.longitude) > 1


def test_the_table_is_read_quickly_and_only_when_asked() -> None:
    code = (
        "import time, models.vocab.airport as a; assert a._load_table.cache_info().currsize == 0;"
        "t = time.process_time(); a.find_airport('KAEX'); print(time.process_time() - t)"
    )
    took = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(took.stdout) < 0.5


def test_distances_and_bearings() -> None:
    assert distance_nm(0, 0, 0, 1) == pytest.approx(60.04, abs=0.05)
    assert distance_nm(0, 179.5, 0, -179.5) == pytest.approx(60.04, abs=0.05)
    assert bearing_deg(0, 0, 0, 1) == pytest.approx(90)
    assert angle_between_deg(350, 10) == 20
    assert distance_to_segment_nm(0.5, 179.99, (0, 180), (1, 180)) == pytest.approx(0.6, abs=0.01)
