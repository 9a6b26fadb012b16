"""How the notifier and its senders talk: length-prefixed JSON over a socket pair. Imports nothing heavy."""

import json
import socket
import struct
from typing import Any

LENGTH = struct.Struct(">I")
PID = struct.Struct(">q")
FORK, KILL = b"f", b"k"


def transmit(channel: socket.socket, value: dict[str, Any]) -> None:
    """Write one message to a socket."""
    data = json.dumps(value).encode()
    channel.sendall(LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """Read one message from a socket; None when the other side is gone."""
    head = read_exactly(channel, LENGTH.size)
    data = read_exactly(channel, LENGTH.unpack(head)[0]) if head else None
    if data is None:
        return None
    value = json.loads(data)
    assert isinstance(value, dict)
    return value


def read_exactly(channel: socket.socket, size: int) -> bytes | None:
    """Read so many bytes; None when the other side is gone before."""
    parts = b""
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return parts
