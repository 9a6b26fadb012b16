"""``tarmac subscribe``: who wants to know what, on which channel."""

from uuid import UUID

import click

from alerts.configure import save_subscription
from alerts.subject import SubscriptionError
from flows.cli import InputError
from flows.commands.channel import open_database, pick_channel
from flows.watch import FLIGHT_SOURCES, NEWS_SOURCES
from models import clock
from models.settings import Settings
from models.store.session import transaction
from models.store.subscription import WHATS, end_subscription, list_subscriptions
from models.vocab.certainty import Certainty
from models.vocab.event import EventKind
from models.vocab.feeds import FeedsError, load_feeds
from models.vocab.watchlist import WatchlistError, load_watchlist

SKY = "flight positions"
"""the name under which flow upkeep reports that no flight source answers"""


@click.group(invoke_without_command=True)
@click.option("--what", type=click.Choice(WHATS), help="what to watch")
@click.option(
    "--value", default="", help="which: N123AB or a1b2c3, an operator, an airport, a word (deport* for endings)"
)
@click.option("--channel", "channel_name", help="label or id of the channel to tell")
@click.option("--kinds", default="", help=f"only these, comma separated: {', '.join(EventKind)}")
@click.option(
    "--least", type=click.Choice([str(one) for one in Certainty]), default="possible", help="least certainty to tell"
)
@click.pass_context
def subscribe(
    context: click.Context, what: str | None, value: str, channel_name: str | None, kinds: str, least: str
) -> None:
    """Ask to be told: `tarmac subscribe --what airport --value KIWA --channel team`."""
    if context.invoked_subcommand is not None:
        return
    if what is None or channel_name is None:
        raise InputError("say --what to watch and on which --channel to tell")
    settings = Settings()
    with open_database(settings) as engine:
        channel = pick_channel(engine, channel_name)
        try:
            saved = save_subscription(
                engine,
                channel=channel,
                what=what,
                value=value,
                kinds=[kind.strip() for kind in kinds.split(",") if kind.strip()],
                least=least,
                watchlist=load_watchlist(settings.watchlist),
                sources=(SKY, *FLIGHT_SOURCES, *NEWS_SOURCES, *(feed.source for feed in load_feeds(settings.feeds))),
                now=clock.now(),
            )
        except (SubscriptionError, WatchlistError, FeedsError) as error:
            raise InputError(str(error)) from None
    click.echo(f"{saved.id}  {what} {saved.subject.value}".rstrip() + f" -> {channel.label}")
    if saved.subject.warning:
        click.echo(f"tarmac: kept, but it may match nothing: {saved.subject.warning}", err=True)


@subscribe.command("list")
def list_() -> None:
    """Show all subscriptions that have not ended."""
    with open_database(Settings()) as engine, transaction(engine) as connection:
        for line in list_subscriptions(connection):
            kinds = f"  only {', '.join(line.kinds)}" if line.kinds else ""
            least = "" if line.least_certainty == Certainty.POSSIBLE else f"  at least {line.least_certainty}"
            click.echo(f"{line.id}  {line.what} {line.value}".rstrip() + f" -> {line.channel_label}{kinds}{least}")


@subscribe.command()
@click.argument("subscription")
def end(subscription: str) -> None:
    """End the subscription with this id; corrections of what it told still come."""
    try:
        subscription_id = UUID(subscription)
    except ValueError:
        raise InputError("not the id of a subscription; see `tarmac subscribe list`") from None
    with open_database(Settings()) as engine, transaction(engine) as connection:
        if not end_subscription(connection, subscription_id, clock.now()):
            raise InputError("no such subscription, or it has ended already")
    click.echo("ended")
