"""``tarmac watchlist``: look after the list of watched airframes."""

from pathlib import Path

import click

from flows.cli import InputError
from models.vocab.aircraft import PairCheck
from models.vocab.watchlist import Watchlist, WatchlistError, load_watchlist, show_path


@click.group()
def watchlist() -> None:
    """Look after the list of watched airframes."""


@watchlist.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def check(file: Path | None) -> None:
    """Check a watchlist FILE (the one that comes with Tarmac by default) and say what is on it."""
    try:
        loaded = load_watchlist(file)
    except WatchlistError as error:
        raise InputError(str(error)) from error
    for line in summarise(loaded):
        click.echo(line)


def summarise(loaded: Watchlist) -> list[str]:
    """Say what is on a watchlist, a line each."""
    aircraft = loaded.by_icao24.values()
    lines = [f"{show_path(loaded.path)}: {len(aircraft)} aircraft, {len(loaded.polled)} of them polled"]
    checks = loaded.count_checks()
    lines.append(
        "registration and address: "
        f"{checks[PairCheck.OK]} ok, {checks[PairCheck.OUTSIDE_US]} outside the US block, which cannot be checked"
    )
    lines += [
        f"  {a.registration} ({a.icao24}) is outside the US block"
        for a in aircraft
        if a.address_check is PairCheck.OUTSIDE_US
    ]
    statuses = sorted({a.status.value for a in aircraft})
    lines.append("status: " + ", ".join(f"{sum(a.status == s for a in aircraft)} {s}" for s in statuses))
    lines += [f"  {count:4} {name}" for name, count in loaded.count_operators().most_common()]
    lines += [f"source: {source.name} ({source.credit})" for source in loaded.sources.values()]
    return lines
