"""One message to one channel: one Apprise object, one address, one call. Runs in sender processes and at save time.

An address is a credential and a user's choice. It is never logged, its schema must be on our list, and the parameters
by which Apprise would loosen TLS, follow redirects, read files or wait for ever are refused.
"""

import ipaddress
import logging
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml
from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins.base import NotifyBase

from alerts.answer import Answer, judge_send
from alerts.egress import AllowedPair
from alerts.inbox import INBOX_URL
from alerts.message import Message
from alerts.wire import Wire, begin_watch
from models.vocab.network import is_public

SCHEMAS_FILE = Path(__file__).with_name("schemas.yml")

# Each name can turn a safety off, read a file, repeat a send behind the outbox's back or change what is sent.
REFUSED_PARAMETERS = frozenset(
    {
        *("redirect", "verify", "cto", "rto", "retry", "wait", "store", "optional", "tag", "tz", "method"),
        *("template", "attach", "attachment", "inline", "image", "format", "overflow", "emojis", "config"),
        *("keyfile", "subfile", "certfile", "cert", "pem", "pempub", "pemprv", "vapid", "path"),
        *("pgp", "pgppub", "pgpkey", "pgpprv", "wkd"),
    }
)
# Webhooks are our own kind of receiver: they are told the key by which to know a repeat.
WEBHOOK_SCHEMAS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})


class ChannelError(ValueError):
    """An address that cannot be used; says why, without repeating the address."""


@cache
def load_schemas() -> dict[str, str]:
    """Allowed schemas and why each is allowed."""
    rows = yaml.safe_load(SCHEMAS_FILE.read_text(encoding="utf-8"))
    return {row["schema"]: row["reason"] for row in rows}


def read_scheme(url: str) -> str:
    """Schema of an address, which may be shown; the rest may not. Raises ChannelError."""
    scheme, separator, _ = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme):
        raise ChannelError("not an address: expected scheme://…")
    return scheme.lower()


def check_url(url: str, allowed: tuple[AllowedPair, ...] = ()) -> str:
    """Make sure an address can be used, when it is saved and not when it is needed. Returns its schema.

    Raises ChannelError. Sends nothing and resolves no name.
    """
    scheme = read_scheme(url)
    if scheme not in load_schemas():
        raise ChannelError(f"{scheme}:// is not on the list of services (alerts/schemas.yml)")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in url) or len(url) > 2000:
        raise ChannelError("the address has control characters or is too long")
    refused = sorted(_parameter_names(url) & REFUSED_PARAMETERS)
    if refused:
        raise ChannelError(f"parameters that are not allowed in an address: {', '.join(refused)}")
    if scheme == "inbox":
        if url != INBOX_URL:
            raise ChannelError(f"the inbox has one address, {INBOX_URL}")
        return scheme
    service = make_service(url)
    if len(service) > 1:
        raise ChannelError("one address, one recipient: add a channel for each")
    _check_literal_host(service, allowed)
    return scheme


def make_service(url: str) -> NotifyBase:
    """The Apprise object of an address, with our rules. Raises ChannelError when Apprise does not understand it."""
    silence_loggers()
    asset = AppriseAsset(
        plugin_paths=[],
        secure_logging=True,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
        default_service_retry=0,
        interpret_escapes=False,
        app_id="Tarmac",
        app_desc="Tarmac",
        app_url="",
        image_url_mask="",
        image_url_logo="",
    )
    apprise = Apprise(asset=asset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_added = apprise.add(url)
    if not is_added or len(apprise.servers) != 1 or not isinstance(apprise.servers[0], NotifyBase):
        raise ChannelError("Apprise does not understand this address")
    return apprise.servers[0]


def send_message(url: str, message: Message, wire: Wire) -> Answer:
    """Send one message and say what became of it. Raises ChannelError when the address cannot be used at all."""
    scheme = check_url_shape(url)
    service = make_service(url)
    service.redirects = False
    wire.idempotency_key = message.key if scheme in WEBHOOK_SCHEMAS else None
    begin_watch(wire)
    apprise = Apprise(asset=service.asset)
    apprise.add(service)
    result = apprise.notify(title=message.title, body=message.body, body_format=NotifyFormat.TEXT)
    return judge_send(
        read_result(result),
        wire.exchanges,
        was_refused_egress=wire.was_refused_egress,
        was_request_written=wire.was_request_written,
    )


def check_url_shape(url: str) -> str:
    """The part of ``check_url`` repeated before every send, in case the rules grew since the address was saved."""
    scheme = read_scheme(url)
    if scheme not in load_schemas() or _parameter_names(url) & REFUSED_PARAMETERS:
        raise ChannelError("the address is not allowed any more")
    return scheme


def read_result(result: Any) -> bool:
    """Whether Apprise says it was accepted: 1.x answers True, False or None; 2.x an object true when all went well."""
    return result is not None and bool(result)


def silence_loggers() -> None:
    """Apprise, requests and urllib3 log addresses and payloads; nothing of it may come out."""
    for name in (
        "apprise",
        "requests",
        "urllib3",
        "requests_oauthlib",
        "oauthlib",
        "markdown",
        "asyncio",
        "charset_normalizer",
    ):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 10)


def _parameter_names(url: str) -> set[str]:
    """Names of an address's parameters in lower case, as Apprise would read them: any prefix sign stripped."""
    query = url.partition("?")[2].replace(";", "&")
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    return {unquote(name).strip().lower() for name in names}


def _check_literal_host(service: NotifyBase, allowed: tuple[AllowedPair, ...]) -> None:
    """Refuse an address in a private network at once, where it is written as a number."""
    host = getattr(service, "smtp_host", None) or service.host
    if not isinstance(host, str):
        return
    try:
        address = ipaddress.ip_address(urlsplit(f"//{host}").hostname or host)
    except ValueError:
        return
    opened = any(pair.host == str(address) and service.port in (None, pair.port) for pair in allowed)
    if not is_public(address) and not opened:
        raise ChannelError("the address is in a private network; open it with TARMAC_ALLOW_PRIVATE=host:port")
