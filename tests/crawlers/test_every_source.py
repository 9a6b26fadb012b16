"""Every source is named alike everywhere, is documented, and reads its captured pages as a person has confirmed."""

import json
import re

import pytest
from golden import FOLDER, describe_reading

from crawlers.run import main
from crawlers.sources_page import PAGE, find_spiders, write_page

SLUGS = sorted(find_spiders())


@pytest.mark.parametrize("slug", SLUGS)
def test_file_source_and_class_have_one_name(slug: str) -> None:
    spider = find_spiders()[slug]
    assert spider.source.slug == slug
    assert spider.__module__ == f"crawlers.spiders.{slug}"
    assert spider.__name__ == "".join(word.title() for word in slug.split("_")) + "Spider"


@pytest.mark.parametrize("slug", SLUGS)
def test_declaration_is_filled_in(slug: str) -> None:
    source = find_spiders()[slug].source
    said = (source.title, source.publisher, source.licence, source.attribution, source.terms, source.automation)
    assert "?" not in said
    assert "?" not in (FOLDER / slug / "capture.md").read_text()


@pytest.mark.parametrize("slug", SLUGS)
def test_captured_pages_read_as_reviewed(slug: str) -> None:
    folder = FOLDER / slug
    assert (folder / "capture.md").read_text().strip(), "capture.md says where the pages come from, and their licence"
    read = describe_reading(slug)
    golden = folder / "expected.json"
    if not golden.exists():
        golden.write_text(json.dumps({"reviewed": False, **read}, indent=1, ensure_ascii=False) + "\n")
    expected = json.loads(golden.read_text())
    reviewed = expected.pop("reviewed")
    assert read == expected
    assert reviewed is True, f"compare {golden} with the pages, then set reviewed to true"
    assert read["items"], "the captured pages must hold at least one item"


def test_sources_page_is_current() -> None:
    assert PAGE.read_text() == write_page(), "run `python -m crawlers.sources_page`"


def test_declarations_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [source["slug"] for source in listed] == SLUGS
    assert all(re.match(r"https://", source["url"]) for source in listed)
