"""Meduza: independent news on Russia from exile, in English, for keyword subscriptions on people sent back there."""

from datetime import timedelta

from crawlers.platforms.feed import ArticleFeed
from models.vocab.source import Lineage, Range, Source


class MeduzaSpider(ArticleFeed):
    """Articles of Meduza's English edition."""

    source = Source(
        slug="meduza",
        title="Meduza in English, everything",
        publisher="Meduza",
        url="https://meduza.io/rss/en/all",
        home="https://meduza.io/en",
        lineage=Lineage.PRESS,
        licence="copyright of the publisher; kept for research, shown as title, summary and link",
        attribution="Meduza, with a link to the article",
        terms="a feed for readers' programs; pages are fetched one at a time",
        automation="the publisher offers the feed to programs; robots.txt is obeyed for every page",
        cadence=timedelta(minutes=15),
        expects={"article": Range(least=0, most=100)},
        canary=Range(least=1, most=500),
        personal_data=True,
        redirects_to=("www.meduza.io",),
    )
