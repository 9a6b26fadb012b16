"""News comes in whole or is known to be missing, and a hostile feed gets nothing to run, read or fetch."""

from pathlib import Path

import pytest
from conftest import Crawl, Crawled
from ugly_upstream import UglyUpstream, reply, reset

from models.items import ArticleItem, Verdict, make_article_key

PUBLISHER = "https://meduza.io"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
PAGE = "<html><body><article><h1>Charter</h1><p>{}</p></article></body></html>"
SENTENCE = "Twelve\u00a0invented people were brought to an invented airport on Friday, an invented lawyer said. " * 3


def rss(*links: str, before: str = "", title: str = "Invented") -> str:
    entries = "".join(
        f"<item><title>{title} {number}</title><link>{link}</link><description>Short {number}</description>"
        f"<pubDate>Fri, {20 - number:02d} Nov 2026 10:00:00 GMT</pubDate></item>"
        for number, link in enumerate(links)
    )
    return f'<?xml version="1.0"?>{before}<rss version="2.0"><channel><title>News</title>{entries}</channel></rss>'


def feed_of(upstream: UglyUpstream, body: str | bytes) -> None:
    upstream.answers["/meduza/rss/en/all"] = reply(body, Content_Type="application/rss+xml")
    upstream.answers["/meduza/en/"] = reply(PAGE.format(SENTENCE), Content_Type="text/html; charset=utf-8")


def articles(crawled: Crawled) -> list[ArticleItem]:
    return [ArticleItem.model_validate_json(line) for line in crawled.lines]


def test_articles_come_with_their_text_newest_first_and_once(
    crawl: Crawl, upstream: UglyUpstream, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.txt"
    long = f"{PUBLISHER}/en/{'long' * 110}"
    seen.write_text(f"{PUBLISHER}/en/seen\n{make_article_key(long)}\n")
    links = [*(f"{PUBLISHER}/en/{name}" for name in ("one", "two", "seen", "two", "three")), long]
    feed_of(upstream, rss(*links))
    crawled = crawl("meduza", seen_file=str(seen), most="2")
    assert crawled.run.verdict is Verdict.OK, crawled.log
    assert crawled.run.canary_count == 6
    assert upstream.asked[1:] == ["/meduza/rss/en/all", "/meduza/en/one", "/meduza/en/two"]
    first, second = articles(crawled)
    assert [first.url, second.url] == links[:2]
    assert first.text.endswith(" ".join(SENTENCE.split()))
    assert {first.capture, second.capture} <= {fetch.sha256 for fetch in crawled.run.fetches}
    assert any("article for a later crawl: 1" in issue.message for issue in crawled.run.issues)


@pytest.mark.parametrize(
    ("body", "verdict", "says"),
    [
        pytest.param(
            rss(f"{PUBLISHER}/en/a", before=f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>', title="&l9;"),
            Verdict.SCHEMA_CHANGED,
            "entities",
            id="billion laughs",
        ),
        pytest.param(
            rss(f"{PUBLISHER}/en/a", before='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', title="&e;"),
            Verdict.SCHEMA_CHANGED,
            "entities",
            id="XXE",
        ),
        pytest.param("<html><body>Sign in</body></html>", Verdict.SCHEMA_CHANGED, "web page", id="web page"),
        pytest.param("{}", Verdict.SCHEMA_CHANGED, "not a feed", id="JSON"),
        pytest.param(rss(), Verdict.DEGRADED, "canary", id="no entries"),
    ],
)
def test_what_is_no_feed_is_named(crawl: Crawl, upstream: UglyUpstream, body: str, verdict: Verdict, says: str) -> None:
    feed_of(upstream, body)
    crawled = crawl("meduza")
    assert crawled.run.verdict is verdict, crawled.log
    assert says in crawled.run.reason
    assert crawled.lines == []
    assert len(upstream.asked) == 2


def test_broken_feed_brings_what_could_be_read_and_is_not_ok(crawl: Crawl, upstream: UglyUpstream) -> None:
    feed_of(upstream, rss(f"{PUBLISHER}/en/one", f"{PUBLISHER}/en/two")[:-60])
    crawled = crawl("meduza")
    assert crawled.run.verdict is Verdict.DEGRADED
    assert "well-formed" in crawled.run.reason
    assert articles(crawled)[0].url == f"{PUBLISHER}/en/one"


def test_only_pages_of_the_publisher_are_fetched(crawl: Crawl, upstream: UglyUpstream) -> None:
    links = [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "http://10.0.0.1/en/x",
        "http://[",
        "http://x:y/",
        "",
    ]
    feed_of(upstream, rss(*links, f"{PUBLISHER}/en/one"))
    crawled = crawl("meduza")
    assert crawled.run.verdict is Verdict.OK, crawled.log
    assert [article.url for article in articles(crawled)] == [f"{PUBLISHER}/en/one"]


def test_article_whose_page_fails_comes_as_the_feed_has_it(crawl: Crawl, upstream: UglyUpstream) -> None:
    feed_of(upstream, rss(*(f"{PUBLISHER}/en/{name}" for name in ("gone", "broken", "fine"))))
    upstream.answers["/meduza/en/gone"] = reply("", 410)
    upstream.answers["/meduza/en/broken"] = reset
    crawled = crawl("meduza")
    assert crawled.run.verdict is Verdict.DEGRADED
    assert {article.url[-4:]: bool(article.text) for article in articles(crawled)} == {
        "gone": False,
        "oken": False,
        "fine": True,
    }


def test_publisher_that_refuses_a_page_is_not_asked_for_the_next(crawl: Crawl, upstream: UglyUpstream) -> None:
    feed_of(upstream, rss(*(f"{PUBLISHER}/en/{number}" for number in range(4))))
    upstream.answers["/meduza/en/"] = reply("", 429, Retry_After="600")
    crawled = crawl("meduza")
    assert crawled.run.verdict is Verdict.DEGRADED
    assert crawled.run.retry_after_s == 600
    assert len([path for path in upstream.asked if path.startswith("/meduza/en/")]) == 1
    assert len(articles(crawled)) == 4


def test_any_feed_can_be_named(crawl: Crawl, upstream: UglyUpstream) -> None:
    upstream.answers["/feed/atom"] = reply(rss("https://www.news.example/one", "https://elsewhere.example/two"))
    upstream.answers["/feed/one"] = reply(PAGE.format(SENTENCE), Content_Type="text/html; charset=utf-8")
    crawled = crawl("feed", url="https://news.example/atom", publisher="Invented News")
    assert crawled.run.verdict is Verdict.OK, crawled.log
    [article] = articles(crawled)
    assert (article.publisher, article.url) == ("Invented News", "https://www.news.example/one")
    assert crawl("feed", url="file:///etc/passwd").run.verdict is Verdict.FAILED
