"""The first channel of an installation, so that alerts have a place to go before anyone configured one."""

from datetime import datetime
from pathlib import Path
from uuid import uuid4

from alerts.addresses import seal_address
from alerts.inbox import INBOX_URL
from models.secrets import InstanceKey
from models.store.channel import add_channel, find_channel
from models.store.session import Engine, transaction
from models.store.subscription import add_subscription, list_subscriptions

INBOX_LABEL = "inbox"


def ensure_inbox(engine: Engine, key: InstanceKey, home: Path, now: datetime) -> None:
    """Make the inbox channel and a subscription to everything, once; safe to call at every start."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    channel_id = uuid4()
    with transaction(engine) as connection:
        add_channel(
            connection,
            channel_id=channel_id,
            label=INBOX_LABEL,
            scheme="inbox",
            url_sealed=seal_address(key, channel_id, INBOX_URL),
            now=now,
        )
        channel = find_channel(connection, INBOX_LABEL)
        assert channel is not None
        if not any(line.channel_id == channel.id for line in list_subscriptions(connection)):
            add_subscription(
                connection, channel_id=channel.id, what="any", value="", kinds=None, least_certainty="possible", now=now
            )
