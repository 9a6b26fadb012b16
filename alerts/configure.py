"""What people do with channels and subscriptions: add, test, subscribe. Called by the command line and the page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from uuid import UUID, uuid4

from alerts.addresses import seal_address, unseal_address
from alerts.answer import Answer
from alerts.channels import ChannelError, check_url
from alerts.egress import parse_allowed
from alerts.subject import Subject, SubscriptionError, check_subject
from alerts.words import render_test
from alerts.worker import SenderPool
from models.secrets import InstanceKey
from models.store.channel import ChannelLine, add_channel, find_channel, list_channels, read_sealed_url
from models.store.session import Engine, transaction
from models.store.subscription import WHATS, add_subscription
from models.vocab.certainty import Certainty
from models.vocab.event import EventKind
from models.vocab.watchlist import Watchlist

LABEL_LIMIT = 60


@dataclass(frozen=True)
class SavedSubscription:
    """A subscription that was kept, with its value as it is matched."""

    id: UUID
    subject: Subject


def save_channel(
    engine: Engine, key: InstanceKey, url: str, *, label: str | None, allow_private: str, now: datetime
) -> ChannelLine:
    """Keep a channel after making sure its address can be used. Raises ChannelError, StoreUnavailable."""
    scheme = check_url(url, parse_allowed(allow_private))
    name = (label or "").strip() or f"{scheme}-{token_hex(2)}"
    if len(name) > LABEL_LIMIT or not name.isprintable():
        raise ChannelError(f"a label has at most {LABEL_LIMIT} characters, all of them visible")
    channel_id = uuid4()
    sealed = seal_address(key, channel_id, url)
    with transaction(engine) as connection:
        if not add_channel(connection, channel_id=channel_id, label=name, scheme=scheme, url_sealed=sealed, now=now):
            raise ChannelError(f"there is a channel called {name} already")
        saved = find_channel(connection, name)
    assert saved is not None
    return saved


def try_channel(engine: Engine, key: InstanceKey, channel: ChannelLine, pool: SenderPool, now: datetime) -> Answer:
    """Send a test message, as an alert would be sent. Raises SealError, SenderUnavailable, StoreUnavailable."""
    with transaction(engine) as connection:
        sealed = read_sealed_url(connection, channel.id)
    return pool.send(unseal_address(key, channel.id, sealed), render_test(f"test-{uuid4()}", now), now)


def save_subscription(
    engine: Engine,
    *,
    channel: ChannelLine,
    what: str,
    value: str,
    kinds: Sequence[str] = (),
    least: str = Certainty.POSSIBLE,
    watchlist: Watchlist,
    sources: Collection[str],
    now: datetime,
) -> SavedSubscription:
    """Keep a subscription after making sure that something can match it. Raises SubscriptionError.

    ``sources``: names under which silence is reported; the labels of channels are as good, for their trouble is news.
    """
    value = value.strip()
    if what not in WHATS:
        raise SubscriptionError(f"unknown subject {what}; known are {', '.join(WHATS)}")
    if (what == "any") != (value == ""):
        raise SubscriptionError("'any' takes no value; everything else needs one")
    unknown = sorted(set(kinds) - set(EventKind))
    if unknown:
        raise SubscriptionError(f"unknown kind {unknown[0]}; known are {', '.join(EventKind)}")
    if least not in set(Certainty):
        raise SubscriptionError(f"unknown certainty {least}; known are {', '.join(Certainty)}")
    with transaction(engine) as connection:
        labels = {line.label for line in list_channels(connection)}
        subject = check_subject(what, value, watchlist, {*sources, *labels})
        subscription_id = add_subscription(
            connection,
            channel_id=channel.id,
            what=what,
            value=subject.value,
            kinds=kinds,
            least_certainty=least,
            now=now,
        )
    return SavedSubscription(subscription_id, subject)


def read_channels(engine: Engine) -> list[ChannelLine]:
    """All channels, without their addresses."""
    with transaction(engine) as connection:
        return list_channels(connection)
