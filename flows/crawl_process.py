"""Starts a crawl as a process of its own and reads its verdict: a crash, a leak or a hang ends with the process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from models import clock
from models.items import CAPTURES_FILE, ITEMS_FILE, RUN_FILE, Run, Verdict

LOG_FILE = "crawl.log"
GRACE_S = 5.0
"""How long a crawl that was told to stop may take to write its report before it is killed."""


def choose_bundle(folder: Path, slug: str) -> Path:
    """A new place for the bundle of a crawl that starts now, below a folder of bundles."""
    return folder / slug / f"{clock.now():%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"


def run_crawl(
    slug: str,
    out_dir: Path,
    arguments: Mapping[str, str] | None = None,
    *,
    timeout_s: float = 180.0,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Crawl one source into ``out_dir`` and say how it went; never raises for what the source or the spider did.

    The process gets its own group, which is ended on a time-out and when this call is interrupted, and it ends by
    itself when this process is gone. Its log goes to ``crawl.log`` in the bundle. Raises FileExistsError when
    ``out_dir`` already holds a bundle.
    """
    started_at = clock.now()
    out_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (out_dir / RUN_FILE).exists():
        raise FileExistsError(f"{out_dir} already holds a bundle")
    command = [sys.executable, "-m", "crawlers.run", slug, "--out", str(out_dir), "--until-stdin-closes"]
    for name, value in (arguments or {}).items():
        command += ["-a", f"{name}={value}"]
    ending = ""
    with (
        (out_dir / LOG_FILE).open("wb") as log,
        subprocess.Popen(  # noqa: S603 (our own interpreter and module; the slug is matched against known sources)
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=keep_secrets_back({**os.environ, **(environment or {})}),
            start_new_session=True,
        ) as process,
    ):
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            ending = f"stopped after {timeout_s:g} s"
        finally:
            stop_group(process)
    run = read_run(out_dir, slug)
    if run is None:
        return write_failure(out_dir, slug, started_at, ending or read_last_words(out_dir, process.returncode))
    if ending or (run.verdict is Verdict.OK and process.returncode != 0):
        reason = ending or f"exit code {process.returncode} although the report says ok"
        run = run.model_copy(update={"verdict": Verdict.FAILED, "reason": reason})
        write_run(out_dir, run)
    return run


def keep_secrets_back(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment a crawl may see: nothing that opens the database or the scheduler."""
    return {
        name: value
        for name, value in environment.items()
        if name not in {"DATABASE_URL", "TARMAC_KEY_FILE"} and not name.startswith(("PREFECT_", "PG"))
    }


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started: asked first, then killed."""
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)
            process.wait()
    else:
        signal_group(process, signal.SIGKILL)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a process group that may already be gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def read_run(bundle: Path, slug: str) -> Run | None:
    """The report in a bundle; None when there is none of this source that can be read."""
    try:
        run = Run.model_validate_json((bundle / RUN_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return run if run.source == slug else None


def read_last_words(bundle: Path, exit_code: int) -> str:
    """The last line of a crawl's log, for a crawl that left no report."""
    lines = (bundle / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no report")
    return f"{last[:200]} (exit code {exit_code})"


def write_run(bundle: Path, run: Run) -> None:
    """Replace the report of a bundle in one step."""
    draft = bundle / f".{RUN_FILE}.{os.getpid()}"
    draft.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(bundle / RUN_FILE)


def write_failure(bundle: Path, slug: str, started_at: object, reason: str) -> Run:
    """Give a bundle whose crawl left no report one that says failed."""
    run = Run.model_validate(
        {
            "run_id": uuid4(),
            "source": slug,
            "started_at": started_at,
            "finished_at": clock.now(),
            "verdict": Verdict.FAILED,
            "reason": reason,
            "item_counts": {},
        }
    )
    for name in (ITEMS_FILE, CAPTURES_FILE):
        (bundle / name).touch()
    write_run(bundle, run)
    return run


def describe_run(run: Run) -> str:
    """One line about a crawl."""
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(run.item_counts.items())) or "nothing"
    byte_count = sum(fetch.byte_count for fetch in run.fetches)
    took_s = (run.finished_at - run.started_at).total_seconds()
    canary = "" if run.canary_count is None else f", canary {run.canary_count}"
    reason = f": {run.reason}" if run.reason else ""
    wait = "" if run.retry_after_s is None else f" (asked to wait {run.retry_after_s:.0f} s)"
    return (
        f"{run.source} {run.verdict.value}{reason}{wait} | {counts}{canary} | "
        f"{len(run.fetches)} answers, {byte_count / 1000:.1f} kB, {took_s:.1f} s"
    )
