"""``tarmac load``: put bundles of crawls into the database, by hand."""

from pathlib import Path

import click

from flows.cli import InputError
from flows.commands.channel import open_database
from flows.derive import derive_marked
from flows.load import find_bundles, load_bundles
from flows.local.homes import find_installation
from models import clock
from models.archive import Archive
from models.settings import Settings
from models.store.bundle import LoadReport
from models.store.bundle_files import BundleError
from models.store.schema import SchemaOutdated, check_is_current
from models.vocab.watchlist import WatchlistError, load_watchlist


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--derive/--no-derive", default=True, help="Derive legs and events afterwards.")
def load(bundles: tuple[Path, ...], derive: bool) -> None:
    """Load BUNDLES: folders a crawl left, or folders of such folders. Loading one twice changes nothing."""
    settings = find_installation(Settings())
    try:
        folders = find_bundles(bundles)
        watchlist = load_watchlist(settings.watchlist)
        with open_database(settings) as engine:
            check_is_current(engine)
            for report in load_bundles(engine, Archive(settings.archive_location), folders, clock.now()):
                click.echo(describe_load(report))
            if derive:
                derived = derive_marked(engine, clock.now(), watchlist=watchlist)
                click.echo(f"{len(derived.aircraft)} aircraft derived, {len(derived.event_ids)} events")
    except (BundleError, SchemaOutdated, WatchlistError) as error:
        raise InputError(str(error)) from None


def describe_load(report: LoadReport) -> str:
    """One line that says what came of loading a bundle."""
    parts = [
        f"{report.source} {report.run_id}",
        f"{report.verdict}{', known before' if report.was_known else ''}",
        f"{report.position_count} new positions",
        f"{report.article_count} new articles",
        f"{report.capture_count} captures",
    ]
    if report.refused_count:
        parts.append(f"{report.refused_count} refused (first: {report.issues[0]})")
    return " | ".join(parts)
