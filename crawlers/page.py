"""Fetches one page by the same rules as every crawl, for a new source: ``python -m crawlers.page URL --out FOLDER``."""

import argparse
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response

from crawlers.base import SourceSpider, decompress
from crawlers.problems import WrongArguments
from crawlers.run import run_spider
from models.settings import Settings
from models.vocab.source import Lineage, Source

PAGE_FILE = "page"


class PageSpider(SourceSpider):
    """One page of any publisher."""

    source = Source(
        slug="page",
        title="One page",
        publisher="any",
        url="https://page.invalid/",
        home="https://github.com/tarmac-watch/tarmac",
        lineage=Lineage.PRESS,
        licence="the publisher's",
        attribution="",
        terms="looked up by whoever adds the source",
        automation="one page, on a person's word, by robots.txt",
        cadence=timedelta(days=1),
        expects={},
        personal_data=True,
    )

    def read_arguments(self, arguments: dict[str, str]) -> None:
        self.url = arguments.pop("url", "")
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise WrongArguments("an http(s) address is needed")

    @property
    def hosts(self) -> Collection[str]:
        return {urlsplit(self.url).hostname or ""}

    async def start(self) -> AsyncIterator[Request]:
        # under a stand-in server the address asked is on it already, so it is not translated
        yield self.get(self.url, self.keep_page)

    def keep_page(self, response: Response) -> None:
        """Write the page beside the report."""
        (Path(self.settings["TARMAC_BUNDLE"]) / PAGE_FILE).write_bytes(decompress(response.body))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m crawlers.page", description="Fetch one page politely.")
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    return run_spider(PageSpider, options.out, {"url": options.url}, Settings())


if __name__ == "__main__":
    sys.exit(main())
