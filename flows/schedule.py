"""Which job runs when: one table, and the Prefect flows made from it. Flows take no parameters and return nothing."""

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from types import TracebackType

from prefect import Flow, flow

from flows import upkeep, watch
from flows.installation import Installation, open_installation
from models import clock

log = logging.getLogger("tarmac.jobs")


class JobFailed(Exception):  # noqa: N818 - a report about a job
    """A job raised; the log of this machine says what. Carries the kind of error and none of its values."""


@dataclass(frozen=True)
class Job:
    """One thing to do again and again. Seconds between two starts: live, and in a replay at its default speed.

    Of the jobs that wait their turn one is done at a time: each crawl is a process of 100 MB.
    """

    name: str
    does: Callable[[Installation], object]
    live_every_s: float
    replay_every_s: float
    waits_its_turn: bool = False

    def every_s(self, installation: Installation) -> float:
        """Seconds between two starts in this installation."""
        if self.name == "watch":
            return installation.settings.poll_s
        return self.live_every_s if installation.settings.live else self.replay_every_s


JOBS = (
    Job("watch", lambda place: watch.watch_flights(place, clock.now()), live_every_s=60, replay_every_s=10),
    Job(
        "news",
        lambda place: watch.watch_news(place, clock.now()),
        live_every_s=900,
        replay_every_s=120,
        waits_its_turn=True,
    ),
    # a day file is complete about an hour after its day; asking four times a day confirms most legs the same night
    Job(
        "confirm", lambda place: watch.confirm_legs(place), live_every_s=21_600, replay_every_s=180, waits_its_turn=True
    ),
    Job("upkeep", lambda place: upkeep.keep_up(place, clock.now()), live_every_s=60, replay_every_s=60),
)


class ErrorsWithoutValues(AbstractContextManager[None]):
    """Replaces what a job raised by its kind: Prefect keeps error texts in its database, and a text may hold a name."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, Exception):
            frame = traceback.extract_tb(trace)[-1]
            log.error("%s in %s line %s", kind.__name__, frame.filename, frame.lineno)
            raise JobFailed(kind.__name__) from None


@cache
def the_installation() -> Installation:
    """The installation of this process."""
    return open_installation()


def make_flow(job: Job) -> Flow[[], None]:
    """The Prefect flow of a job: a name, the plain function, and nothing that Prefect would keep."""

    @flow(name=job.name, persist_result=False, log_prints=False, validate_parameters=False)
    def run_job() -> None:
        with ErrorsWithoutValues():
            job.does(the_installation())

    return run_job
