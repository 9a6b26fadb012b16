"""``tarmac new-source``: a spider, its captured page and a test that fails until someone has finished it."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import click

from flows.cli import InputError
from models import clock

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "crawlers" / "templates"
ENDINGS = {"json": "json", "html": "html", "feed": "xml"}
FETCH_S = 120


def fetch_page(url: str) -> bytes:
    """The page, fetched by the rules of every crawl (robots.txt, our name, no private addresses)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "crawlers.page", url, "--out", folder]
        done = subprocess.run(command, capture_output=True, timeout=FETCH_S, check=False)  # noqa: S603 (own module)
        page, report = Path(folder, "page"), Path(folder, "run.json")
        if done.returncode == 0 and page.exists():
            return page.read_bytes()
        reason = json.loads(report.read_text())["reason"] if report.exists() else f"exit code {done.returncode}"
        raise InputError(f"{url} could not be fetched ({reason}); save the page yourself and give it with --page")


def check_slug(slug: str) -> None:
    """Raise InputError unless a new source can have this name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", slug):
        raise InputError(f"{slug!r}: a name has small letters, digits and underscores and begins with a letter")
    if importlib.util.find_spec(f"crawlers.spiders.{slug}") is not None:
        raise InputError(f"there is a source {slug} already")
    if not (ROOT / "tests" / "crawlers").is_dir():
        raise InputError("a source is added in a checkout of the project, and this is none")


def check_url(url: str) -> None:
    """Raise InputError unless this is the https address of a publisher."""
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username
        or parts.password
        or not url.isprintable()
    ):
        raise InputError(f"{url!r} is not an http(s) address")


def quote(text: str) -> str:
    """A text as a Python literal in double quotes, as the formatter wants them."""
    return json.dumps(text, ensure_ascii=False)


def render_spider(slug: str, url: str, kind: str) -> str:
    """The spider's file."""
    parts = urlsplit(url)
    declaration = Template((TEMPLATES / "source.txt").read_text()).substitute(
        slug=slug,
        url=quote(url),
        home=quote(f"{parts.scheme}://{parts.netloc}/"),
        lineage="PRESS" if kind == "feed" else "GOVERNMENT",
        least=0 if kind == "feed" else 1,
        canary="        canary=Range(least=1, most=500),\n" if kind == "feed" else "",
    )
    class_name = "".join(word.title() for word in slug.split("_")) + "Spider"
    return Template((TEMPLATES / f"{kind}.txt").read_text()).substitute(source=declaration, class_name=class_name)


def write_source(slug: str, url: str, kind: str, page: bytes) -> list[Path]:
    """Write all files of a new source and return them."""
    folder = ROOT / "tests" / "crawlers" / slug
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"page.{ENDINGS[kind]}"
    texts = {
        ROOT / "crawlers" / "spiders" / f"{slug}.py": render_spider(slug, url, kind),
        folder / "case.json": json.dumps({"arguments": {}, "answers": {path: name}}, indent=1) + "\n",
        folder / "capture.md": f"# {slug}\n\n- `{name}`: {url}, kept on {clock.now():%Y-%m-%d}. Licence: ?\n",
        folder / f"test_{slug}.py": Template((TEMPLATES / "test.txt").read_text()).substitute(slug=slug),
    }
    folder.mkdir(parents=True)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    (folder / name).write_bytes(page)
    return [*texts, folder / name]


@click.command("new-source")
@click.argument("slug")
@click.argument("url")
@click.option("--kind", type=click.Choice(list(ENDINGS)), default="json", show_default=True, help="What the page is.")
@click.option("--page", type=click.Path(path_type=Path), help="The page as saved by hand, where we may not fetch it.")
def new_source(slug: str, url: str, kind: str, page: Path | None) -> None:
    """Add a source: write its spider, its captured page and a test that fails until it is finished."""
    check_slug(slug)
    check_url(url)
    try:
        body = page.read_bytes() if page else fetch_page(url)
    except OSError as error:
        raise InputError(f"{page}: {error.strerror}") from error
    for file in write_source(slug, url, kind, body):
        click.echo(file.relative_to(ROOT))
    click.echo("Now replace every ? and run: pytest tests/crawlers; then python -m crawlers.sources_page")
