"""``tarmac traces``: fetch day files of watched aircraft for a range of days, to confirm and to fill in the past."""

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.cli import InputError
from flows.crawl_process import choose_bundle, describe_run, read_run, run_crawl
from models import clock
from models.items import Run, Verdict
from models.settings import Settings
from models.vocab.watchlist import WatchlistError, load_watchlist

SOURCE = "adsb_lol_traces"
SECONDS_PER_FILE = 20.0
"""Time allowed for one file: the delay, a slow answer and a large file."""


def find_finished(folder: Path, wanted: frozenset[str]) -> Path | None:
    """A bundle of a day that already answers for all these aircraft."""
    for bundle in sorted(folder.glob("*/*")):
        run = read_run(bundle, SOURCE)
        if run is not None and run.verdict is Verdict.OK and wanted <= set(run.asked):
            return bundle
    return None


def find_pause(folder: Path, now: datetime) -> float:
    """Seconds left of a pause the source asked for when this day was tried before; 0 when there is none."""
    runs = (read_run(bundle, SOURCE) for bundle in folder.glob("*/*"))
    waits = ((run.finished_at - now).total_seconds() + run.retry_after_s for run in runs if run and run.retry_after_s)
    return max(0.0, *waits, 0.0)


def fetch_day(day: date, addresses: tuple[str, ...], folder: Path) -> tuple[Run, Path]:
    """Crawl one day of these aircraft into a new bundle."""
    bundle = choose_bundle(folder, SOURCE)
    run = run_crawl(
        SOURCE,
        bundle,
        {"days": day.isoformat(), "icao24": ",".join(addresses)},
        timeout_s=60.0 + SECONDS_PER_FILE * len(addresses),
    )
    return run, bundle


def choose_addresses(aircraft: str | None, settings: Settings) -> tuple[str, ...]:
    """Addresses from registrations or addresses as given, or the whole watchlist."""
    try:
        watchlist = load_watchlist(settings.watchlist)
    except WatchlistError as error:
        raise InputError(str(error)) from error
    if aircraft is None:
        return watchlist.polled
    chosen = []
    for word in aircraft.split(","):
        known = watchlist.find_registration(word)
        address = known.icao24 if known else word.strip().lower()
        if len(address) != 6 or not set(address) <= set("0123456789abcdef"):
            raise InputError(f"{word!r} is neither on the watchlist nor a 24-bit address")
        chosen.append(address)
    return tuple(dict.fromkeys(chosen))


@click.command()
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day (UTC).")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day; the first when left out.")
@click.option("--aircraft", help="Registrations or addresses, comma separated; the watchlist when left out.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the bundles, one a day.")
def traces(first: datetime, last: datetime | None, aircraft: str | None, out: Path | None) -> None:
    """Fetch the day files of watched aircraft, one bundle a day.

    Days that are done are skipped, so the command can be stopped and called again. Where the source refuses or cannot
    be reached it stops and says so.
    """
    days = list_days(first.date(), (last or first).date())
    settings = Settings()
    addresses = choose_addresses(aircraft, settings)
    root = out or settings.home / "crawls" / "traces"
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    worst = 0
    bar = Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty())
    with bar as progress:
        task = progress.add_task("day files", total=len(days))
        for day in days:
            progress.update(task, description=f"{day}, {len(addresses)} aircraft")
            bundle = find_finished(root / day.isoformat(), frozenset(addresses))
            if bundle is not None:
                click.echo(f"{day} done before: {bundle}")
            elif wait_s := find_pause(root / day.isoformat(), clock.now()):
                click.echo(f"tarmac: the source asked for a pause; call again in {wait_s:.0f} s", err=True)
                worst = 1
                break
            else:
                run, bundle = fetch_day(day, addresses, root / day.isoformat())
                click.echo(f"{day} {describe_run(run)}: {bundle}")
                worst = max(worst, 0 if run.verdict is Verdict.OK else 1)
                if run.verdict in {Verdict.REFUSED, Verdict.UNREACHABLE, Verdict.FAILED}:
                    click.echo(f"tarmac: stopped at {day}; call again to go on from there", err=True)
                    break
            progress.advance(task)
    sys.exit(worst)


def list_days(first: date, last: date) -> list[date]:
    """Every day from first to last."""
    if last < first:
        raise InputError(f"--to {last} is before --from {first}")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
