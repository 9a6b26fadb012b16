"""Writes a crawl's items and its verdict. Scrapy calls a crawl whose callback raised "finished"; this does not."""

import logging
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from twisted.python.failure import Failure

from crawlers import capture
from crawlers.base import Findings
from crawlers.egress import has_no_answer
from crawlers.problems import SEVERITY, CrawlProblem, SourceDegraded, SourceUnreachable
from models import clock
from models.items import CAPTURES_FILE, ITEMS_FILE, RUN_FILE, Fetch, Issue, Item, Run, Verdict
from models.vocab.source import Source

EXIT_CODES = {
    Verdict.OK: 0,
    Verdict.FAILED: 1,
    Verdict.DEGRADED: 3,
    Verdict.UNREACHABLE: 4,
    Verdict.REFUSED: 5,
    Verdict.SCHEMA_CHANGED: 6,
}

EXPLAINED_ELSEWHERE = "scrapy.core.scraper"
"""The logger whose errors also reach us as a signal or through an errback."""


class ErrorLog(logging.Handler):
    """Keeps what was logged as an error, so that no error passes as a success."""

    def __init__(self, findings: Findings):
        super().__init__(level=logging.ERROR)
        self.findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().splitlines()[0]
        error = record.exc_info[1] if record.exc_info else None
        if record.name == EXPLAINED_ELSEWHERE or has_no_answer(error):
            return
        if record.name == "twisted" and "verifying certificate" in message:
            self.findings.blame(SourceUnreachable("the certificate is not trusted"))
        else:
            self.findings.blame(CrawlProblem(f"{record.name}: {message}{f': {error!r}' if error else ''}"))


class Report:
    """The bundle of one crawl while it is made; ``run.json`` is there from the start and says failed until the end."""

    def __init__(self, source: Source, bundle: Path):
        self.source = source
        self.bundle = bundle
        self.run_id = uuid4()
        self.started_at = clock.now()
        self.findings = Findings()
        self.fetches: list[Fetch] = []
        self.item_counts: dict[str, int] = {}
        self.finish_reason: str | None = None
        self.verdict = Verdict.FAILED
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / CAPTURES_FILE).touch()
        self.items_file = (bundle / ITEMS_FILE).open("wb", buffering=0)
        self.error_log = ErrorLog(self.findings)
        self.write("the crawl was ended before it was done")

    def watch(self, crawler: Crawler) -> None:
        """Follow a crawl from before its spider exists."""
        connect = crawler.signals.connect
        connect(self.begin, signal=signals.spider_opened)
        connect(self.keep_item, signal=signals.item_scraped)
        connect(self.keep_fetch, signal=capture.captured)
        connect(self.note_spider_error, signal=signals.spider_error)
        connect(self.note_end, signal=signals.spider_closed)
        logging.getLogger().addHandler(self.error_log)

    def begin(self, spider: Spider) -> None:
        """Take over what the spider finds."""
        findings = getattr(spider, "findings", None)
        assert isinstance(findings, Findings)
        findings.problems[:0] = self.findings.problems
        findings.issues[:0] = self.findings.issues
        self.findings = self.error_log.findings = findings

    def keep_item(self, item: object) -> None:
        """Write an item at once: a crawl that dies keeps what it had."""
        if not isinstance(item, Item):
            self.findings.blame(CrawlProblem(f"the spider yielded a {type(item).__name__}, which is no item"))
            return
        self.items_file.write(item.model_dump_json(exclude_none=True).encode() + b"\n")
        kind = str(getattr(item, "kind", "item"))
        self.item_counts[kind] = self.item_counts.get(kind, 0) + 1

    def keep_fetch(self, fetch: Fetch) -> None:
        """Remember which bytes came from where."""
        self.fetches.append(fetch)

    def note_spider_error(self, failure: Failure, response: Any) -> None:
        """A callback raised: a problem the spider named keeps its verdict, anything else is our fault."""
        error = failure.value
        named = error if isinstance(error, CrawlProblem) else CrawlProblem(f"{type(error).__name__}: {error}")
        self.findings.blame(named, getattr(response, "url", None))

    def note_end(self, reason: str) -> None:
        """Remember why Scrapy closed the spider."""
        self.finish_reason = reason

    def check_expectations(self) -> None:
        """Compare what came with what the source declared."""
        for kind, expected in self.source.expects.items():
            count = self.item_counts.get(kind, 0)
            if not expected.holds(count):
                self.findings.blame(SourceDegraded(f"{count} {kind} items where {expected} were expected"))
        canary, canary_count = self.source.canary, self.findings.canary_count
        if canary and canary_count is None:
            self.findings.blame(SourceDegraded("the canary question was not answered"))
        elif canary and canary_count is not None and not canary.holds(canary_count):
            self.findings.blame(SourceDegraded(f"the canary answer held {canary_count} where {canary} were expected"))

    def finish(self, error: BaseException | None = None) -> Verdict:
        """Judge the crawl and write the final ``run.json``; a second call changes nothing."""
        if self.items_file.closed:
            return self.verdict
        logging.getLogger().removeHandler(self.error_log)
        if error is not None:
            named = error if isinstance(error, CrawlProblem) else CrawlProblem(f"{type(error).__name__}: {error}")
            self.findings.blame(named)
            self.findings.problems.sort(key=lambda problem: problem != (named.verdict, str(named)))
        elif self.finish_reason != "finished":
            self.findings.blame(CrawlProblem(f"the crawl ended early: {self.finish_reason or 'it never began'}"))
        if not any(verdict is Verdict.FAILED for verdict, _ in self.findings.problems):
            self.check_expectations()
        self.verdict, reason = self.judge()
        self.write(reason)
        self.items_file.close()
        return self.verdict

    def judge(self) -> tuple[Verdict, str]:
        """The worst problem decides, and its first wording is the reason."""
        for severe in SEVERITY:
            for verdict, message in self.findings.problems:
                if verdict is severe:
                    return verdict, message
        return Verdict.OK, ""

    def write(self, reason: str) -> None:
        """Write ``run.json`` so that a reader sees the old or the new one, never half."""
        skipped = tuple(
            Issue(level="warning", message=f"{why}: {count}") for why, count in sorted(self.findings.skipped.items())
        )
        run = Run(
            run_id=self.run_id,
            source=self.source.slug,
            started_at=self.started_at,
            finished_at=clock.now(),
            verdict=self.verdict,
            reason=reason,
            item_counts=self.item_counts,
            canary_count=self.findings.canary_count,
            asked=self.findings.asked,
            retry_after_s=self.findings.retry_after_s,
            recorded_at=self.findings.recorded_at,
            fetches=tuple(self.fetches),
            issues=(*self.findings.issues, *skipped),
        )
        draft = self.bundle / f".{RUN_FILE}.{os.getpid()}"
        draft.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
        draft.replace(self.bundle / RUN_FILE)
