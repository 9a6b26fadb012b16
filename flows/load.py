"""Load bundles that lie in folders: one at a time, oldest crawl first, each whole or not at all."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from models.archive import Archive
from models.items import RUN_FILE
from models.store.bundle import LoadReport, load_bundle
from models.store.bundle_files import BundleError, read_run
from models.store.session import Engine


def find_bundles(paths: Iterable[Path]) -> list[Path]:
    """The bundles at or below ``paths``, oldest crawl first. Raises BundleError where a path holds none."""
    found: dict[Path, datetime] = {}
    for path in paths:
        folders = [path] if (path / RUN_FILE).exists() else [run.parent for run in path.rglob(RUN_FILE)]
        if not folders:
            raise BundleError(f"{path}: no bundle here ({RUN_FILE} is missing)")
        found.update((folder, read_run(folder).started_at) for folder in folders)
    return sorted(found, key=lambda folder: (found[folder], folder))


def load_bundles(engine: Engine, archive: Archive, folders: Iterable[Path], now: datetime) -> Iterator[LoadReport]:
    """Load bundles and yield the report of each. Raises BundleError, StoreUnavailable."""
    for folder in folders:
        yield load_bundle(engine, folder, archive, now)
