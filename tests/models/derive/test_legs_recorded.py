"""Legs of real traces, labelled by hand: tests/models/derive/traces/SOURCES.md."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.derive.legs import Leg, derive_legs
from models.vocab.certainty import Evidence
from models.vocab.event import LegEnd
from models.vocab.trace import Trace, merge_traces, read_trace
from tests.models.derive.made_flights import thin

TRACES = Path(__file__).parent / "traces"


def read(name: str) -> Trace:
    return read_trace((TRACES / name).read_bytes())


def derive(trace: Trace, now_s: float | None = None) -> list[Leg]:
    return derive_legs(
        trace.positions,
        icao24=trace.icao24,
        registration=trace.registration,
        aircraft_type=trace.aircraft_type,
        now_s=now_s,
        is_complete=now_s is None,
    )


def check(end: LegEnd | None, text: str, airport: str | None, tolerance_s: float = 240) -> None:
    assert end is not None
    assert end.airport == airport
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    assert abs((end.at - at).total_seconds()) <= tolerance_s


def test_a_stop_nobody_heard_is_inferred_and_cruise_gaps_are_not() -> None:
    first, second, third, fourth = derive(read("trace_full_ac671b.json"))
    assert first.departure is None
    check(first.arrival, "2025-02-05T01:12:23", "KMSP")
    check(second.departure, "2025-02-05T03:43:56", "KMSP")
    check(second.arrival, "2025-02-05T06:24:00", "KGEG", 1800)
    check(third.departure, "2025-02-05T14:47:03", "KGEG", 1800)
    check(third.arrival, "2025-02-05T17:00:17", "KMSP")
    check(fourth.departure, "2025-02-05T18:14:38", "KMSP")
    check(fourth.arrival, "2025-02-05T19:54:26", "KDEN")
    assert second.arrival is not None
    assert second.arrival.evidence is Evidence.INFERRED_GAP
    assert [leg.callsigns for leg in (first, second, third, fourth)] == [
        ("DAL1812",),
        ("DAL2418",),
        ("DAL1615",),
        ("DAL2927",),
    ]


def test_one_callsign_over_two_legs_and_an_ocean_gap() -> None:
    first, second, third = derive(read("trace_full_a61c53.json"))
    check(first.arrival, "2026-06-25T12:56:55", "PANC")
    check(second.departure, "2026-06-25T15:30:59", "PANC")
    check(second.arrival, "2026-06-25T19:59:27", "KLAX")
    check(third.departure, "2026-06-25T23:15:22", "KLAX")
    assert (third.arrival, third.status) == (None, "airborne")
    assert first.max_gap_s > 290 * 60


def test_taxiing_out_with_a_new_callsign_is_not_a_departure() -> None:
    [leg] = derive(read("trace_full_ac134a.json"))
    check(leg.arrival, "2024-08-12T02:49:20", "KPBI")


def test_a_turboprop_at_a_temporary_desert_field() -> None:
    first, second = derive(read("trace_full_a4068e.json"))
    check(first.arrival, "2023-08-30T22:58:45", "88NV")
    check(second.departure, "2023-08-30T23:31:30", "88NV")


@pytest.mark.parametrize(("icao24", "count"), [("aa178d", 6), ("a3c78c", 2)])
def test_local_flights_are_legs(icao24: str, count: int) -> None:
    legs = derive(read(f"trace_full_{icao24}.json"))
    assert [(leg.departure.airport, leg.arrival.airport) for leg in legs if leg.departure and leg.arrival] == [
        ("88NV", "88NV")
    ] * count


def test_a_stop_outside_a_regional_record_has_no_airport() -> None:
    first, second = derive(read("trace_full_34718d.json"))
    for end in (first.arrival, second.departure):
        assert end is not None
        assert (end.airport, end.evidence) == (None, Evidence.UNKNOWN)


def test_first_heard_climbing_over_the_field() -> None:
    [leg] = derive(read("excerpt_a960a9.json"))
    check(leg.departure, "2026-08-25T16:45:13", "KMCI", 300)
    assert leg.departure is not None
    assert leg.departure.evidence is Evidence.LOW_OBSERVED


@pytest.mark.parametrize("name", sorted(path.name for path in TRACES.glob("*.json")))
@pytest.mark.parametrize("step_s", [15, 30, 60])
def test_a_slower_poll_sees_the_same_legs(name: str, step_s: int) -> None:
    trace = read(name)
    dense, sparse = derive(trace), derive(trace._replace(positions=thin(trace.positions, step_s)))
    assert len(dense) == len(sparse)
    for one, other in zip(dense, sparse, strict=True):
        for end, seen in ((one.departure, other.departure), (one.arrival, other.arrival)):
            if end is None or end.evidence is not Evidence.GROUND_OBSERVED:
                continue
            assert seen is not None
            assert seen.airport == end.airport
            assert abs((seen.at - end.at).total_seconds()) <= 120


@pytest.mark.parametrize("name", sorted(path.name for path in TRACES.glob("*.json")))
def test_two_halves_of_a_record_read_as_one(name: str) -> None:
    trace = read(name)
    middle = len(trace.positions) // 2
    halves = [
        trace._replace(positions=trace.positions[middle - 20 :]),
        trace._replace(positions=trace.positions[: middle + 20]),
    ]
    [merged] = merge_traces(halves)
    assert derive(merged) == derive(trace)


@pytest.mark.parametrize("name", sorted(path.name for path in TRACES.glob("*.json")))
def test_watching_live_never_invents_an_airport(name: str) -> None:
    """Derive again and again while the record grows: no end is ever at a field where the whole record has none."""
    trace = read(name)
    fields = {
        end.airport for leg in derive(trace) for end in (leg.departure, leg.arrival) if end is not None and end.airport
    }
    polled = thin(trace.positions, 60)
    for count in range(1, len(polled), max(1, len(polled) // 60)):
        seen = polled[:count]
        for leg in derive(trace._replace(positions=seen), seen[-1].at_s + 60):
            for end in (leg.departure, leg.arrival):
                assert end is None or end.airport is None or end.airport in fields
