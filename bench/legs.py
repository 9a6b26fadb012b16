"""How fast legs are derived, against the ``traffic`` library doing the same job on the same positions.

    python -m bench.legs

Needs the environment of ``bench/requirements.lock``. Reading files is left out on both sides.

The same job for traffic is its documented recipe for a day of one aircraft: label flight phases, leave out the ground,
split at gaps of ten minutes, and infer the take-off and landing airport of each part, from our table of airports.
Splitting at gaps alone is timed too, to be open about it: it is quick, but finds neither landings nor airports.
"""

import contextlib
import csv
import gzip
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.derive.legs import derive_legs
from models.vocab.trace import Trace, read_trace

TRACES = Path(__file__).parents[1] / "tests" / "models" / "derive" / "traces"
AIRPORTS = Path(__file__).parents[1] / "models" / "reference" / "airports.csv.gz"
LEAST_RATIO = 10
ROUNDS = 5


class NoYardstickError(RuntimeError):
    """The library to compare with is not installed here."""


def read_traces() -> list[Trace]:
    """The recorded traces that come with the tests."""
    return [read_trace(path.read_bytes()) for path in sorted(TRACES.glob("*.json"))]


def time_rounds(run: Callable[[], int]) -> tuple[float, int]:
    """Seconds of the quickest of some rounds, after one to warm up, and what the run counted."""
    count = run()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds), count


def make_flights(traces: list[Trace]) -> list[Any]:
    """The same positions as traffic wants them."""
    try:
        import pandas as pd
        from traffic.core import Flight
    except ImportError as error:
        raise NoYardstickError(f"traffic is not installed in this environment: {error}") from None
    flights = []
    for trace in traces:
        frame = pd.DataFrame(
            {
                "timestamp": pd.to_datetime([p.at_s for p in trace.positions], unit="s", utc=True),
                "icao24": trace.icao24,
                "callsign": trace.icao24,
                "latitude": [p.latitude for p in trace.positions],
                "longitude": [p.longitude for p in trace.positions],
                "altitude": pd.array([0.0 if p.on_ground else p.altitude_ft for p in trace.positions], "float64"),
                "groundspeed": pd.array([p.ground_speed_kt for p in trace.positions], "float64"),
                "track": pd.array([p.track_deg for p in trace.positions], "float64"),
                "vertical_rate": pd.array([p.vertical_rate_fpm for p in trace.positions], "float64"),
            }
        )
        flights.append(Flight(frame))
    return flights


def make_airports() -> Any:
    """Our airports as a traffic dataset, so that both search the same fields and nothing is fetched."""
    import pandas as pd
    from traffic.data.basic.airports import Airports

    rows = list(csv.DictReader(io.StringIO(gzip.decompress(AIRPORTS.read_bytes()).decode())))
    frame = pd.DataFrame(
        {
            "icao": [row["id"] for row in rows],
            "iata": "",
            "name": [row["name"] for row in rows],
            "country": [row["country"] for row in rows],
            "latitude": [float(row["latitude"]) for row in rows],
            "longitude": [float(row["longitude"]) for row in rows],
            "altitude": [float(row["elevation_ft"] or 0) for row in rows],
        }
    )
    return Airports(frame)


def derive_all(traces: list[Trace]) -> int:
    """Legs in all traces."""
    return sum(
        len(derive_legs(trace.positions, icao24=trace.icao24, aircraft_type=trace.aircraft_type)) for trace in traces
    )


def split_gaps(flights: list[Any]) -> int:
    """Parts between gaps of ten minutes; no landings, no airports."""
    return sum(1 for flight in flights for _ in flight.split("10 min"))


def split_flights(flights: list[Any], airports: Any) -> int:
    """Parts in the air, with the airport nearest to both ends of each."""
    count = 0
    for flight in flights:
        aloft = flight.phases().query("phase != 'GROUND'")
        for part in aloft.split("10 min") if aloft is not None else ():
            part.infer_airport("takeoff", dataset=airports)
            part.infer_airport("landing", dataset=airports)
            count += 1
    return count


def measure() -> dict[str, dict[str, Any]]:
    """Traces per second, and how many times quicker than the yardstick. Raises NoYardstickError without traffic."""
    traces = read_traces()
    flights = make_flights(traces)
    airports = make_airports()
    ours_s, our_legs = time_rounds(lambda: derive_all(traces))
    with contextlib.redirect_stderr(io.StringIO()):
        theirs_s, their_legs = time_rounds(lambda: split_flights(flights, airports))
        gaps_s, gap_parts = time_rounds(lambda: split_gaps(flights))
    count = len(traces)
    positions = sum(len(trace.positions) for trace in traces)
    print(f"{count} traces, {positions} positions, quickest of {ROUNDS} rounds")
    print(f"{'':44} {'traces/s':>10} {'found':>6}")
    print(f"{'Tarmac: legs with airports and evidence':44} {count / ours_s:10.1f} {our_legs:6d}")
    print(f"{'traffic: phases, split, airports':44} {count / theirs_s:10.1f} {their_legs:6d}")
    print(f"{'traffic: split at gaps only':44} {count / gaps_s:10.1f} {gap_parts:6d}")
    ratio = theirs_s / ours_s
    print(f"ratio {ratio:.1f} (at least {LEAST_RATIO})")
    return {
        "legs": {
            "value": round(count / ours_s, 1),
            "unit": "traces/s",
            # of the library ``traffic``: phases, split, airports
            "yardstick": round(count / theirs_s, 1),
            "ratio": round(ratio, 1),
        }
    }


if __name__ == "__main__":
    try:
        measure()
    except NoYardstickError as missing:
        raise SystemExit(f"legs: not measured: {missing}") from None
