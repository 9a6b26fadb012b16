"""News feeds (RSS and Atom): the feed is read, then each new article's page is fetched and its text extracted."""

import calendar
import html
from collections.abc import AsyncIterator, Collection, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urlsplit

import feedparser  # type: ignore[import-untyped]
import trafilatura
from scrapy import Request
from scrapy.http import Response
from twisted.python.failure import Failure
from w3lib.html import remove_tags

from crawlers.base import SourceSpider, clean_text, decompress
from crawlers.problems import (
    SourceChanged,
    SourceDegraded,
    SourceRefused,
    WrongArguments,
    looks_like_challenge,
    looks_like_html,
)
from crawlers.settings import MEBIBYTE
from models.items import ArticleItem, make_article_key

MOST_ARTICLES = 10
LARGEST_PAGE = 4 * MEBIBYTE
"""Feeds and articles are far smaller; hostile markup costs about five seconds of work a megabyte (2026-11)."""
LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_TEXT, LONGEST_URL = 500, 5_000, 200_000, 2_000
HARMLESS = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
"""What feedparser calls "bozo" although every entry was read."""


class Entry(NamedTuple):
    """What a feed says of one article."""

    url: str
    title: str
    summary: str
    published_at: datetime | None
    capture: str
    locator: str


def clean_paragraphs(text: str | None, longest: int) -> str:
    """Text of several lines from a stranger, each line cleaned and empty ones dropped."""
    lines = (clean_text(line, longest) for line in (text or "")[: longest * 2].splitlines())
    return "\n".join(line for line in lines if line)[:longest]


def read_link(value: object) -> str | None:
    """A link to a web page without its fragment; None for anything else a stranger may write there."""
    try:
        url = urldefrag(str(value or "").strip()).url
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        return None
    return url if usable and len(url) <= LONGEST_URL and clean_text(url, LONGEST_URL) == url else None


def read_markup(value: object) -> str:
    """The words of a scrap of HTML."""
    return html.unescape(remove_tags(str(value or "")))


def read_time(parsed: Any) -> datetime | None:
    """feedparser's UTC time tuple as an instant."""
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def parse_feed(body: bytes) -> tuple[list[Any], str | None]:
    """The entries of a feed, and what is wrong with its form when something is.

    Raises SourceChanged for what is no feed, SourceRefused for a challenge page in its place. Only bytes are handed to
    feedparser, which would fetch or open anything else; documents that declare entities are not parsed at all.
    """
    if looks_like_challenge(body):
        raise SourceRefused("a challenge page came instead of a feed")
    if looks_like_html(body):
        raise SourceChanged("a web page came instead of a feed")
    if b"<!ENTITY" in body.upper():
        raise SourceChanged("the feed declares entities, which no feed needs")
    feed = feedparser.parse(BytesIO(body), resolve_relative_uris=False)
    entries = list(feed.get("entries", ()))
    if not feed.get("version") and not entries:
        raise SourceChanged("the answer is not a feed")
    error = feed.get("bozo_exception")
    harmless = error is None or isinstance(error, HARMLESS)
    return entries, None if harmless else f"the feed is not well-formed: {clean_text(error, 120)}"


