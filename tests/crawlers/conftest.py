"""A crawl as the service starts it, against an upstream of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ugly_upstream import UglyUpstream, serve

from flows.crawl_process import run_crawl
from models.items import ITEMS_FILE, Run


@dataclass
class Crawled:
    """What a crawl left."""

    run: Run
    bundle: Path

    @property
    def lines(self) -> list[str]:
        return (self.bundle / ITEMS_FILE).read_text().splitlines()

    @property
    def log(self) -> str:
        return (self.bundle / "crawl.log").read_text()


Crawl = Callable[..., Crawled]


@pytest.fixture
def upstream() -> Iterator[UglyUpstream]:
    with serve() as server:
        yield server


@pytest.fixture
def crawl(upstream: UglyUpstream, tmp_path: Path) -> Crawl:
    def start(slug: str = "adsb_lol", /, *, base: str | None = "", **arguments: str) -> Crawled:
        bundle = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
        if slug.startswith(("adsb_", "airplanes")):
            arguments.setdefault("icao24", "a960a9,a95584")
        arguments.setdefault("timeout_s", "3")
        environment = {} if base is None else {"TARMAC_SOURCE_BASE_URL": base or upstream.address}
        environment["TARMAC_HOME"] = str(tmp_path / "home")
        return Crawled(run_crawl(slug, bundle, arguments, timeout_s=60, environment=environment), bundle)

    return start
