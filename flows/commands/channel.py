"""``tarmac channel``: the ways to reach people. Addresses go in and never come out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from alerts.answer import Outcome
from alerts.channels import ChannelError
from alerts.configure import read_channels, save_channel, try_channel
from alerts.outbox import describe_code
from alerts.worker import SenderPool, SenderUnavailable
from flows.cli import InputError
from flows.doctor import find_database
from flows.local.homes import find_installation
from models import clock
from models.secrets import KeyFileError, SealError, open_instance_key
from models.settings import Settings
from models.store.channel import ChannelLine, disable_channel, enable_channel, find_channel, remove_channel
from models.store.session import Engine, StoreError, make_engine, transaction


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """The database of this installation: DATABASE_URL, else the server that ``tarmac run`` runs. Raises InputError."""
    url = find_database(settings)
    if not url:
        home = find_installation(settings).home.absolute()
        raise InputError(f"Tarmac is not running in {home}: start it with `tarmac run`, or set DATABASE_URL")
    engine = make_engine(url, application="tarmac command")
    try:
        yield engine
    except StoreError as error:
        raise InputError(str(error)) from None
    except (KeyFileError, SealError) as error:
        raise InputError(str(error)) from None
    finally:
        engine.dispose()


def pick_channel(engine: Engine, name: str) -> ChannelLine:
    """The channel a user means. Raises InputError."""
    with transaction(engine) as connection:
        channel = find_channel(connection, name)
    if channel is None:
        raise InputError(f"no channel is called {name}; see `tarmac channel list`")
    return channel


@click.group()
def channel() -> None:
    """Add, test and remove the ways to reach people."""


@channel.command()
@click.argument("url")
@click.option("--label", help="a name for it; a short one is made up without")
def add(url: str, label: str | None) -> None:
    """Add the channel URL, any Apprise address on the list; `-` reads it from standard input."""
    settings = find_installation(Settings())
    if url == "-":
        url = sys.stdin.readline().strip()
    with open_database(settings) as engine:
        key = open_instance_key(settings.instance_key_file)
        try:
            saved = save_channel(engine, key, url, label=label, allow_private=settings.allow_private, now=clock.now())
        except ChannelError as error:
            raise InputError(str(error)) from None
        except ValueError:
            raise InputError("TARMAC_ALLOW_PRIVATE is not a list of host:port pairs") from None
    click.echo(f"{saved.id}  {saved.scheme}://…  {saved.label}")
    click.echo(f"Nothing is sent to it before `tarmac subscribe --channel {saved.label} …`")


@channel.command("list")
def list_() -> None:
    """Show all channels, without their addresses."""
    with open_database(Settings()) as engine:
        for line in read_channels(engine):
            trouble = f"  ({line.reason})" if line.reason else ""
            failing = f"  {line.consecutive_failure_count} failures in a row" if line.consecutive_failure_count else ""
            click.echo(f"{line.id}  {line.state:8}  {line.scheme}://…  {line.label}{trouble}{failing}")


@channel.command()
@click.argument("name")
def test(name: str) -> None:
    """Send a test message through the channel NAME (its label or id)."""
    settings = find_installation(Settings())
    with open_database(settings) as engine, SenderPool(settings.home, allow_private=settings.allow_private) as pool:
        key = open_instance_key(settings.instance_key_file)
        try:
            answer = try_channel(engine, key, pick_channel(engine, name), pool, clock.now())
        except SenderUnavailable as error:
            raise InputError(str(error)) from None
    if answer.outcome is not Outcome.SENT:
        raise InputError(f"the test did not get through: {describe_code(answer.code)}")
    click.echo("The service took the test message. Make sure that it can be read where it should arrive.")


@channel.command()
@click.argument("name")
def enable(name: str) -> None:
    """Use the channel NAME again; what waited for it is sent."""
    with open_database(Settings()) as engine:
        chosen = pick_channel(engine, name)
        with transaction(engine) as connection:
            enable_channel(connection, chosen.id)
    click.echo(f"{chosen.label} is used again")


@channel.command()
@click.argument("name")
def disable(name: str) -> None:
    """Stop using the channel NAME; messages for it wait for a day."""
    with open_database(Settings()) as engine:
        chosen = pick_channel(engine, name)
        with transaction(engine) as connection:
            disable_channel(connection, chosen.id, "switched off by hand", clock.now())
    click.echo(f"{chosen.label} is not used any more")


@channel.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the channel NAME: its address, its label and its subscriptions."""
    with open_database(Settings()) as engine:
        chosen = pick_channel(engine, name)
        with transaction(engine) as connection:
            remove_channel(connection, chosen.id, clock.now())
    click.echo(f"{chosen.label} is forgotten")
