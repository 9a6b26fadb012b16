"""A crawl that breaks, hangs or is killed leaves a report that says so, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from conftest import Crawl
from ugly_upstream import UglyUpstream, aircraft, answer, hang, reply

from flows.cli import tarmac
from flows.crawl_process import read_run, run_crawl
from models.items import ITEMS_FILE, RUN_FILE, PositionItem, Verdict

BROKEN = """
import sys
from crawlers.run import main
from crawlers.spiders.adsb_lol import AdsbLolSpider

{how}def {method}(self, *anything):
    {body}

AdsbLolSpider.{method} = {method}
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def start_crawl(
    upstream: UglyUpstream, bundle: Path, *options: str, script: str | None = None
) -> Iterator[subprocess.Popen]:
    how = ["-c", script] if script else ["-m", "crawlers.run"]
    environment = {**os.environ, "TARMAC_SOURCE_BASE_URL": upstream.address}
    arguments = ["adsb_lol", "--out", str(bundle), "-a", "icao24=a960a9", *options]
    with subprocess.Popen(
        [sys.executable, *how, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_asked(upstream: UglyUpstream, word: str) -> None:
    deadline = time.monotonic() + 30
    while not any(word in path for path in upstream.asked):
        assert time.monotonic() < deadline, "the crawl never asked"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("method", "body", "says"),
    [
        ("crawl_canary", "raise KeyError('total')", "KeyError"),
        ("start", "raise RuntimeError('nothing to ask')", "nothing to ask"),
        ("start", "raise RuntimeError('no more'); yield", "no more"),
        ("crawl_canary", "self.logger.error('something is off')", "something is off"),
        ("crawl_canary", "return iter([{'icao24': 'a960a9'}])", "no item"),
    ],
)
def test_our_own_fault_is_never_ok(upstream: UglyUpstream, tmp_path: Path, method: str, body: str, says: str) -> None:
    upstream.answer_v2(reply(answer(aircraft())))
    script = BROKEN.format(how="async " if "yield" in body else "", method=method, body=body)
    with start_crawl(upstream, tmp_path, script=script) as process:
        assert process.wait(60) == 1
    run = read_run(tmp_path, "adsb_lol")
    assert run is not None
    assert run.verdict is Verdict.FAILED
    assert says in run.reason


def test_terminated_crawl_reports_at_once_and_keeps_what_it_had(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(reply(answer(aircraft())), hang)
    with start_crawl(upstream, tmp_path) as process:
        wait_until_asked(upstream, "/point/")
        process.terminate()
        assert process.wait(5) == 1
    run = read_run(tmp_path, "adsb_lol")
    assert run is not None
    assert (run.verdict, run.reason) == (Verdict.FAILED, "stopped by SIGTERM")
    [line] = (tmp_path / ITEMS_FILE).read_text().splitlines()
    assert PositionItem.model_validate_json(line).icao24 == "a960a9"


def test_killed_crawl_says_failed(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(hang)
    with start_crawl(upstream, tmp_path):
        wait_until_asked(upstream, "/hex/")
    run = read_run(tmp_path, "adsb_lol")
    assert run is not None
    assert run.verdict is Verdict.FAILED


def test_crawl_ends_with_whoever_started_it(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(hang)
    with start_crawl(upstream, tmp_path, "--until-stdin-closes") as process:
        wait_until_asked(upstream, "/hex/")
        assert process.stdin
        process.stdin.close()
        assert process.wait(5) == 1


def test_slow_crawl_is_stopped_with_all_it_started(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(hang)
    started = time.monotonic()
    environment = {"TARMAC_SOURCE_BASE_URL": upstream.address}
    run = run_crawl("adsb_lol", tmp_path / "b", {"icao24": "a960a9"}, timeout_s=8, environment=environment)
    assert time.monotonic() - started < 16
    assert (run.verdict, run.reason) == (Verdict.FAILED, "stopped after 8 s")
    assert read_run(tmp_path / "b", "adsb_lol") == run
    assert [child for child in psutil.Process().children() if "crawlers.run" in " ".join(child.cmdline())] == []


def test_bad_arguments_are_named(crawl: Crawl, upstream: UglyUpstream) -> None:
    assert "not a 24-bit address" in crawl(icao24="N703KW").run.reason
    unknown = crawl("adsb_fi", nonsense="1").run
    assert (unknown.verdict, unknown.reason) == (Verdict.FAILED, "adsb_fi takes no argument nonsense")
    assert upstream.asked == []


def test_bundle_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_text("{}")
    with pytest.raises(FileExistsError):
        run_crawl("adsb_lol", tmp_path)


def test_crawl_sees_no_secrets(upstream: UglyUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("DATABASE_URL", "PREFECT_API_KEY", "PGPASSWORD")
    for name in names:
        monkeypatch.setenv(name, "secret")
    seen = tmp_path / "seen"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        f"import os\nopen({str(seen)!r}, 'w').write(repr([n for n in {names!r} if n in os.environ]))\n"
    )
    run_crawl("adsb_lol", tmp_path / "b", environment={"TARMAC_SOURCE_BASE_URL": upstream.address})
    assert seen.read_text() == "[]"


def test_command_prints_one_line_and_where_the_bundle_is(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(reply(answer(aircraft())), slug="airplanes_live")
    environment = {"TARMAC_SOURCE_BASE_URL": upstream.address, "TARMAC_HOME": str(tmp_path)}
    done = CliRunner().invoke(tarmac, ["crawl", "airplanes_live", "-a", "icao24=a960a9"], env=environment)
    assert done.exit_code == 0
    summary, place = done.output.splitlines()
    assert summary.startswith("airplanes_live ok | 1 position, canary 2 | 3 answers")
    assert (Path(place) / RUN_FILE).exists()
    for wrong in (["crawl", "nobody"], ["crawl", "adsb_lol", "-a", "icao24"], ["crawl", "../adsb_lol"]):
        refused = CliRunner().invoke(tarmac, wrong, env=environment)
        assert refused.exit_code == 2
        assert len(refused.output.splitlines()) == 1


def test_interrupted_caller_leaves_no_crawl_behind(upstream: UglyUpstream, tmp_path: Path) -> None:
    upstream.answer_v2(hang)
    environment = {**os.environ, "TARMAC_SOURCE_BASE_URL": upstream.address, "TARMAC_HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "crawl",
        "adsb_lol",
        "-a",
        "icao24=a960a9",
        "--out",
        str(tmp_path / "b"),
    ]
    caller = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until_asked(upstream, "/hex/")
    [child] = psutil.Process(caller.pid).children()
    caller.send_signal(signal.SIGKILL)
    caller.wait(5)
    assert psutil.wait_procs([child], timeout=5)[1] == []
