"""The Moscow Times: independent news on Russia in English, for keyword subscriptions on people sent back there."""

from datetime import timedelta

from crawlers.platforms.feed import ArticleFeed
from models.vocab.source import Lineage, Range, Source


class MoscowTimesSpider(ArticleFeed):
    """Articles of The Moscow Times."""

    source = Source(
        slug="moscow_times",
        title="The Moscow Times, news",
        publisher="The Moscow Times",
        url="https://www.themoscowtimes.com/rss/news",
        home="https://www.themoscowtimes.com/",
        lineage=Lineage.PRESS,
        licence="copyright of the publisher; kept for research, shown as title, summary and link",
        attribution="The Moscow Times, with a link to the article",
        terms="a feed for readers' programs; pages are fetched one at a time",
        automation="the publisher offers the feed to programs; robots.txt is obeyed for every page",
        cadence=timedelta(minutes=15),
        expects={"article": Range(least=0, most=100)},
        canary=Range(least=1, most=500),
        personal_data=True,
        redirects_to=("themoscowtimes.com",),
    )