class ArticleFeed(SourceSpider):
    """Reads one feed. Articles named in ``seen_file`` (one key a line) are not fetched again."""

    stops_without_answer = False

    def read_arguments(self, arguments: dict[str, str]) -> None:
        seen_file = arguments.pop("seen_file", None)
        self.seen = frozenset(Path(seen_file).read_text(encoding="utf-8").splitlines()) if seen_file else frozenset()
        most = arguments.pop("most", str(MOST_ARTICLES))
        if not most.isdecimal():
            raise WrongArguments("most= takes a number of articles")
        self.most = int(most)

    @property
    def feed_url(self) -> str:
        """The publisher's address of the feed."""
        return str(self.source.url)

    @property
    def publisher(self) -> str:
        """Whom to name with each article."""
        return self.source.publisher

    async def start(self) -> AsyncIterator[Request]:
        accept = {"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"}
        yield self.get(
            self.locate(self.feed_url), self.crawl_feed, headers=accept, meta={"download_maxsize": LARGEST_PAGE}
        )

    def crawl_feed(self, response: Response) -> Iterator[Request]:
        """Ask for the page of every article not seen before, newest first."""
        rows, complaint = parse_feed(decompress(response.body, LARGEST_PAGE))
        if complaint:
            self.log_problem(SourceDegraded(complaint), response)
        self.findings.canary_count = len(rows)
        entries = [entry for index, row in enumerate(rows) if (entry := self.read_entry(row, index, response))]
        fresh = list({entry.url: entry for entry in entries if make_article_key(entry.url) not in self.seen}.values())
        fresh.sort(key=lambda entry: entry.published_at.timestamp() if entry.published_at else 0.0, reverse=True)
        for _ in fresh[self.most :]:
            self.findings.skip("article for a later crawl")
        for place, entry in enumerate(fresh[: self.most]):
            yield self.get(
                self.locate(entry.url),
                self.crawl_article,
                errback=self.crawl_entry_alone,
                meta={"entry": entry, "download_maxsize": LARGEST_PAGE},
                priority=-place,
            )

    def read_entry(self, row: Any, index: int, response: Response) -> Entry | None:
        """One entry; None, and counted, when it links to no page of this publisher."""
        url = read_link(row.get("link"))
        if url is None:
            self.findings.skip("entry without a usable link")
            return None
        if urlsplit(url).hostname not in self.hosts and not self.is_stand_in(url):
            self.findings.skip("entry that links to another host")
            return None
        return Entry(
            url=url,
            title=clean_text(read_markup(row.get("title")), LONGEST_TITLE) or "(no title)",
            summary=clean_paragraphs(read_markup(row.get("summary")), LONGEST_SUMMARY),
            published_at=read_time(row.get("published_parsed") or row.get("updated_parsed")),
            capture=response.meta["capture"],
            locator=f"entry[{index}]",
        )

    def is_stand_in(self, url: str) -> bool:
        """Whether an address is on the server that stands in for the publisher."""
        return bool(self.source_base_url) and url.startswith(f"{str(self.source_base_url).rstrip('/')}/")

    def crawl_article(self, response: Response) -> Iterator[ArticleItem]:
        """The article with the text of its page."""
        entry: Entry = response.meta["entry"]
        body = decompress(response.body, LARGEST_PAGE)
        if looks_like_challenge(body) and len(body) < 65_536:
            self.log_problem(SourceDegraded("a challenge page came instead of an article"), response)
            yield self.make_article(entry)
            return
        extracted = trafilatura.extract(body, include_comments=False, include_tables=False, deduplicate=False)
        text = clean_paragraphs(extracted, LONGEST_TEXT)
        if not text:
            self.findings.warn("no text found in an article page", response.url)
        yield self.make_article(entry, text, response.meta["capture"])

    def crawl_entry_alone(self, failure: Failure) -> Iterator[ArticleItem]:
        """The page could not be had: the article as the feed has it. A page that is gone spoils nothing."""
        request: Request = failure.request  # type: ignore[attr-defined]
        problem = self.judge_failure(failure)
        if isinstance(problem, SourceChanged):
            self.findings.warn(f"article page: {problem}", request.url)
        else:
            self.findings.blame(SourceDegraded(f"article page: {problem}"), request.url)
        yield self.make_article(request.meta["entry"])

    def make_article(self, entry: Entry, text: str = "", page: str | None = None) -> ArticleItem:
        """The item, traceable to the page its text is from and to the feed that announced it."""
        return ArticleItem(
            capture=page if page and text else entry.capture,
            locator=f"text, announced in {entry.capture} {entry.locator}" if page and text else entry.locator,
            url=entry.url,
            publisher=self.publisher,
            title=entry.title,
            summary=entry.summary,
            text=text,
            published_at=entry.published_at,
        )


def name_hosts(url: str, more: str = "") -> Collection[str]:
    """The hosts of a feed: its own with and without ``www.``, and those named."""
    host = urlsplit(url).hostname or ""
    bare = host.removeprefix("www.")
    return frozenset({host, bare, f"www.{bare}", *(name.strip().lower() for name in more.split(",") if name.strip())})
