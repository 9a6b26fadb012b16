"""Any feed the operator names: ``-a url=https://… -a publisher=…``, and ``-a hosts=…`` where articles lie elsewhere."""

from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

from crawlers.platforms.feed import ArticleFeed, name_hosts
from crawlers.problems import WrongArguments
from models.vocab.source import Lineage, Range, Source


class FeedSpider(ArticleFeed):
    """Articles of a feed chosen by configuration."""

    source = Source(
        slug="feed",
        title="Any RSS or Atom feed",
        publisher="as configured",
        url="https://feed.invalid/",
        home="https://github.com/tarmac-watch/tarmac",
        lineage=Lineage.PRESS,
        licence="the publisher's; the operator answers for it",
        attribution="the publisher, with a link to the article",
        terms="the operator checks them before adding a feed",
        automation="feeds are made for programs; robots.txt is obeyed for every page",
        cadence=timedelta(minutes=15),
        expects={"article": Range(least=0, most=100)},
        canary=Range(least=1, most=500),
        personal_data=True,
    )

    def read_arguments(self, arguments: dict[str, str]) -> None:
        super().read_arguments(arguments)
        self.url = arguments.pop("url", "")
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise WrongArguments("url= takes the http(s) address of a feed")
        self.named_publisher = arguments.pop("publisher", parts.hostname)
        self.named_hosts = name_hosts(self.url, arguments.pop("hosts", ""))

    @property
    def feed_url(self) -> str:
        return self.url

    @property
    def publisher(self) -> str:
        return self.named_publisher

    @property
    def hosts(self) -> Collection[str]:
        return self.named_hosts
