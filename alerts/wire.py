"""See what Apprise hides: the status codes and Retry-After of its HTTP and mail exchanges, inside a sender process.

Apprise answers true or false. Whether a channel is dead (404) or busy (429) decides between switching it off and
trying again, so the transport below it is watched: ``requests``' adapter and ``smtplib``'s replies. The same place caps
the size of an answer and the time spent reading it, which neither library does, and treats an answer whose body breaks
off after a 2xx as accepted: the other side has the message, and trying again would only repeat it.
"""

import smtplib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from alerts.answer import Exchange

MAX_BODY_BYTES = 1_048_576
MAX_BODY_SECONDS = 10.0


@dataclass
class Wire:
    """What was seen during one send."""

    now: datetime
    idempotency_key: str | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    was_request_written: bool = False
    was_refused_egress: bool = False


_wire: Wire | None = None


def begin_watch(wire: Wire) -> None:
    """From now on write what is seen into ``wire``. One send at a time in a process, so one wire is enough."""
    global _wire
    _wire = wire


def note_refusal() -> None:
    """Called by the egress guard."""
    if _wire is not None:
        _wire.was_refused_egress = True


def install_hooks() -> None:
    """Watch all HTTP and SMTP of this process. Call once, in a sender process only."""
    plain_send = HTTPAdapter.send

    def watched_send(
        self: HTTPAdapter, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        wire = _wire
        if wire is not None and wire.idempotency_key:
            request.headers.setdefault("Idempotency-Key", wire.idempotency_key)
        try:
            response = plain_send(self, request, *arguments, **{**options, "stream": True})
        except requests.ConnectTimeout:
            raise
        except (requests.ReadTimeout, requests.ConnectionError) as error:
            if wire is not None:
                wire.was_request_written = not _failed_to_connect(error)
            raise
        if wire is not None:
            wire.was_request_written = False
            wire.exchanges.append(
                Exchange("http", response.status_code, parse_retry_after(response.headers.get("Retry-After"), wire.now))
            )
        _read_body(response)
        return response

    plain_reply = smtplib.SMTP.getreply

    def watched_reply(self: smtplib.SMTP) -> tuple[int, bytes]:
        code, text = plain_reply(self)
        if _wire is not None:
            _wire.exchanges.append(Exchange("smtp", code))
        return code, text

    HTTPAdapter.send = watched_send  # type: ignore[method-assign]
    smtplib.SMTP.getreply = watched_reply  # type: ignore[method-assign]


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds a server asks to wait, from either form of Retry-After; None when absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _failed_to_connect(error: Exception) -> bool:
    """Whether nothing was sent at all. Requests wraps the reason two or three deep."""
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            return False
        if type(seen).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLError"}:
            return True
        inner = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = getattr(seen, "reason", None) or inner or seen.__cause__
        if not isinstance(seen, BaseException):
            return False
    return False


def _read_body(response: requests.Response) -> None:
    """Read what little of the body matters; a body that is too long, too slow or breaks off is cut there."""
    stop_at = time.monotonic() + MAX_BODY_SECONDS
    parts: list[bytes] = []
    size = 0
    try:
        while size < MAX_BODY_BYTES and time.monotonic() < stop_at:
            part = response.raw.read1(MAX_BODY_BYTES - size, decode_content=True)
            if not part:
                break
            parts.append(part)
            size += len(part)
    except (HTTPError, OSError, ValueError):
        pass  # the status line is what counts; a broken body is as good as an empty one
    finally:
        response.raw.close()
    response._content = b"".join(parts)
    response._content_consumed = True
