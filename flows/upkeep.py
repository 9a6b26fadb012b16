"""Keep the house in order: partitions ahead of time, bundles left by a crash, silence of sources, old bundles."""

import logging
from datetime import datetime, timedelta

from flows.crawl import load_left_bundles, remove_old_bundles
from flows.installation import Installation
from flows.notify import sweep_events
from flows.watch import FLIGHT_SOURCES, NEWS_SOURCES, derive, list_feeds
from models.store.partitions import ensure_partitions
from models.store.session import transaction
from models.store.silence import Promise, report_silences

PARTITIONS_AHEAD = timedelta(days=40)

# A replay polls faster than the fault it serves can pass; an alert for half a minute helps nobody.
SHORTEST_POLL_S = 30.0
NEWS_CADENCE = timedelta(minutes=15)

log = logging.getLogger("tarmac.upkeep")


def keep_up(installation: Installation, now: datetime) -> None:
    """Do everything that must be done now and then. Safe to repeat, and to stop half-way."""
    with transaction(installation.engine) as connection:
        ensure_partitions(connection, now, now + PARTITIONS_AHEAD)
    if load_left_bundles(installation):
        derive(installation, now)
    report_blindness(installation, now)
    sweep_events(installation, now)
    removed = remove_old_bundles(installation, now)
    if removed:
        log.info("removed %d old bundles", removed)


def report_blindness(installation: Installation, now: datetime) -> None:
    """Raise an event when the sky, or a news source, has not been seen well for five looks, and when it is seen again.

    The three flight networks stand in for each other: only all of them together leave us blind. A job that has just
    begun first gets the time of five looks, so that a machine that was off is not told as a source that was silent.
    """
    poll = timedelta(seconds=max(installation.settings.poll_s, SHORTEST_POLL_S))
    promises = [
        Promise("flight positions", FLIGHT_SOURCES, poll),
        *(Promise(slug, (slug,), NEWS_CADENCE) for slug in NEWS_SOURCES),
        *(Promise(feed.source, (feed.source,), NEWS_CADENCE) for feed in list_feeds(installation)),
    ]
    due = [promise for promise in promises if now - installation.opened_at > promise.patience]
    with transaction(installation.engine) as connection:
        report_silences(connection, now, due)
