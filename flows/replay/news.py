"""The invented news of the recorded day as feeds and pages, in the form the publishers use."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from html import escape

from flows.replay.recording import Article

PUBLISHERS = {
    "moscow_times": ("The Moscow Times", "https://www.themoscowtimes.com", "/rss/news"),
    "meduza": ("Meduza", "https://meduza.io", "/rss/en/all"),
}
"""slug: name, address and the path of the feed"""

MARK = "[invented for the replay]"


def list_published(articles: Sequence[Article], source: str, instant: datetime) -> list[Article]:
    """The articles a publisher has out at an instant, newest first."""
    out = [a for a in articles if a.source == source and a.published_at <= instant]
    return sorted(out, key=lambda article: article.published_at, reverse=True)


def write_feed(articles: Sequence[Article], source: str) -> str:
    """The RSS feed of a publisher."""
    name, address, _ = PUBLISHERS[source]
    entries = "".join(
        f"<item><title>{escape(f'{MARK} {article.title}')}</title><link>{address}{article.path}</link>"
        f'<guid isPermaLink="true">{address}{article.path}</guid>'
        f"<description>{escape(article.summary)}</description>"
        f"<pubDate>{format_datetime(article.published_at)}</pubDate></item>"
        for article in articles
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{escape(name)} {MARK}</title><link>{address}/</link>"
        f"<description>Invented items; none was published by {escape(name)}.</description>{entries}</channel></rss>"
    )


def write_page(article: Article) -> str:
    """The page of an article."""
    name = PUBLISHERS[article.source][0]
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in article.paragraphs)
    title = escape(f"{MARK} {article.title}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>'
        f"<nav><a href='/'>News</a></nav><article><h1>{title}</h1>{paragraphs}"
        f"<p>This item was invented for the recorded day of Tarmac. {escape(name)} never published it, and the people "
        f"in it do not exist.</p></article><footer>Invented page</footer></body></html>"
    )
