"""The base of all spiders: what a source declares, how its pages are asked for, how records are read strictly."""

import gzip
import io
import logging
import unicodedata
import zlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import msgspec
import scrapy
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError, IgnoreRequest
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawlers.egress import NotAsked, describe_failure, has_no_answer
from crawlers.problems import (
    CrawlProblem,
    SourceChanged,
    SourceRefused,
    SourceUnreachable,
    WrongArguments,
    judge_status,
    looks_like_challenge,
    looks_like_html,
)
from crawlers.settings import MEBIBYTE
from models.items import Issue, Verdict
from models.vocab.source import Source

LARGEST_BODY = 32 * MEBIBYTE
TOO_LARGE = "the answer is larger than we read"
MOST_ISSUES, LONGEST_ADDRESS = 100, 300


@dataclass
class Findings:
    """What a spider learnt beside its items; the report turns it into the verdict."""

    asked: tuple[str, ...] = ()
    canary_count: int | None = None
    recorded_at: datetime | None = None
    retry_after_s: float | None = None
    problems: list[tuple[Verdict, str]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def warn(self, message: str, url: str | None = None) -> None:
        """Keep something unexpected that does not spoil the crawl; said once however often it is met."""
        issue = Issue(level="warning", message=clean_text(message, 300) or "", url=url and url[:LONGEST_ADDRESS])
        if issue not in self.issues and len(self.issues) < MOST_ISSUES:
            self.issues.append(issue)

    def blame(self, problem: CrawlProblem, url: str | None = None) -> None:
        """Keep a problem that decides the verdict."""
        message = clean_text(str(problem), 300) or type(problem).__name__
        if (problem.verdict, message) not in self.problems:
            self.problems.append((problem.verdict, message))
        issue = Issue(level="error", message=message, url=url and url[:LONGEST_ADDRESS])
        if issue not in self.issues and len(self.issues) < MOST_ISSUES:
            self.issues.append(issue)

    def skip(self, why: str) -> None:
        """Count a record that was left out on purpose."""
        self.skipped[why] = self.skipped.get(why, 0) + 1


def clean_text(value: object, longest: int) -> str | None:
    """Text from a stranger made safe to store and show: no control or direction characters, no padding, capped."""
    if value is None:
        return None
    kept = "".join(" " if letter.isspace() else letter for letter in str(value)[: longest * 4])
    kept = "".join(letter for letter in kept if not unicodedata.category(letter).startswith("C"))
    return " ".join(kept.split())[:longest].strip() or None


def read_seconds(text: str | None) -> float | None:
    """A number of seconds a spider was started with."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError as error:
        raise WrongArguments(f"{clean_text(text, 20)!r} is not a number of seconds") from error
    if not 0 < seconds <= 600:
        raise WrongArguments("timeout_s= takes more than 0 and at most 600 seconds")
    return seconds


def decompress(body: bytes, largest: int = LARGEST_BODY) -> bytes:
    """The body, unpacked when it is gzip whatever its headers say.

    Raises SourceChanged when the stream is cut short or unpacks to more than ``largest`` bytes.
    """
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            unpacked = stream.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceChanged(f"broken gzip: {error}") from error
    if len(unpacked) > largest:
        raise SourceChanged(TOO_LARGE)
    return unpacked


class SourceSpider(scrapy.Spider):
    """One source. Subclasses declare ``source``, yield requests from ``start`` and items from ``crawl_<thing>``."""

    source: ClassVar[Source]
    stops_without_answer: ClassVar[bool] = True
    """whether a question that got no answer is the last of this crawl"""
    source_base_url: str | None = None

    def __init__(self, **arguments: str):
        super().__init__(name=self.source.slug)
        self.findings = Findings()
        self.timeout_s = read_seconds(arguments.pop("timeout_s", None))
        self.read_arguments(arguments)
        if arguments:
            raise WrongArguments(f"{self.source.slug} takes no argument {', '.join(sorted(arguments))}")

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> "SourceSpider":
        cls.source_base_url = crawler.settings["TARMAC_SOURCE_BASE_URL"]
        spider = super().from_crawler(crawler, *args, **kwargs)
        assert isinstance(spider, SourceSpider)
        return spider

    def read_arguments(self, arguments: dict[str, str]) -> None:
        """Pop the arguments this spider knows; what is left over is an error."""

    async def start(self) -> AsyncIterator[scrapy.Request]:
        raise NotImplementedError(f"{type(self).__name__} asks nothing")
        yield  # the annotation promises an iterator

    @property
    def hosts(self) -> Collection[str]:
        """Hosts this spider may ask."""
        return self.source.hosts

    def address(self, path: str) -> str:
        """Full address of a path of the publisher, or of the server that stands in for it."""
        if self.source_base_url:
            return f"{self.source_base_url.rstrip('/')}/{self.source.slug}{path}"
        return f"{self.source.base_url}{path}"

    def locate(self, url: str) -> str:
        """Where a full address of the publisher is fetched: there, or on the server that stands in for it."""
        parts = urlsplit(url)
        if self.source_base_url and parts.hostname in self.hosts:
            return self.address((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return url

    def get(self, url: str, callback: Callable[..., Any], **options: Any) -> scrapy.Request:
        """A request whose failure is always noted. ``expect_status`` names statuses the callback wants to see."""
        meta = dict(options.pop("meta", {}))
        if self.timeout_s:
            meta["download_timeout"] = self.timeout_s
        if expected := options.pop("expect_status", None):
            meta["handle_httpstatus_list"] = list(expected)
        return scrapy.Request(
            url,
            callback=callback,
            errback=options.pop("errback", self.note_failure),
            dont_filter=True,
            meta=meta,
            **options,
        )

    def note_failure(self, failure: Failure) -> None:
        """Errback of every request: say what a failed request means."""
        url = getattr(getattr(failure, "request", None), "url", None)
        self.findings.blame(self.judge_failure(failure), url)

    def judge_failure(self, failure: Failure) -> CrawlProblem:
        """The problem behind a failed request."""
        error = failure.value
        if isinstance(error, HttpError):
            response = error.response
            kind = judge_status(response.status, response.body)
            if 300 <= response.status < 400:
                return kind(f"redirect not followed (HTTP {response.status})")
            return kind(f"HTTP {response.status}")
        if isinstance(error, NotAsked):
            return error.problem
        if isinstance(error, IgnoreRequest):
            text = str(error)
            if "robots.txt" in text:
                return SourceRefused("robots.txt forbids this address")
            if "DOWNLOAD_MAXSIZE" in text:
                return SourceChanged(TOO_LARGE)
            if "redirections" in text:
                return SourceRefused("redirected too often")
            return SourceChanged(text)
        if isinstance(error, DownloadCancelledError):
            return SourceChanged(TOO_LARGE)
        if has_no_answer(error):
            return SourceUnreachable(describe_failure(error))
        return CrawlProblem(describe_failure(error))

    def read_json(self, response: Response) -> Any:
        """The answer's JSON, strictly: no NaN, nothing cut off, no web page in its place."""
        body = decompress(response.body)
        if looks_like_challenge(body):
            raise SourceRefused("a challenge page came instead of data")
        if looks_like_html(body):
            raise SourceChanged("a web page came instead of data")
        if not body.strip():
            raise SourceChanged("the answer is empty")
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise SourceChanged(f"not JSON: {error}") from error

    def audit(self, row: dict[str, Any], ignore: Collection[str] = ()) -> None:
        """Called with a row whose known fields were popped: what is left and not ignored is noted once."""
        for name in row.keys() - set(ignore):
            self.findings.warn(f"unknown field {clean_text(name, 40)}")

    def log_problem(self, problem: CrawlProblem, response: Response) -> None:
        """Note a problem of one answer without ending the crawl."""
        self.logger.log(logging.WARNING, "%s: %s", response.url, problem)
        self.findings.blame(problem, response.url)


def refuse(message: str) -> NoReturn:
    """Stop reading this record: the source changed."""
    raise SourceChanged(message)
