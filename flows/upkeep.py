"""Keep the house in order: partitions ahead of time, bundles left by a crash, silence of sources, old bundles."""

import logging
from datetime import datetime, timedelta

from flows.crawl import load_left_bundles, remove_old_bundles
from flows.installation import Installation
from flows.notify import sweep_events
from flows.watch import derive
from models.store.partitions import ensure_partitions
from models.store.session import transaction

PARTITIONS_AHEAD = timedelta(days=40)

log = logging.getLogger("tarmac.upkeep")


def keep_up(installation: Installation, now: datetime) -> None:
    """Do everything that must be done now and then. Safe to repeat, and to stop half-way."""
    with transaction(installation.engine) as connection:
        ensure_partitions(connection, now, now + PARTITIONS_AHEAD)
    if load_left_bundles(installation):
        derive(installation, now)
    sweep_events(installation, now)
    removed = remove_old_bundles(installation, now)
    if removed:
        log.info("removed %d old bundles", removed)
