"""What can go wrong in a crawl, in three branches: the source changed, the source refused, or we are wrong."""

import math
from datetime import datetime
from email.utils import parsedate_to_datetime

from models.items import Verdict

LONGEST_WAIT_S = 86_400.0
"""A longer Retry-After is cut to a day, so that one broken header cannot switch a source off for good."""

SEVERITY = (Verdict.FAILED, Verdict.REFUSED, Verdict.UNREACHABLE, Verdict.SCHEMA_CHANGED, Verdict.DEGRADED)
"""Worst first: which verdict a crawl gets when several things went wrong."""


class CrawlProblem(Exception):  # noqa: N818 (its branches are named for what happened)
    """Base of all that a spider may raise or note; its verdict becomes the crawl's."""

    verdict = Verdict.FAILED


class SourceChanged(CrawlProblem):
    """The answer does not have the form we know."""

    verdict = Verdict.SCHEMA_CHANGED


class SourceRefused(CrawlProblem):
    """The publisher does not want this question, now or at all."""

    verdict = Verdict.REFUSED


class SourceUnreachable(CrawlProblem):
    """No whole answer came back."""

    verdict = Verdict.UNREACHABLE


class SourceDegraded(CrawlProblem):
    """The answer is well-formed and cannot be true."""

    verdict = Verdict.DEGRADED


class WrongArguments(CrawlProblem):
    """The spider was started with arguments it cannot use."""


CHALLENGE_WORDS = (
    b"captcha",
    b"cf-chl",
    b"challenge-platform",
    b"just a moment",
    b"attention required",
    b"access denied",
)


def looks_like_html(body: bytes) -> bool:
    """Whether a body that should be data is a web page."""
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<!--", b"<script"))


def looks_like_challenge(body: bytes) -> bool:
    """Whether a web page asks the visitor to prove to be a person."""
    page = body[:65_536].lower()
    return looks_like_html(body) and any(word in page for word in CHALLENGE_WORDS)


def judge_status(status: int, body: bytes) -> type[CrawlProblem]:
    """What a status outside 2xx says about the source."""
    if status in {401, 402, 403, 407, 429, 451} or looks_like_challenge(body):
        return SourceRefused
    if 300 <= status < 400:
        return SourceRefused
    if status >= 500 or status == 408:
        return SourceUnreachable
    if status in {404, 410}:
        return SourceChanged
    return CrawlProblem


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or an HTTP date); None when it says nothing usable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
