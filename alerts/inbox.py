"""The local inbox: a channel that needs no network, shown on the page and in the terminal.

``inbox://`` names no path: where it writes is decided by who starts the sender, never by an address.
"""

import json
import os
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


class InboxReader:
    """Reads an inbox that grows: each call gives what came since the last, and reads no line twice."""

    def __init__(self, home: Path) -> None:
        self._path = home / INBOX_FILE
        self._offset = 0
        self._seen: set[str] = set()

    def read_new(self) -> list[InboxMessage]:
        """Messages in the order they came. A line cut off by a crash is left out: its send was never acknowledged."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size < self._offset:
            # someone emptied it or put it aside: another inbox begins
            self._offset, self._seen = 0, set()
        if size == self._offset:
            return []
        found = []
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # being written, or cut off; its end is waited for
                self._offset += len(line)
                if message := self._parse(line):
                    found.append(message)
        return found

    def _parse(self, line: bytes) -> InboxMessage | None:
        try:
            row = json.loads(line)
            at, key = datetime.fromisoformat(row["at"]), row["key"]
            message = InboxMessage(key, row["title"], row["body"], at, key in self._seen)
        except (ValueError, KeyError, TypeError):
            return None
        self._seen.add(message.key)
        return message


def read_inbox(home: Path) -> list[InboxMessage]:
    """All messages, for who looks once; who looks again and again keeps an InboxReader."""
    return InboxReader(home).read_new()


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
