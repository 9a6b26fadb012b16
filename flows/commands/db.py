"""``tarmac db``: the database of this installation."""

import click

from flows.cli import InputError
from flows.commands.channel import open_database
from flows.derive import derive_everything
from models import clock
from models.settings import Settings
from models.store.schema import SchemaOutdated, check_is_current, upgrade
from models.vocab.watchlist import WatchlistError, load_watchlist


@click.group()
def db() -> None:
    """Migrate the database, say where it is, derive its facts again."""


@db.command("upgrade")
def upgrade_schema() -> None:
    """Bring the database to the schema of this version. Safe to repeat."""
    with open_database(Settings()) as engine:
        upgrade(engine)
    click.echo("the database is up to date")


@db.command()
def url() -> None:
    """Print the address of the database, without a password."""
    with open_database(Settings()) as engine:
        click.echo(engine.url.render_as_string(hide_password=True))


@db.command()
def rederive() -> None:
    """Derive all legs again from all positions, as after a change of the rules. Alerts nobody twice."""
    settings = Settings()
    try:
        watchlist = load_watchlist(settings.watchlist)
        with open_database(settings) as engine:
            check_is_current(engine)
            report = derive_everything(
                engine,
                clock.now(),
                watchlist=watchlist,
                on_marked=lambda count: click.echo(f"{count} aircraft to derive", err=True),
            )
    except (SchemaOutdated, WatchlistError) as error:
        raise InputError(str(error)) from None
    click.echo(f"{len(report.aircraft)} aircraft derived, {len(report.event_ids)} events")
