"""``tarmac crawl``: one crawl from the command line, into a bundle to look at."""

import importlib.util
import sys
from pathlib import Path

import click

from flows.cli import InputError
from flows.crawl_process import choose_bundle, describe_run, run_crawl
from models.items import Verdict
from models.settings import Settings


def split_arguments(values: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` pairs as a mapping; raises InputError for anything else."""
    arguments: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"-a takes NAME=VALUE, not {value!r}")
        arguments[name] = text
    return arguments


@click.command()
@click.argument("source")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the bundle.")
@click.option("-a", "values", multiple=True, metavar="NAME=VALUE", help="Argument of the spider; may be repeated.")
@click.option("--timeout", "timeout_s", default=180.0, show_default=True, help="Seconds until the crawl is stopped.")
def crawl(source: str, out: Path | None, values: tuple[str, ...], timeout_s: float) -> None:
    """Crawl SOURCE once into a bundle (run.json, items.jsonl, captures.warc.gz).

    The exit code is 0 only when the source answered as expected.
    """
    if not source.isidentifier() or importlib.util.find_spec(f"crawlers.spiders.{source}") is None:
        raise InputError(f"there is no source {source!r}; docs/sources.md lists them")
    bundle = out or choose_bundle(Settings().home / "crawls", source)
    try:
        run = run_crawl(source, bundle, split_arguments(values), timeout_s=timeout_s)
    except FileExistsError as error:
        raise InputError(str(error)) from error
    click.echo(describe_run(run))
    click.echo(bundle)
    sys.exit(0 if run.verdict is Verdict.OK else 1)
