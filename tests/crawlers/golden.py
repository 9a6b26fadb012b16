"""Reads a source's captured pages with its spider, without a network: what a source must give, in ``expected.json``.

A folder ``tests/crawlers/<slug>`` holds the pages as captured, ``case.json`` (the spider's arguments, which page
answers which path, and when pages with a clock were captured), ``expected.json`` (what must be read from them) and
``capture.md`` (where the pages come from).
"""

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import time_machine
from scrapy import Request
from scrapy.http import TextResponse
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawlers.base import SourceSpider
from crawlers.capture import hash_bytes
from crawlers.sources_page import find_spiders
from models.items import Item

FOLDER = Path(__file__).parent
MOST_REQUESTS = 50


class Pages:
    """Answers a spider's requests from files; what there is no page for is answered with 404."""

    def __init__(self, slug: str):
        self.folder = FOLDER / slug
        case = json.loads((self.folder / "case.json").read_text())
        self.arguments: dict[str, str] = case["arguments"]
        self.answers: dict[str, str] = case["answers"]
        self.captured_at: str | None = case.get("captured_at")

    def answer(self, request: Request) -> TextResponse:
        parts = urlsplit(request.url)
        name = self.answers.get(parts.path + (f"?{parts.query}" if parts.query else ""))
        body = (self.folder / name).read_bytes() if name else b""
        request.meta["capture"] = hash_bytes(body)
        return TextResponse(request.url, status=200 if name else 404, body=body, request=request)


def follow(spider: SourceSpider, request: Request, pages: Pages) -> list[Any]:
    """Everything a spider yields for one request."""
    response = pages.answer(request)
    if response.status == 200 or response.status in request.meta.get("handle_httpstatus_list", ()):
        assert request.callback
        return list(request.callback(response) or ())
    failure = Failure(HttpError(response))
    failure.request = request  # type: ignore[attr-defined]
    assert request.errback
    return list(request.errback(failure) or ())


def read_pages(slug: str) -> tuple[list[Item], SourceSpider]:
    """Run a spider over its captured pages."""
    pages = Pages(slug)
    spider = find_spiders()[slug](**pages.arguments)

    async def start() -> list[Request]:
        return [request async for request in spider.start()]

    waiting: list[Request] = sorted(asyncio.run(start()), key=lambda request: -request.priority)
    items: list[Item] = []
    # A page was right about the time when it was captured.
    with time_machine.travel(pages.captured_at, tick=False) if pages.captured_at else nullcontext():
        for _ in range(MOST_REQUESTS):
            if not waiting:
                return items, spider
            for result in follow(spider, waiting.pop(0), pages):
                (waiting if isinstance(result, Request) else items).append(result)
    raise AssertionError(f"{slug} asks for more than {MOST_REQUESTS} pages")


def describe_reading(slug: str) -> dict[str, Any]:
    """What the spider reads from its pages, as ``expected.json`` holds it."""
    items, spider = read_pages(slug)
    return {
        "canary_count": spider.findings.canary_count,
        "issues": [issue.message for issue in spider.findings.issues],
        "skipped": spider.findings.skipped,
        "items": [item.model_dump(mode="json", exclude_none=True) for item in items],
    }
