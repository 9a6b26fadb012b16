"""Store positions by COPY, once each, and say which aircraft have new ones."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

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
CHUNK_ROWS = 25_000

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


def is_plausible_instant(at: datetime, now: datetime) -> bool:
    """Whether what a stranger dates can be of that instant; beyond the years 1 to 9999 a stored one cannot be read."""
    return EARLIEST_AT <= at <= now + LATEST_AHEAD


def store_positions(
    connection: Connection, lines: Iterable[PositionLine], *, source: str, capture_ids: Mapping[str, int]
) -> Stored:
    """Store what is new of ``lines``; the first of two for one source, aircraft and second stays.

    Every line must be plausible (``is_plausible``) and its capture known. Loads of one source wait for each other, so
    that what is found not to be stored yet stays so until this load commits.
    """
    connection.execute(
        text("select pg_advisory_xact_lock(hashtext('positions'), hashtext(:source))"), {"source": source}
    )
    stored = Stored()
    for count, rows, spans in _prepare_chunks(lines):
        stored.offered_count += count
        for month_at in sorted({_instant(day * DAY_S).replace(day=1) for day in {at_s // DAY_S for at_s, _ in rows}}):
            ensure_partitions(connection, month_at, month_at)
        overlapping = _find_overlapping(connection, source, spans)
        apart = [row for row in rows if row[1].icao24 not in overlapping]
        # An aircraft without any position in the time of these rows cannot be in conflict: its rows are copied straight
        # in, in half the time. The others go through a staging table.
        new_count = 0
        if apart:
            new_count = _copy(connection, "position", encode_positions(apart, source=source, capture_ids=capture_ids))
        touched = spans.keys() - overlapping
        if overlapping:
            rest = [row for row in rows if row[1].icao24 in overlapping]
            inserted = _insert_new(connection, encode_positions(rest, source=source, capture_ids=capture_ids))
            touched |= overlapping if inserted else set()
            new_count += inserted
        stored.new_count += new_count
        for icao24 in touched:
            first_at = _instant(spans[icao24].first_s)
            stored.touched[icao24] = min(stored.touched.get(icao24, first_at), first_at)
    return stored


def _prepare_chunks(
    lines: Iterable[PositionLine],
) -> Iterator[tuple[int, list[tuple[int, PositionLine]], dict[str, "_Span"]]]:
    """Chunks of rows, their count with doubles, and their spans; one is made while another is stored."""
    remaining = iter(lines)

    def prepare() -> tuple[int, list[tuple[int, PositionLine]], dict[str, _Span]]:
        chunk = list(islice(remaining, CHUNK_ROWS))
        return len(chunk), *_take_first_of_each_second(chunk)

    with ThreadPoolExecutor(max_workers=1) as ahead:
        coming = ahead.submit(prepare)
        while (prepared := coming.result())[0]:
            coming = ahead.submit(prepare)
            yield prepared


def _take_first_of_each_second(
    lines: Iterable[PositionLine],
) -> tuple[list[tuple[int, PositionLine]], dict[str, "_Span"]]:
    """The lines with their second, one an aircraft and second, and the time each aircraft spans."""
    rows: dict[tuple[str, int], PositionLine] = {}
    spans: dict[str, _Span] = {}
    for line in lines:
        icao24, at_s = line.icao24, line.at_s
        if (icao24, at_s) in rows:
            continue
        rows[icao24, at_s] = line
        span = spans.get(icao24)
        if span is None:
            spans[icao24] = _Span(at_s, at_s)
        elif at_s > span.last_s:
            span.last_s = at_s
        elif at_s < span.first_s:
            span.first_s = at_s
    return [(at_s, line) for (_, at_s), line in rows.items()], spans


def _find_overlapping(connection: Connection, source: str, spans: Mapping[str, "_Span"]) -> set[str]:
    """The aircraft of which this source has positions within their span already."""
    found = connection.execute(
        text(
            """
            select span.icao24
            from unnest(cast(:icao24s as text[]), cast(:first_ats as timestamptz[]), cast(:last_ats as timestamptz[]))
                as span (icao24, first_at, last_at)
            cross join lateral (
                select 1 from position
                where position.icao24 = span.icao24 and position.source = :source
                  and position.observed_at between span.first_at and span.last_at
                limit 1
            ) as known
            """
        ),
        {
            "source": source,
            "icao24s": list(spans),
            "first_ats": [_instant(span.first_s) for span in spans.values()],
            "last_ats": [_instant(span.last_s) for span in spans.values()],
        },
    )
    return set(found.scalars())


def _insert_new(connection: Connection, blocks: Iterable[bytes]) -> int:
    """Store, of rows some of which may be known, those that are not; how many."""
    connection.execute(text("create temporary table if not exists position_staging (like position) on commit drop"))
    connection.execute(text("truncate position_staging"))
    _copy(connection, "position_staging", blocks)
    return connection.execute(
        text(
            f"insert into position ({COLUMNS}) select {COLUMNS} from position_staging "  # noqa: S608 - column names
            "on conflict (icao24, observed_at, source) do nothing"
        )
    ).rowcount


def _copy(connection: Connection, table: str, blocks: Iterable[bytes]) -> int:
    with driver_connection(connection).cursor() as cursor:
        with cursor.copy(f"copy {table} ({COLUMNS}) from stdin (format binary)".encode()) as copy:
            for block in blocks:
                copy.write(block)
        return cursor.rowcount


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


@dataclass(slots=True)
class _Span:
    """The first and last second of one aircraft among some rows."""

    first_s: int
    last_s: int


def _instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
