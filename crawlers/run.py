"""Runs one crawl into one bundle: ``python -m crawlers.run SLUG --out FOLDER [-a name=value …]``.

The exit code is 0 only when the verdict is ok: 1 failed, 2 wrong usage, 3 degraded, 4 unreachable, 5 refused,
6 schema changed. ``--list`` prints what every source declares, as JSON.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from scrapy.crawler import AsyncCrawlerProcess

from crawlers.base import SourceSpider
from crawlers.egress import refuse_private_connections, resolve_endpoints
from crawlers.problems import CrawlProblem
from crawlers.report import EXIT_CODES, Report
from crawlers.settings import WORDY_LOGGERS, make_scrapy_settings
from crawlers.sources_page import find_spiders, load_spider
from models.settings import Settings

USAGE_ERROR = 2


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m crawlers.run", description="Crawl one source into one bundle.")
    parser.add_argument("slug", nargs="?", help="name of the source")
    parser.add_argument("--out", type=Path, help="folder to write run.json, items.jsonl and captures.warc.gz to")
    parser.add_argument(
        "-a", dest="values", action="append", default=[], metavar="NAME=VALUE", help="argument of the spider"
    )
    parser.add_argument("--list", action="store_true", help="print the declarations of all sources as JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when whoever started this is gone")
    options = parser.parse_args(arguments)
    if not options.list and (options.slug is None or options.out is None):
        parser.error("SLUG and --out are needed")
    options.spider_arguments = {}
    for value in options.values:
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            parser.error(f"-a takes NAME=VALUE, not {value!r}")
        options.spider_arguments[name] = text
    return options


def stop_when_stdin_closes() -> None:
    """Take SIGTERM when the other end of standard input is gone, so that no crawl outlives its parent."""

    def watch() -> None:
        while os.read(0, 4096):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run_spider(
    spider_class: type[SourceSpider], bundle: Path, spider_arguments: dict[str, str], settings: Settings
) -> int:
    """Run one spider to its end in this process, which does nothing after it, and return the exit code."""
    report = Report(spider_class.source, bundle)

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        report.finish(CrawlProblem(f"stopped by {signal.Signals(number).name}"))
        os._exit(EXIT_CODES[report.verdict])

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    refuse_private_connections(resolve_endpoints(settings.source_base_url))
    process = AsyncCrawlerProcess(make_scrapy_settings(settings, bundle))
    for name in WORDY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    crawler = process.create_crawler(spider_class)
    report.watch(crawler)
    task = process.crawl(crawler, **spider_arguments)
    process.start(install_signal_handlers=False)
    error = task.exception() if task.done() and not task.cancelled() else None
    return EXIT_CODES[report.finish(error)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse_arguments(arguments)
    if options.list:
        declarations = [spider.source.model_dump(mode="json") for _, spider in sorted(find_spiders().items())]
        print(json.dumps(declarations, indent=1))  # noqa: T201
        return 0
    if options.until_stdin_closes:
        stop_when_stdin_closes()
    spider_class = load_spider(options.slug)
    if spider_class is None:
        print(f"crawl: there is no source {options.slug}", file=sys.stderr)  # noqa: T201
        return USAGE_ERROR
    return run_spider(spider_class, options.out, options.spider_arguments, Settings())


if __name__ == "__main__":
    sys.exit(main())
