"""Look at the sky and at the news: which source is asked, who stands in for it, and what is derived from the answer."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from flows.crawl import crawl_source, load_left_bundles
from flows.derive import derive_marked
from flows.installation import Installation
from models.items import Run, Verdict
from models.queries.watch import (
    SourceState,
    find_present,
    list_known_articles,
    list_source_states,
    list_unconfirmed_days,
    list_unwatched_days,
)
from models.store.session import transaction
from models.vocab.feeds import Feed, FeedsError, load_feeds
from models.vocab.watchlist import load_watchlist

FLIGHT_SOURCES = ("adsb_lol", "adsb_fi", "airplanes_live")
TRACE_SOURCE = "adsb_lol_traces"
NEWS_SOURCES = ("moscow_times", "meduza")

RESTS_AFTER_FAILURES = 3
LONGEST_REST = timedelta(minutes=10)
TRACE_REACH = timedelta(days=3)
# Longer than this without a good look, and an aircraft may have come or gone unseen.
LONGEST_GAP = timedelta(minutes=5)
GAP_REACH = timedelta(hours=36)
NEWS_REACH = timedelta(days=30)

log = logging.getLogger("tarmac.watch")


def watch_flights(installation: Installation, now: datetime) -> list[Run]:
    """Ask the first source that is well for the watchlist, in order, and derive legs from the answer."""
    load_left_bundles(installation)
    runs = look(installation, now)
    derive(installation, now)
    return runs


def derive(installation: Installation, now: datetime) -> None:
    """Derive legs and events of every aircraft with news, with the watchlist of this installation."""
    derive_marked(installation.engine, now, watchlist=load_watchlist(installation.settings.watchlist))


def look(installation: Installation, now: datetime) -> list[Run]:
    """Crawl flight sources in order until one answers well. Returns the crawls made; none while someone else looks."""
    with transaction(installation.engine) as connection:
        states = {state.slug: state for state in list_source_states(connection)}
    runs = []
    for slug in order_sources(FLIGHT_SOURCES, states, now, timedelta(seconds=installation.settings.poll_s)):
        run = crawl_source(installation, slug, watchlist_argument(installation), timeout_s=75)
        if run is None:
            break
        runs.append(run)
        if run.verdict is Verdict.OK:
            break
    return runs


def order_sources(slugs: Sequence[str], states: dict[str, SourceState], now: datetime, poll: timedelta) -> list[str]:
    """Sources to ask now, in order: without those that asked for a pause or rest after failing again and again.

    When that leaves none, the one that was asked longest ago is asked, unless it named the time itself.
    """
    may_be_asked = [slug for slug in slugs if not _is_paused(states.get(slug), now)]
    rested = [slug for slug in may_be_asked if not _is_resting(states.get(slug), now, poll)]
    if rested or not may_be_asked:
        return rested
    last_run_at = {slug: states[slug].last_run_at or now for slug in may_be_asked}
    return [min(may_be_asked, key=lambda slug: last_run_at[slug])]


def confirm_legs(installation: Installation) -> Run | None:
    """Fetch the day files of aircraft whose legs are provisional, and derive again from the complete record.

    When nobody looked for a while, those of every watched aircraft: one may have come and gone meanwhile.
    """
    with transaction(installation.engine) as connection:
        present = find_present(connection)
        if present is None:
            return None
        wanted = list_unconfirmed_days(connection, present, TRACE_REACH)
        unwatched = list_unwatched_days(connection, FLIGHT_SOURCES, present, GAP_REACH, LONGEST_GAP)
    if unwatched:
        for icao24 in load_watchlist(installation.settings.watchlist).polled:
            wanted[icao24] = sorted({*wanted.get(icao24, []), *unwatched})
    if not wanted:
        return None
    days = sorted({day for wished in wanted.values() for day in wished})
    arguments = {"icao24": ",".join(sorted(wanted)), "days": f"{days[0]}..{days[-1]}"}
    run = crawl_source(installation, TRACE_SOURCE, arguments, timeout_s=1800)
    derive(installation, present)
    return run


def watch_news(installation: Installation, now: datetime) -> list[Run]:
    """Read the news feeds; articles known already are not fetched again."""
    runs = []
    wanted: dict[str, dict[str, str]] = {slug: {} for slug in NEWS_SOURCES}
    wanted |= {feed.source: {"url": feed.url, "publisher": feed.publisher} for feed in list_feeds(installation)}
    for slug, arguments in wanted.items():
        seen_file = installation.settings.home / "seen" / slug
        seen_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with transaction(installation.engine) as connection:
            known = list_known_articles(connection, slug, now - NEWS_REACH)
        seen_file.write_text("".join(f"{key}\n" for key in known), encoding="utf-8")
        run = crawl_source(installation, slug, {**arguments, "seen_file": str(seen_file.absolute())})
        runs += [run] if run else []
    return runs


def list_feeds(installation: Installation) -> tuple[Feed, ...]:
    """Feeds the operator added; none in a replay, which has its own news. A bad file is logged and stops nothing."""
    if installation.settings.is_replay:
        return ()
    try:
        return load_feeds(installation.settings.feeds)
    except FeedsError as error:
        log.warning("no feeds of your own are read: %s", error)
        return ()


def watchlist_argument(installation: Installation) -> dict[str, str]:
    """Spider argument that names the watchlist, where it is not the one that comes with Tarmac."""
    watchlist = installation.settings.watchlist
    return {"watchlist": str(watchlist.absolute())} if watchlist else {}


def _is_paused(state: SourceState | None, now: datetime) -> bool:
    return bool(state and state.not_before_at and state.not_before_at > now)


def _is_resting(state: SourceState | None, now: datetime, poll: timedelta) -> bool:
    if state is None or state.failure_count < RESTS_AFTER_FAILURES or state.last_run_at is None:
        return False
    rest = min(poll * 2.0 ** min(state.failure_count - RESTS_AFTER_FAILURES, 10), LONGEST_REST)
    return now < state.last_run_at + rest
