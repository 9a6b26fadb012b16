"""Store positions by COPY, once each, and say which aircraft have new ones."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, text
from sqlalchemy.dialects.postgresql import insert

from models.store.partitions import ensure_partitions
from models.store.position_lines import PositionLine, encode_positions
from models.store.session import driver_connection
from models.tables import DeriveMark, Position

EARLIEST_AT = datetime(2010, 1, 1, tzinfo=UTC)
"""Before that there are no ADS-B archives; such a date is a broken clock."""
LATEST_AHEAD = timedelta(days=2)
DAY_S = 86_400

COLUMNS = ", ".join(column.name for column in Position.__table__.columns)


@dataclass
class Stored:
    """What came of storing positions. ``touched``: aircraft -> earliest position offered, when any was new."""

    offered_count: int = 0
    new_count: int = 0
    touched: dict[str, datetime] = field(default_factory=dict)


def is_plausible(at_s: int, now: datetime) -> bool:
    """Whether a position can be of that instant: neither before the archives begin nor well ahead of now."""
    return EARLIEST_AT.timestamp() <= at_s <= (now + LATEST_AHEAD).timestamp()


def store_positions(
    connection: Connection, lines: Iterable[PositionLine], *, source: str, capture_ids: Mapping[str, int]
) -> Stored:
    """Store what is new of ``lines``; the first of two for one source, aircraft and second stays.

    Every line must be plausible (``is_plausible``) and its capture known. Loads of one source wait for each other.
    """
    connection.execute(
        text("select pg_advisory_xact_lock(hashtext('positions'), hashtext(:source))"), {"source": source}
    )
    stored, earliest = Stored(), _Earliest()
    connection.execute(text("create temporary table position_staging (like position) on commit drop"))
    cursor = driver_connection(connection).cursor()
    with cursor.copy(f"copy position_staging ({COLUMNS}) from stdin (format binary)") as copy:
        for block in encode_positions(earliest.follow(lines), source=source, capture_ids=capture_ids):
            copy.write(block)
    stored.offered_count = earliest.count
    if not earliest.count:
        return stored
    for month_at in earliest.list_months():
        ensure_partitions(connection, month_at, month_at)
    result = connection.execute(
        text(
            f"insert into position ({COLUMNS}) select {COLUMNS} from position_staging "  # noqa: S608 - column names
            "on conflict (icao24, observed_at, source) do nothing"
        )
    )
    stored.new_count = result.rowcount
    if stored.new_count:
        stored.touched = {icao24: _instant(at_s) for icao24, at_s in sorted(earliest.at_s.items())}
    return stored


def mark_for_derivation(connection: Connection, touched: Mapping[str, datetime]) -> None:
    """Say that these aircraft have positions, from the given instant on, that no leg was derived from yet."""
    if not touched:
        return
    offered = insert(DeriveMark)
    connection.execute(
        offered.on_conflict_do_update(
            index_elements=[DeriveMark.icao24],
            set_={
                "since_at": func.least(DeriveMark.since_at, offered.excluded.since_at),
                "version": DeriveMark.version + 1,
            },
        ),
        [{"icao24": icao24, "since_at": since_at} for icao24, since_at in sorted(touched.items())],
    )


class _Earliest:
    """Notes, while lines pass by, the earliest of each aircraft and the days of all."""

    def __init__(self) -> None:
        self.at_s: dict[str, int] = {}
        self.days: set[int] = set()
        self.count = 0

    def follow(self, lines: Iterable[PositionLine]) -> Iterator[PositionLine]:
        at_s, days, count = self.at_s, self.days, 0
        for line in lines:
            seen_s = line.at_s
            count += 1
            days.add(seen_s // DAY_S)
            if seen_s < at_s.get(line.icao24, seen_s + 1):
                at_s[line.icao24] = seen_s
            yield line
        self.count = count

    def list_months(self) -> list[datetime]:
        return sorted({_instant(day * DAY_S).replace(day=1) for day in self.days})


def _instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
