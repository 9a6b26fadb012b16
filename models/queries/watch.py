"""What the flows ask before they act: which source to ask next, which legs still wait for their trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, func, select

from models.tables import AircraftLook, Crawl, Leg, Observation, Source


@dataclass(frozen=True)
class SourceState:
    """Health of one source."""

    slug: str
    state: str
    reason: str
    since_at: datetime | None
    last_run_at: datetime | None
    last_ok_at: datetime | None
    not_before_at: datetime | None
    failure_count: int


def list_source_states(connection: Connection) -> list[SourceState]:
    """Health of every source that was ever crawled, by name."""
    columns = (
        Source.slug,
        Source.state,
        Source.reason,
        Source.state_since_at,
        Source.last_run_at,
        Source.last_ok_at,
        Source.not_before_at,
        Source.consecutive_failure_count,
    )
    return [SourceState(*row) for row in connection.execute(select(*columns).order_by(Source.slug))]


def find_present(connection: Connection) -> datetime | None:
    """The latest instant, by the sources' own clocks, at which anyone looked: the present, in a replay too."""
    looked_at: datetime | None = connection.execute(select(func.max(AircraftLook.looked_at))).scalar()
    return looked_at


def list_unconfirmed_days(connection: Connection, present: datetime, reach: timedelta) -> dict[str, list[date]]:
    """Aircraft with provisional legs in the ``reach`` before ``present``, and the days to fetch their traces of."""
    rows = connection.execute(
        select(Leg.icao24, Leg.first_fix_at, Leg.last_fix_at).where(
            Leg.standing == "provisional", Leg.last_fix_at > present - reach
        )
    )
    wanted: dict[str, set[date]] = {}
    for icao24, first_at, last_at in rows:
        days = wanted.setdefault(icao24, set())
        day = first_at.date() - timedelta(days=1)
        while day <= min(last_at + timedelta(hours=6), present).date():
            days.add(day)
            day += timedelta(days=1)
    return {icao24: sorted(days) for icao24, days in sorted(wanted.items())}


def list_unwatched_days(
    connection: Connection, sources: Sequence[str], present: datetime, reach: timedelta, longest: timedelta
) -> list[date]:
    """Days with a time, in the ``reach`` before ``present``, in which no source answered well for ``longest``.

    Only times between two good looks count: what was before the first one was never promised to be watched. A gap that
    began before the reach is known by the last good look before it, and counts from where the reach begins.
    """
    begins_at = present - reach
    looked_at = func.coalesce(Crawl.recorded_at, Crawl.finished_at).label("looked_at")
    good = select(looked_at).where(Crawl.source.in_(sources), Crawl.verdict == "ok", looked_at <= present)
    looks = list(connection.execute(good.where(looked_at > begins_at).order_by(looked_at)).scalars())
    if connection.execute(good.where(looked_at <= begins_at).limit(1)).first() is not None:
        looks.insert(0, begins_at)
    days = set()
    for earlier, later in pairwise(looks):
        if later - earlier > longest:
            days |= {earlier.date() + timedelta(days=n) for n in range((later.date() - earlier.date()).days + 1)}
    return sorted(days)


def list_known_articles(connection: Connection, source: str, since: datetime) -> list[str]:
    """Keys (``make_article_key``) of articles of a source that were seen after ``since``."""
    statement = select(Observation.source_key).where(
        Observation.source == source, Observation.kind == "article", Observation.seen_at > since
    )
    return list(connection.execute(statement).scalars())
