"""The local inbox: a channel that needs no network, shown on the page and in the terminal.

``inbox://`` names no path: where it writes is decided by who starts the sender, never by an address.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

INBOX_FILE = "inbox.jsonl"
# Registered with Apprise in sender processes only (alerts/sender.py), which alone know where the file lies.
INBOX_URL = "inbox://local"


@dataclass(frozen=True)
class InboxMessage:
    """One line of the inbox. ``is_repeat``: a line with the same key came before it."""

    key: str
    title: str
    body: str
    at: datetime
    is_repeat: bool


def read_inbox(home: Path) -> Iterator[InboxMessage]:
    """Messages in the order they came. A line cut off by a crash is left out: its send was never acknowledged."""
    path = home / INBOX_FILE
    if not path.exists():
        return
    seen: set[str] = set()
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = json.loads(line)
                message = InboxMessage(
                    row["key"], row["title"], row["body"], datetime.fromisoformat(row["at"]), row["key"] in seen
                )
            except (ValueError, KeyError, TypeError):
                continue
            seen.add(message.key)
            yield message


def append_message(path: Path, *, key: str, title: str, body: str, at: datetime) -> None:
    """Write one message so that it survives a power cut. A half line left by a crash is ended first."""
    line = json.dumps({"key": key, "title": title, "body": body, "at": at.isoformat()}, ensure_ascii=False)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if is_cut else b"") + line.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
