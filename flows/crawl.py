"""Crawl one source and load what came of it: the step every scheduled look consists of."""

import logging
import os
import shutil
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from flows.crawl_process import choose_bundle, describe_run, read_run, run_crawl
from flows.installation import Installation
from models import clock
from models.items import Run
from models.store.bundle import load_bundle
from models.store.bundle_files import BundleError
from models.store.locks import hold_source
from models.store.session import StoreUnavailable

LOADED_FILE = "loaded"
"""In a bundle that is in the database; without it the bundle is loaded by the next sweep."""
KEEP_BUNDLES = timedelta(days=3)
LOAD_PATIENCE_S = 20.0

log = logging.getLogger("tarmac.crawl")


def crawl_source(
    installation: Installation, slug: str, arguments: Mapping[str, str] | None = None, *, timeout_s: float = 180.0
) -> Run | None:
    """Crawl a source and load its bundle; None when another process is crawling it right now.

    A bundle that cannot be loaded because the database is away stays, and ``load_left_bundles`` loads it later.
    """
    with hold_source(installation.engine, slug) as is_ours:
        if not is_ours:
            return None
        bundle = choose_bundle(installation.bundles, slug)
        run = run_crawl(slug, bundle, arguments, timeout_s=timeout_s)
        log.info("%s", describe_run(run))
        load_patiently(installation, bundle)
    return run


def load_patiently(installation: Installation, bundle: Path) -> None:
    """Load a bundle, waiting a while for a database that restarts. Raises StoreUnavailable when it stays away."""
    give_up_at = time.monotonic() + LOAD_PATIENCE_S
    while True:
        try:
            load_bundle(installation.engine, bundle, installation.archive, clock.now())
        except StoreUnavailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)
        else:
            (bundle / LOADED_FILE).touch()
            return


def load_left_bundles(installation: Installation) -> int:
    """Load bundles that a killed process left behind, oldest first; returns how many."""
    count = 0
    for bundle in sorted(installation.bundles.glob("*/*"), key=lambda folder: folder.name):
        if (bundle / LOADED_FILE).exists() or read_run(bundle, bundle.parent.name) is None:
            continue
        with hold_source(installation.engine, bundle.parent.name) as is_ours:
            if not is_ours:
                continue
            try:
                load_patiently(installation, bundle)
            except BundleError as error:
                log.warning("bundle %s cannot be loaded: %s", bundle.name, error)
                (bundle / LOADED_FILE).write_text("refused\n")
            else:
                count += 1
    return count


def remove_old_bundles(installation: Installation, now: datetime) -> int:
    """Remove bundles that were loaded days ago: their captures are in the archive. Returns how many."""
    before = (now - KEEP_BUNDLES).timestamp()
    old = [mark.parent for mark in installation.bundles.glob(f"*/*/{LOADED_FILE}") if os.stat(mark).st_mtime < before]
    for bundle in old:
        shutil.rmtree(bundle, ignore_errors=True)
    return len(old)
