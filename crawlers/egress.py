"""Keeps a crawl inside its source: only declared hosts, only http(s), and no private address behind a name."""

import errno
import ipaddress
import socket
import sys
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from twisted.internet.error import ConnectError, ConnectionClosed

from crawlers.problems import CrawlProblem, SourceRefused, SourceUnreachable, judge_status, read_retry_after
from models import clock
from models.vocab.network import is_public

Endpoint = tuple[str, int]


NO_ANSWER = {
    CannotResolveHostError: "its name has no address",
    DownloadConnectionRefusedError: "connection refused",
    DownloadTimeoutError: "no answer in time",
    ResponseDataLossError: "the answer was cut off on the way",
    DownloadFailedError: "the connection broke",
    ConnectError: "no connection",
    ConnectionClosed: "the connection was closed",
}
"""No whole answer came. Scrapy wraps only some of Twisted's errors: a connection we refuse is a ConnectError."""


class NotAsked(IgnoreRequest):
    """A request that was not sent, and the problem that is the reason."""

    def __init__(self, problem: CrawlProblem):
        super().__init__(str(problem))
        self.problem = problem


def resolve_endpoints(base_url: str | None) -> frozenset[Endpoint]:
    """Every address and port of a base address, looked up once at the start."""
    if not base_url:
        return frozenset()
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset((str(entry[4][0]), port) for entry in found)


def refuse_private_connections(allowed: frozenset[Endpoint]) -> None:
    """From now on no socket of this process connects to a private address but those allowed.

    An audit hook sees the address after the name was resolved, so neither a redirect nor a name that resolves to
    two addresses in turn passes it. It cannot be removed, which suits a process that lives for one crawl.
    """

    def inspect(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.connect":
            return
        address = arguments[1]
        if not isinstance(address, tuple) or tuple(address[:2]) in allowed:
            return
        if not is_public(ipaddress.ip_address(str(address[0]).partition("%")[0])):
            raise PermissionError(errno.EACCES, f"connection to the private address {address[0]} refused")

    sys.addaudithook(inspect)


class EgressMiddleware:
    """Lets through what is addressed to the source, until the source has said no or is found not to answer."""

    def __init__(self, crawler: Crawler, base_url: str | None):
        self.crawler = crawler
        self.base_location = urlsplit(base_url).netloc if base_url else None
        self.stopped: CrawlProblem | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "EgressMiddleware":
        return cls(crawler, crawler.settings["TARMAC_SOURCE_BASE_URL"])

    def process_request(self, request: Request) -> None:
        if self.stopped is not None:
            raise NotAsked(self.stopped)
        parts = urlsplit(request.url)
        if parts.scheme not in {"http", "https"}:
            raise NotAsked(SourceRefused(f"address with scheme {parts.scheme} refused"))
        if self.base_location is not None and parts.netloc == self.base_location:
            return
        hosts: Collection[str] = getattr(self.crawler.spider, "hosts", ())
        if parts.hostname not in hosts:
            raise NotAsked(SourceRefused(f"{parts.hostname} is not a host of this source"))

    def process_response(self, request: Request, response: Response) -> Response:
        # here and not in the errback, which runs when the next question is on its way already
        if response.status < 400:
            return response
        kind = judge_status(response.status, response.body)
        if not asks_for_robots(request):
            if kind is SourceRefused:
                self.stopped = SourceRefused(f"not asked after HTTP {response.status}")
        elif kind is SourceUnreachable or response.status == 429:
            self.stopped = kind(f"robots.txt: HTTP {response.status}")
        header = response.headers.get("Retry-After")
        wait_s = read_retry_after(header.decode("latin-1") if header else None, clock.now())
        if wait_s is not None:
            findings = self.crawler.spider.findings  # type: ignore[union-attr]
            findings.retry_after_s = max(wait_s, findings.retry_after_s or 0.0)
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        if not has_no_answer(exception):
            return
        if asks_for_robots(request):
            # who cannot be asked what is allowed must not be asked anything (RFC 9309, 2.3.1.4)
            self.stopped = SourceUnreachable(f"robots.txt: {describe_failure(exception)}")
        elif getattr(self.crawler.spider, "stops_without_answer", True):
            self.stopped = SourceUnreachable("not asked after a question without an answer")


def asks_for_robots(request: Request) -> bool:
    """Whether Scrapy itself asks for robots.txt."""
    return bool(request.meta.get("dont_obey_robotstxt"))


def has_no_answer(error: BaseException | None) -> bool:
    """Whether a download failed on the way, and not by our fault."""
    return isinstance(error, tuple(NO_ANSWER))


def describe_failure(error: BaseException | None) -> str:
    """A failed download in words, with the library's own in brackets."""
    own = f"{type(error).__name__}: {error}".splitlines()[0]
    words = next((words for kind, words in NO_ANSWER.items() if isinstance(error, kind)), None)
    return f"{words} ({own})" if words else own
