"""What is sent: a title that may stand on a lock screen, a text, and the key by which a repeat is known."""

from dataclasses import dataclass

TITLE_LIMIT = 100


@dataclass(frozen=True)
class Message:
    """One rendered message."""

    key: str
    title: str
    body: str
