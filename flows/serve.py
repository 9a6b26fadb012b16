"""Do what Prefect schedules, in this process: ``python -m flows.serve``.

Prefect's own runner starts an interpreter for every run (3 s of processor time and 90 MB at least, measured
2026-11-21), which a look every ten seconds cannot afford. Here runs are asked for in the same way and executed in
threads; what is heavy or may crash, the crawl, is a process of its own anyway. Prefect wakes us and keeps the history
of runs; nothing depends on it: a job it has not started for long is started without it.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.flow_engine import run_flow
from prefect.states import Cancelled, Crashed

from flows.local.health import FLOWS_FILE
from flows.schedule import JOBS, Job, JobFailed, make_flow, the_installation
from models import clock

ASK_EVERY_S, NOTE_EVERY_S = 0.5, 5.0
# How many intervals a job may wait for Prefect before we start it ourselves: while it answers, and while it does not.
PATIENCE, PATIENCE_ALONE = 3.0, 1.0
STOP_GRACE_S = 8.0
NOT_NOW = (httpx.HTTPError, PrefectException, OSError)

ONE_AT_A_TIME = threading.Lock()

log = logging.getLogger("tarmac.flows")


@dataclass
class Post:
    """One job with what is known of its runs."""

    job: Job
    flow: Flow[[], None]
    every_s: float
    deployment_id: UUID | None = None
    started_at: float = field(default=float("-inf"))
    thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a run of it is going on in this process."""
        return self.thread is not None and self.thread.is_alive()

    def is_late(self, patience: float) -> bool:
        """Whether it should have been started by now; ``patience`` stretches what counts as late."""
        return time.monotonic() > self.started_at + self.every_s * patience

    def start(self, run: FlowRun | None) -> None:
        """Do the job in a thread: as the run Prefect asked for, or plainly."""
        self.started_at = time.monotonic()
        self.thread = threading.Thread(target=self._do, args=(run,), name=self.job.name, daemon=True)
        self.thread.start()

    def _do(self, run: FlowRun | None) -> None:
        turn = ONE_AT_A_TIME if self.job.waits_its_turn else contextlib.nullcontext()
        try:
            with turn:
                self._run(run)
        except JobFailed as error:
            log.warning("%s failed: %s", self.job.name, error)
        except NOT_NOW as error:
            log.warning("%s: Prefect cannot be told how it went (%s)", self.job.name, type(error).__name__)

    def _run(self, run: FlowRun | None) -> None:
        if run is None:
            self.flow.fn()
        else:
            run_flow(self.flow, flow_run=run, return_type="state")


async def note_rounds(file: Path, posts: list[Post], stopped: asyncio.Event) -> None:
    """Write down every few seconds that this process goes round, and which jobs it is at."""
    while not stopped.is_set():
        unfinished = file.with_suffix(".new")
        busy = [post.job.name for post in posts if post.is_busy]
        unfinished.write_text(json.dumps({"at": clock.now().isoformat(), "busy": busy}), encoding="utf-8")
        unfinished.replace(file)
        await pause(stopped, NOTE_EVERY_S)


async def serve_jobs(posts: list[Post], stopped: asyncio.Event) -> None:
    """Start what is due until stopped."""
    is_registered = is_silent = False
    while not stopped.is_set():
        try:
            async with get_client() as client:
                if not is_registered:
                    await register(client, posts)
                    is_registered = True
                log.info("Prefect schedules %s", ", ".join(post.job.name for post in posts))
                is_silent = False
                while not stopped.is_set():
                    start_late(posts, PATIENCE)
                    await start_due(client, posts)
                    await pause(stopped)
        except NOT_NOW as error:
            if not is_silent:
                log.warning("Prefect does not answer (%s); jobs are started without it", type(error).__name__)
                is_silent = True
            start_late(posts, PATIENCE_ALONE)
            await pause(stopped)


async def register(client: PrefectClient, posts: Iterable[Post]) -> None:
    """Make one deployment a job with its interval, and close what a killed process left open."""
    for post in posts:
        deployment = await post.flow.ato_deployment(
            name=post.job.name, interval=timedelta(seconds=post.every_s), paused=False
        )
        post.deployment_id = await deployment.aapply()
        open_runs = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[post.deployment_id])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(
                    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
                )
            ),
        )
        for run in open_runs:
            await client.set_flow_run_state(run.id, Crashed(message="the process that ran it is gone"), force=True)


async def start_due(client: PrefectClient, posts: list[Post]) -> None:
    """Start the latest due run of each job that is idle; older ones have missed their time and are cancelled."""
    by_id = {post.deployment_id: post for post in posts if post.deployment_id and not post.is_busy}
    if not by_id:
        return
    due = await client.get_scheduled_flow_runs_for_deployments(
        deployment_ids=[key for key in by_id if key], scheduled_before=clock.now()
    )
    for deployment_id, post in by_id.items():
        runs = sorted((run for run in due if run.deployment_id == deployment_id), key=_scheduled_at)
        for missed in runs[:-1]:
            await client.set_flow_run_state(missed.id, Cancelled(message="a later run was due already"), force=True)
        if runs and not post.is_busy:
            post.start(runs[-1])


def start_late(posts: Iterable[Post], patience: float) -> None:
    """Start jobs that nobody asked for in good time, and every job once at the very beginning."""
    for post in posts:
        if post.is_late(patience) and not post.is_busy:
            post.start(None)


async def pause(stopped: asyncio.Event, seconds: float = ASK_EVERY_S) -> None:
    """Wait a moment, or until stopped."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return


def _scheduled_at(run: FlowRun) -> float:
    return run.next_scheduled_start_time.timestamp() if run.next_scheduled_start_time else 0.0


async def _main() -> None:
    installation = the_installation()
    posts = [Post(job, make_flow(job), job.every_s(installation)) for job in JOBS]
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    rounds = asyncio.create_task(note_rounds(installation.settings.home / FLOWS_FILE, posts, stopped))
    await serve_jobs(posts, stopped)
    await rounds
    # what is still crawling ends with this process, and its bundle is loaded by the next
    give_up_at = time.monotonic() + STOP_GRACE_S
    for post in posts:
        if post.thread:
            post.thread.join(max(0.0, give_up_at - time.monotonic()))


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_main())


if __name__ == "__main__":
    main()
