"""What the flows ask before they act: which source to ask next, which legs still wait for their trace."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

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


def list_known_articles(connection: Connection, source: str, since: datetime) -> list[str]:
    """Addresses of articles of a source that were seen after ``since``."""
    statement = select(Observation.source_key).where(
        Observation.source == source, Observation.kind == "article", Observation.seen_at > since
    )
    return list(connection.execute(statement).scalars())


def is_loaded(connection: Connection, run_id: object) -> bool:
    """Whether the crawl with this id is in the database."""
    return connection.execute(select(Crawl.id).where(Crawl.id == run_id)).first() is not None
