"""How fast positions are stored once each, against a bare COPY of the same rows that checks nothing.

    python -m bench.ingest_positions

Both sides start from the same parsed rows in memory, end with a commit on a server with its production settings, and
send the same binary rows. Ours goes through the load step's own function: partitions, one row an aircraft, source and
second, a staging table for what may be known. The yardstick copies into a plain table with the same columns and an
index on the same columns; the index is not unique, because rows repeat as sources repeat themselves.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from flows.local.postgres import temporary_server
from models.store.position_lines import PositionLine, encode_positions
from models.store.positions import COLUMNS, store_positions
from models.store.schema import upgrade
from models.store.session import Connection, Engine, driver_connection, make_engine, transaction
from models.vocab.trace import Trace, read_trace

TRACES = Path(__file__).parents[1] / "tests" / "models" / "derive" / "traces"
SOURCE = "bench_traces"
CAPTURE, CAPTURE_ID = "0" * 64, 1
ROW_COUNT = 1_000_000
REPEATED_SHARE = 0.05
ROUNDS = 5
LEAST_RATIO = 0.6
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60


def make_rows(count: int) -> list[PositionLine]:
    """Rows shaped like recorded traces: each again and again, as other aircraft on other days, some rows twice."""
    traces = [read_trace(path.read_bytes()) for path in sorted(TRACES.glob("*.json"))]
    random = Random(1)
    rows: list[PositionLine] = []
    number = 0
    while len(rows) < count:
        number += 1
        day_at = FIRST_DAY + timedelta(days=random.randrange(DAYS))
        for row in _shift(traces[number % len(traces)], f"{0xA00000 + number:06x}", day_at):
            rows.append(row)
            if random.random() < REPEATED_SHARE:
                rows.append(rows[-random.randrange(1, min(20, len(rows)) + 1)])
    return rows[:count]


def _shift(trace: Trace, icao24: str, day_at: datetime) -> list[PositionLine]:
    if not trace.positions:
        return []
    start_s = trace.positions[0].at_s
    return [
        PositionLine(
            capture=CAPTURE,
            locator=f"trace[{number}]",
            icao24=icao24,
            observed_at=day_at + timedelta(seconds=(point.at_s - start_s) % 86400),
            latitude=point.latitude,
            longitude=point.longitude,
            altitude_ft=None if point.altitude_ft is None else round(point.altitude_ft),
            altitude_is_geometric=point.altitude_is_geometric,
            on_ground=point.on_ground,
            ground_speed_kt=point.ground_speed_kt,
            track_deg=point.track_deg,
            vertical_rate_fpm=None if point.vertical_rate_fpm is None else round(point.vertical_rate_fpm),
            callsign=point.callsign,
            registration=trace.registration,
            aircraft_type=trace.aircraft_type,
            position_kind="adsb_icao",
            is_stale=point.is_stale,
        )
        for number, point in enumerate(trace.positions)
    ]


def ingest(connection: Connection, rows: list[PositionLine]) -> int:
    """Store rows as the load step does; how many were new."""
    return store_positions(connection, rows, source=SOURCE, capture_ids={CAPTURE: CAPTURE_ID}).new_count


def copy_bare(connection: Connection, rows: list[PositionLine]) -> int:
    """Copy rows into the yardstick table."""
    with driver_connection(connection).cursor() as cursor:
        with cursor.copy(f"copy yardstick ({COLUMNS}) from stdin (format binary)") as copy:
            timed = ((row.at_s, row) for row in rows)
            for block in encode_positions(timed, source=SOURCE, capture_ids={CAPTURE: CAPTURE_ID}):
                copy.write(block)
        return cursor.rowcount


def time_fresh(engine: Engine, run: Callable[[Connection, list[PositionLine]], int], rows: list[PositionLine]) -> float:
    """Seconds until rows are committed into empty tables."""
    with transaction(engine) as connection:
        driver_connection(connection).execute("truncate position, yardstick")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver_connection(connection).execute("checkpoint")
    started = time.perf_counter()
    with transaction(engine) as connection:
        run(connection, rows)
    return time.perf_counter() - started


def measure(row_count: int = ROW_COUNT) -> dict[str, dict[str, object]]:
    """Positions a second, ours and the yardstick's, the best of some rounds taken in turn."""
    rows = make_rows(row_count)
    ours, bare = [], []
    with temporary_server(for_tests=False) as server:
        engine = make_engine(server.url(role="postgres"))
        upgrade(engine)
        with transaction(engine) as connection:
            driver_connection(connection).execute("create table yardstick (like position)")
            driver_connection(connection).execute("create index on yardstick (icao24, observed_at, source)")
        for _ in range(ROUNDS):
            bare.append(time_fresh(engine, copy_bare, rows))
            ours.append(time_fresh(engine, ingest, rows))
        engine.dispose()
    return {
        "ingest_positions": {
            "value": round(row_count / min(ours)),
            "unit": "positions/s",
            "yardstick": round(row_count / min(bare)),
            "ratio": round(min(bare) / min(ours), 3),
        }
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
