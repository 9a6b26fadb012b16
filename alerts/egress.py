"""Keep senders out of private networks: the last look at an address, after every redirect and every answer of DNS.

A channel's address is chosen by a user; without this, ``json://169.254.169.254`` or a redirect to it would read the
machine's own services. The guard is an audit hook, so it cannot be taken off again and sees every Python caller:
requests, smtplib, asyncio, bare sockets. It does not see C libraries that open sockets themselves; a sender has none.
"""

import ipaddress
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from models.vocab.network import IPAddress, is_public

SOCKET_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
PROCESS_EVENTS = frozenset(
    {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "pty.spawn"}
)


class EgressRefused(PermissionError):  # noqa: N818 - named for what happened
    """A sender wanted to reach an address it must not; libraries see an ordinary failure to connect."""


@dataclass(frozen=True)
class AllowedPair:
    """A private address the operator opened: exactly this host and this port."""

    host: str
    port: int


def parse_allowed(text: str) -> tuple[AllowedPair, ...]:
    """Read ``host:port, [v6]:port``. Raises ValueError for anything else, a bare host included."""
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        host, separator, port = part.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"not a host:port pair: {part}")
        pairs.append(AllowedPair(host.lower(), int(port)))
    return tuple(pairs)


def is_allowed(host: object, port: object, allowed: tuple[AllowedPair, ...]) -> bool:
    """Whether a socket may be connected to ``host``. A name is refused: it must have been resolved before."""
    if not isinstance(host, str | bytes):
        return False
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    try:
        address = ipaddress.ip_address(text)  # takes only the canonical forms, so 127.1 and 0x7f000001 fail here
    except ValueError:
        return False
    return is_public(address) or any(
        pair.port == port and _unwrap(address) in _resolve(pair) for pair in allowed if isinstance(port, int)
    )


def install_guard(allowed: tuple[AllowedPair, ...], on_refusal: Callable[[], None] | None = None) -> None:
    """Refuse all private addresses, all Unix sockets and all new processes in this process, for good."""

    def guard(event: str, arguments: tuple[object, ...]) -> None:
        if event in SOCKET_EVENTS:
            opened, address = arguments[0], arguments[1]
            if address is None:  # sendmsg on a socket that is connected already, and was judged then
                return
            family = getattr(opened, "family", None)
            if (
                family in (socket.AF_INET, socket.AF_INET6)
                and isinstance(address, tuple)
                and len(address) >= 2
                and is_allowed(address[0], address[1], allowed)
            ):
                return
        elif event not in PROCESS_EVENTS:
            return
        if on_refusal is not None:
            on_refusal()
        raise EgressRefused("private address refused")

    sys.addaudithook(guard)


def _unwrap(address: IPAddress) -> IPAddress:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _resolve(pair: AllowedPair) -> set[IPAddress]:
    try:
        return {ipaddress.ip_address(pair.host)}
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(pair.host, pair.port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_unwrap(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in found}
