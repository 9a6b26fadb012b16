"""Keep each source's health, and when each aircraft was really looked for: what turns an empty answer into silence."""

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from models.derive.changes import DAY_RECORD_SUFFIX
from models.items import Run, Verdict
from models.store.positions import is_plausible_instant
from models.tables import Source

LOOKS_MAY_BE_APART = timedelta(minutes=5)
"""Looks further apart are two runs of looking: what happened between them was not watched."""
LONGEST_PAUSE = timedelta(days=1)
"""However long a source asks us to stay away, we ask again after a day."""


def ensure_source(connection: Connection, slug: str) -> None:
    """Know a source, as never asked until its first crawl is counted."""
    connection.execute(insert(Source).values(slug=slug).on_conflict_do_nothing())


def note_crawl(connection: Connection, run: Run) -> None:
    """Move the state of a source to the verdict of its latest crawl; an older crawl that comes late moves nothing."""
    is_ok = run.verdict is Verdict.OK
    connection.execute(
        update(Source)
        .where(
            Source.slug == run.source,
            func.coalesce(Source.last_run_at, datetime.min.replace(tzinfo=UTC)) < run.finished_at,
        )
        .values(
            state=run.verdict.value,
            reason=run.reason,
            state_since_at=func.coalesce(
                select(Source.state_since_at)
                .where(Source.slug == run.source, Source.state == run.verdict.value)
                .scalar_subquery(),
                run.finished_at,
            ),
            last_run_at=run.finished_at,
            last_ok_at=run.finished_at if is_ok else Source.last_ok_at,
            canary_count=run.canary_count,
            consecutive_failure_count=0 if is_ok else Source.consecutive_failure_count + 1,
            not_before_at=_not_before(run),
        )
    )


def note_looks(connection: Connection, run: Run, now: datetime) -> None:
    """Note when the aircraft of a crawl were looked for; only a crawl of the present that went well has looked."""
    if run.verdict is not Verdict.OK or not run.asked or run.source.endswith(DAY_RECORD_SUFFIX):
        return
    # `looking_since_at` goes on as long as any source looked not long ago, so that a change of source is no gap.
    connection.execute(
        text(
            """
            insert into aircraft_look (icao24, source, looked_at, looking_since_at)
            select asked.icao24, :source, :looked_at, coalesce(
                (select min(earlier.looking_since_at) from aircraft_look earlier
                 where earlier.icao24 = asked.icao24
                   and earlier.looked_at >= :near_at and earlier.looking_since_at <= :looked_at),
                :looked_at)
            from unnest(cast(:icao24s as text[])) as asked (icao24)
            on conflict (icao24, source) do update
                set looked_at = excluded.looked_at, looking_since_at = excluded.looking_since_at
                where excluded.looked_at > aircraft_look.looked_at
            """
        ),
        {
            "source": run.source,
            "looked_at": tell_look_time(run, now),
            "near_at": tell_look_time(run, now) - LOOKS_MAY_BE_APART,
            "icao24s": sorted(set(run.asked)),
        },
    )


def tell_look_time(run: Run, now: datetime) -> datetime:
    """When a crawl looked, by the source's own clock where it can be right: it cannot be ahead of the crawl's end."""
    if run.recorded_at is None or not is_plausible_instant(run.recorded_at, now):
        return run.finished_at
    return min(run.recorded_at, run.finished_at)


def _not_before(run: Run) -> datetime | None:
    pause_s = run.retry_after_s
    if pause_s is None or not math.isfinite(pause_s) or pause_s <= 0:
        return None
    return run.finished_at + min(LONGEST_PAUSE, timedelta(seconds=min(pause_s, LONGEST_PAUSE.total_seconds())))
