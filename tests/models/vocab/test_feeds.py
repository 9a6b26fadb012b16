"""Feeds of one's own: read strictly, refused in one line."""

from pathlib import Path

import pytest

from models.vocab.feeds import FeedsError, load_feeds


def test_a_feed_is_named_by_its_host_unless_it_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "feeds.yml"
    path.write_text(
        "- {url: 'https://www.news.example/rss', publisher: A}\n"
        "- {url: 'https://www.news.example/b', publisher: B, slug: b}\n"
    )
    assert [feed.source for feed in load_feeds(path)] == ["feed_news_example", "feed_b"]
    assert load_feeds(None) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- {url: 'file:///etc/passwd', publisher: x}", "feed 1 url"),
        ("- {url: 'https://user:secret@news.example/', publisher: x}", "feed 1 url"),
        ("- {url: 'https://news.example/', publisher: x, slugg: y}", "feed 1 slugg"),
        (
            "- {url: 'https://a.example/1', publisher: x}\n- {url: 'https://a.example/2', publisher: x}",
            "give each a slug",
        ),
        ("[" * 200_000, "not a YAML list"),
        ("feeds: 1", "feed"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "feeds.yml"
    path.write_text(text)
    with pytest.raises(FeedsError) as caught:
        load_feeds(path)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
