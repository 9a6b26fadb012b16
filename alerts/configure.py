"""What people do with channels and subscriptions: add, test, subscribe. Called by the command line and the page."""

from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex
from uuid import UUID, uuid4

from alerts.addresses import seal_address, unseal_address
from alerts.answer import Answer
from alerts.channels import ChannelError, check_url
from alerts.egress import parse_allowed
from alerts.words import render_test
from alerts.worker import SenderPool
from models.secrets import InstanceKey
from models.store.channel import ChannelLine, add_channel, find_channel, list_channels, read_sealed_url
from models.store.session import Engine, transaction
from models.store.subscription import WHATS, add_subscription
from models.vocab.airport import find_airport
from models.vocab.certainty import Certainty
from models.vocab.event import EventKind

LABEL_LIMIT = 60


class SubscriptionError(ValueError):
    """A subscription that could never match anything; says why."""


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
    now: datetime,
) -> UUID:
    """Keep a subscription after making sure that something can match it. Raises SubscriptionError."""
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
    if what == "airport" and find_airport(value) is None:
        raise SubscriptionError(f"no airport is known as {value.upper()}")
    if what == "keyword" and not value.strip("*").strip():
        raise SubscriptionError("a keyword needs at least one letter")
    with transaction(engine) as connection:
        return add_subscription(
            connection, channel_id=channel.id, what=what, value=value, kinds=kinds, least_certainty=least, now=now
        )


def read_channels(engine: Engine) -> list[ChannelLine]:
    """All channels, without their addresses."""
    with transaction(engine) as connection:
        return list_channels(connection)
