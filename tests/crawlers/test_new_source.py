"""Adding a source: three files are written, the tests fail, and they pass once a person has finished the spider."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ugly_upstream import UglyUpstream, reply

from flows.cli import tarmac
from flows.commands.new_source import render_spider

ROOT = Path(__file__).parents[2]
PAGE = {"notices": [{"link": "https://agency.example/1", "headline": "Invented notice", "office": "South"}]}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project without other sources' pages."""
    for name in ("models", "crawlers", "flows"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "recording"))
    (tmp_path / "tests" / "crawlers").mkdir(parents=True)
    for name in ("golden.py", "test_every_source.py"):
        shutil.copy(ROOT / "tests" / "crawlers" / name, tmp_path / "tests" / "crawlers")
    (tmp_path / "tests" / "crawlers" / "conftest.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for spider in (tmp_path / "crawlers" / "spiders").glob("[a-z]*.py"):
        spider.unlink()
    return tmp_path


def call(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def run_tests(checkout: Path) -> str:
    done = call(checkout, "pytest", "tests/crawlers", "-q", "-k", "not sources_page", "-p", "no:cacheprovider")
    return done.stdout


def test_new_source_fails_until_it_is_finished(checkout: Path) -> None:
    (checkout / "saved.json").write_text(json.dumps(PAGE))
    options = ["new-source", "agency_notices", "https://agency.example/api/notices", "--page", "saved.json"]
    done = call(checkout, "flows.cli", *options)
    assert done.returncode == 0, done.stderr
    spider = checkout / "crawlers" / "spiders" / "agency_notices.py"
    folder = checkout / "tests" / "crawlers" / "agency_notices"
    assert json.loads((folder / "page.json").read_text()) == PAGE
    assert "3 failed" in run_tests(checkout)

    text = spider.read_text().replace('row.pop("?"),\n            publisher', 'row.pop("link"),\n            publisher')
    text = text.replace('row.pop("?")', 'row.pop("headline")').replace('["?"]', '["notices"]')
    spider.write_text(re.sub(r"\?", "Agency", text))
    (folder / "capture.md").write_text("# agency_notices\n\nInvented.\n")
    test = folder / "test_agency_notices.py"
    test.write_text(re.sub(r"pytest.fail\(.*\)", 'assert items[0].title == "Invented notice"', test.read_text()))
    assert "1 failed" in run_tests(checkout)

    golden = folder / "expected.json"
    assert json.loads(golden.read_text())["issues"] == ["unknown field office"]
    golden.write_text(golden.read_text().replace('"reviewed": false', '"reviewed": true'))
    assert " failed" not in run_tests(checkout)


@pytest.mark.parametrize(
    ("kind", "page", "says"), [("html", "<html></html>", "selector"), ("feed", "{}", "the answer is not a feed")]
)
def test_unfinished_spider_of_every_kind_asks_for_its_page_and_says_what_is_wrong(
    checkout: Path, kind: str, page: str, says: str
) -> None:
    (checkout / "saved").write_text(page)
    options = ["new-source", "agency", "https://agency.example/a?b=1", "--kind", kind, "--page", "saved"]
    assert call(checkout, "flows.cli", *options).returncode == 0
    script = "from golden import read_pages; read_pages('agency')"
    environment = {**os.environ, "PYTHONPATH": f"{checkout}:{checkout / 'tests' / 'crawlers'}"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert says in done.stderr.splitlines()[-1]


def test_page_is_fetched_by_the_rules_of_every_crawl(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answers["/notices"] = reply(PAGE)
    environment = {**os.environ, "TARMAC_SOURCE_BASE_URL": upstream.address}
    command = [sys.executable, "-m", "crawlers.page", f"{upstream.address}/notices", "--out", str(tmp_path)]
    assert subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert json.loads((tmp_path / "page").read_text()) == PAGE
    assert upstream.asked == ["/robots.txt", "/notices"]


def test_names_and_addresses_that_cannot_be_are_refused(upstream: UglyUpstream) -> None:
    wrong = [
        ("adsb_lol", "https://agency.example/"),
        ("../evil", "https://agency.example/"),
        ("Agency", "https://agency.example/"),
        ("agency", "file:///etc/passwd"),
        ("agency", f"{upstream.address}/inside"),
    ]
    for slug, url in wrong:
        done = CliRunner().invoke(tarmac, ["new-source", slug, url])
        assert done.exit_code == 2, (slug, url, done.output)
    assert upstream.connection_count == 0
    assert not (ROOT / "crawlers" / "spiders" / "agency.py").exists()


@pytest.mark.parametrize("kind", ["json", "html", "feed"])
def test_an_address_is_text_in_the_spider_and_never_code(kind: str) -> None:
    url = 'https://agency.example/a?q="+print(1)+"\\'
    tree = ast.parse(render_spider("agency", url, kind))
    (declared,) = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "url" and isinstance(node.value, ast.Constant)
    ]
    assert declared.value == url
