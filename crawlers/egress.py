"""Keeps a crawl inside its source: only declared hosts, only http(s), and no private address behind a name."""

import ipaddress
import socket
import sys
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from crawlers.problems import CrawlProblem, SourceRefused, judge_status

Endpoint = tuple[str, int]


class EgressRefused(IgnoreRequest):
    """A request, often the end of a redirect, that would leave the source."""

    problem: type[CrawlProblem] = SourceRefused


def is_public(host: str) -> bool:
    """Whether a numeric address belongs to the public internet (IPv4 inside IPv6 is unwrapped)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast


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
        if not is_public(str(address[0])):
            raise PermissionError(f"connection to the private address {address[0]} refused")

    sys.addaudithook(inspect)


class EgressMiddleware:
    """Refuses requests to hosts the source has not declared, and all after the source has said no."""

    def __init__(self, crawler: Crawler, base_url: str | None):
        self.crawler = crawler
        self.base_location = urlsplit(base_url).netloc if base_url else None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "EgressMiddleware":
        return cls(crawler, crawler.settings["TARMAC_SOURCE_BASE_URL"])

    def process_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"http", "https"}:
            raise EgressRefused(f"address with scheme {parts.scheme} refused")
        if getattr(self.crawler.spider, "refused", False):
            raise EgressRefused("not asked after the source refused")
        if self.base_location is not None and parts.netloc == self.base_location:
            return
        hosts: Collection[str] = getattr(self.crawler.spider, "hosts", ())
        if parts.hostname not in hosts:
            raise EgressRefused(f"{parts.hostname} is not a host of this source")

    def process_response(self, request: Request, response: Response) -> Response:
        is_robots = request.meta.get("dont_obey_robotstxt", False)
        if response.status >= 400 and not is_robots and judge_status(response.status, response.body) is SourceRefused:
            # here and not in the errback, which runs after the next question is on its way
            self.crawler.spider.refused = True  # type: ignore[union-attr]
        return response
