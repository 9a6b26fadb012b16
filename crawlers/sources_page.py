"""Finds every source and writes ``docs/sources.md`` from what they declare: ``python -m crawlers.sources_page``."""

import importlib.util
import pkgutil
import sys
from datetime import timedelta
from pathlib import Path

import crawlers.spiders
from crawlers.base import SourceSpider
from models.vocab.source import Source

PAGE = Path(__file__).parent.parent / "docs" / "sources.md"


def load_spider(slug: str) -> type[SourceSpider] | None:
    """The spider of one source, alone in the file of its name; None when there is no such file.

    ``feed_NAME`` without a file is the spider of any feed under a name, and so a health, of its own.
    """
    if not slug.isidentifier():
        return None
    if importlib.util.find_spec(f"crawlers.spiders.{slug}") is None:
        spider = load_spider("feed") if slug.startswith("feed_") else None
        if spider is None:
            return None
        return type(spider.__name__, (spider,), {"source": spider.source.model_copy(update={"slug": slug})})
    module = importlib.import_module(f"crawlers.spiders.{slug}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, SourceSpider) and value.__module__ == module.__name__:
            return value
    return None


def find_spiders() -> dict[str, type[SourceSpider]]:
    """Slug -> spider class of every source."""
    slugs = sorted(module_info.name for module_info in pkgutil.iter_modules(crawlers.spiders.__path__))
    return {slug: spider for slug in slugs if (spider := load_spider(slug)) is not None}


def describe_cadence(cadence: timedelta) -> str:
    """A cadence in words."""
    seconds = int(cadence.total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"every {name}" if count == 1 else f"every {count} {name}s"
    return "once"


def describe_source(source: Source) -> list[str]:
    """The lines of one source."""
    expected = ", ".join(f"{range_} {kind} items" for kind, range_ in source.expects.items())
    rows = [
        ("Publisher", f"{source.publisher} ({source.lineage.value.replace('_', ' ')})"),
        ("Address", f"<{source.url}>"),
        ("Explained at", f"<{source.home}>"),
        ("Licence", source.licence),
        ("Attribution", source.attribution or "none asked for"),
        ("Terms", source.terms),
        ("Asking by machine", source.automation),
        ("Asked", describe_cadence(source.cadence)),
        ("One crawl brings", expected),
        ("Canary", f"{source.canary} records" if source.canary else "none"),
        ("Names people", "yes" if source.personal_data else "no"),
    ]
    return [
        f"## `{source.slug}`: {source.title}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in rows),
        "",
    ]


def summarise_source(source: Source) -> str:
    """One row of the table at the top."""
    cells = (
        f"`{source.slug}`",
        source.title,
        source.publisher,
        ", ".join(source.expects),
        describe_cadence(source.cadence),
        "yes" if source.personal_data else "no",
    )
    return f"| {' | '.join(cells)} |"


def write_page() -> str:
    """The whole page."""
    sources = [spider.source for _, spider in sorted(find_spiders().items())]
    lines = [
        "# Sources",
        "",
        "Written by `python -m crawlers.sources_page` from what each spider declares; do not edit by hand.",
        "",
        "| source | what | publisher | brings | asked | names people |",
        "|---|---|---|---|---|---|",
        *map(summarise_source, sources),
        "",
    ]
    for source in sources:
        lines += describe_source(source)
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(write_page(), encoding="utf-8")
    sys.exit(0)
