"""The whole service on one machine: start everything in order, look after it, stop everything in order."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from alerts.inbox import InboxMessage, InboxReader
from alerts.setup import ensure_inbox
from flows.local import prefect_server
from flows.local.binaries import PostgresError, choose_account
from flows.local.cluster import choose_folder
from flows.local.health import PREFECT_NOTE
from flows.local.homes import DATABASE_FILE, HomeError, choose_home, remember_mode, take_home
from flows.local.postgres import PostgresServer
from flows.local.services import CONSOLE, FLOWS, NOTIFIER, PREFECT, REPLAY
from flows.local.supervisor import Supervisor, end_leftovers
from models import clock
from models.queries.watch import SourceState, list_source_states
from models.secrets import KeyFileError, open_instance_key
from models.settings import Settings
from models.store.schema import upgrade
from models.store.server import ensure_database
from models.store.session import Engine, StoreError, make_engine, transaction, wait_until_ready

REPLAY_WATCHLIST = Path(__file__).resolve().parent.parent / "replay" / "watchlist.yml"
# The recorded clock runs six times as fast, so that a look every ten seconds sees the record every minute, as live.
REPLAY_SPEED, REPLAY_POLL_S = 6.0, 10.0
DATABASE_TIMEOUT_S = 15.0
REPLAY_TIMEOUT_S = 60.0
ROUND_S = 0.2
ASK_SOURCES_EVERY_S = 3.0


class CannotRun(Exception):  # noqa: N818 - said to a person, not handled
    """The service cannot start or go on; one line says why and what to do."""


@dataclass(frozen=True)
class RunOptions:
    """How to run: the settings as they will be given to every process, and how to replay."""

    settings: Settings
    speed: float = REPLAY_SPEED
    faults: str | None = None
    start_from: str | None = None


class LocalService:
    """Everything `make run` starts. ``tell`` gets each line of progress, ``show`` each message of the inbox."""

    def __init__(self, options: RunOptions, tell: Callable[[str], None], show: Callable[[InboxMessage], None]) -> None:
        self.options = options
        self.settings = options.settings
        self.home = options.settings.home.absolute()
        self.page_url = ""
        self._tell = tell
        self._show = show
        self._stopped = threading.Event()
        self._inbox = InboxReader(self.home)
        self._source_states: dict[str, SourceState] = {}
        self._is_page_up = False

    def request_stop(self) -> None:
        """Let ``run`` come to its end. May be called from a signal handler or another thread."""
        self._stopped.set()

    def run(self) -> None:
        """Start, look after everything until a stop is requested, stop. Raises CannotRun."""
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            self._take_home(stack)
            end_leftovers(self.home)
            port = _choose_page_port(self.settings.page_host, self.settings.page_port)
            self.page_url = f"http://{self.settings.page_host}:{port}"
            prefect_url, database_url = stack.enter_context(self._database())
            supervisor = Supervisor(self.home, self._tell)
            stack.callback(supervisor.stop)
            stack.callback(self._tell, "stopping")
            environment = self._environment(database_url, prefect_url, port)
            # the slowest to start goes first, while we migrate
            note = self.home / PREFECT_NOTE
            note.write_text(f"{environment[prefect_server.ADDRESS]}\n", encoding="utf-8")
            stack.callback(note.unlink, missing_ok=True)
            supervisor.start(PREFECT, environment)
            engine = self._prepare(database_url)
            stack.callback(engine.dispose)
            if not self.settings.live:
                environment |= self._start_replay(supervisor, environment)
            for service in (CONSOLE, NOTIFIER, FLOWS):
                supervisor.start(service, environment)
            self._tell(
                f"all processes started after {time.monotonic() - began:.0f} s; logs are in {self.home / 'logs'}"
            )
            self._look_after(supervisor, engine, began)

    def _take_home(self, stack: contextlib.ExitStack) -> None:
        try:
            stack.enter_context(take_home(self.home))
            remember_mode(self.home, live=self.settings.live)
        except HomeError as error:
            raise CannotRun(str(error)) from None
        # a run that was killed could not take its addresses back
        for note in (DATABASE_FILE, PREFECT_NOTE):
            (self.home / note).unlink(missing_ok=True)

    def _look_after(self, supervisor: Supervisor, engine: Engine, began: float) -> None:
        next_sources_at = 0.0
        while not self._stopped.wait(ROUND_S):
            supervisor.look_after()
            self._show_new_messages()
            if not self._is_page_up and _answers(f"{self.page_url}/health"):
                self._is_page_up = True
                self._tell(f"the page answers after {time.monotonic() - began:.0f} s: {self.page_url}")
            if time.monotonic() >= next_sources_at:
                self._tell_sources(engine)
                next_sources_at = time.monotonic() + ASK_SOURCES_EVERY_S

    @contextlib.contextmanager
    def _database(self) -> Iterator[tuple[str, str]]:
        """Addresses for Prefect and for us, on the server of DATABASE_URL or on one of our own."""
        given = self.settings.database_url
        if given:
            engine = make_engine(given)
            try:
                wait_until_ready(engine, DATABASE_TIMEOUT_S)
                prefect_url = os.environ.get(prefect_server.DATABASE) or ensure_database(given, "prefect")
            except StoreError as error:
                raise CannotRun(
                    f"the database of DATABASE_URL cannot be used (SQLSTATE {error.sqlstate or 'none'}):"
                    " it must answer, and let its user create a database or have one called prefect"
                ) from None
            finally:
                engine.dispose()
            yield _with_driver(prefect_url, "postgresql+asyncpg"), given
            return
        try:
            account = choose_account()
            folder = choose_folder(self.home, account)
            server = PostgresServer(
                folder, account=account, log_file=self.home / "logs" / "postgres.log", on_trouble=self._tell
            )
            server.start()
        except PostgresError as error:
            raise CannotRun(str(error)) from None
        try:
            self._tell(f"PostgreSQL {server.binaries.version} ({server.binaries.provider}) runs on {folder}")
            note = self.home / DATABASE_FILE
            note.write_text(f"{server.url()}\n", encoding="utf-8")
            yield server.url("prefect", driver="asyncpg"), server.url()
            note.unlink(missing_ok=True)
        finally:
            server.stop()

    def _prepare(self, database_url: str) -> Engine:
        engine = make_engine(database_url, application="tarmac run", pool_size=1)
        try:
            upgrade(engine)
            key = open_instance_key(self.settings.instance_key_file)
            ensure_inbox(engine, key, self.home, clock.now())
        except (StoreError, KeyFileError) as error:
            raise CannotRun(str(error)) from None
        self._inbox.read_new()
        self._tell("the database has this version's schema")
        return engine

    def _environment(self, database_url: str, prefect_url: str, page_port: int) -> dict[str, str]:
        """What every process is told, on top of the environment we have ourselves."""
        settings = self.settings
        told = {
            "DATABASE_URL": database_url,
            "TARMAC_HOME": str(self.home),
            "TARMAC_LIVE": str(settings.live).lower(),
            "TARMAC_POLL_S": str(settings.poll_s),
            "TARMAC_PAGE_HOST": settings.page_host,
            "TARMAC_PAGE_PORT": str(page_port),
            "PYTHONUNBUFFERED": "1",
        }
        return os.environ | told | prefect_server.describe_environment(self.home, prefect_url, _free_port())

    def _start_replay(self, supervisor: Supervisor, environment: dict[str, str]) -> dict[str, str]:
        """Start the recorded day and say where it is served. A restarted one must be found at the same address."""
        arguments = ["--speed", f"{self.options.speed:g}", "--port", str(_free_port())]
        arguments += ["--faults", self.options.faults] if self.options.faults else []
        arguments += ["--from", self.options.start_from] if self.options.start_from else []
        child = supervisor.start(REPLAY, environment, *arguments)
        give_up_at = time.monotonic() + REPLAY_TIMEOUT_S
        while not child.first_line.wait(0.1):
            if time.monotonic() > give_up_at or (child.process and child.process.poll() is not None):
                break
        address = child.lines[0].strip() if child.lines else ""
        if not address.startswith("http://"):
            raise CannotRun(f"the replay does not start: {child.last_words()}")
        # a restart goes on where the clock stood, not at --from
        child.extra = tuple(arguments[:4] + (["--faults", self.options.faults] if self.options.faults else []))
        self._tell(f"the recorded day is served at {address}, {self.options.speed:g} times as fast as it was")
        return {
            "TARMAC_SOURCE_BASE_URL": address,
            "TARMAC_WATCHLIST": str(self.settings.watchlist or REPLAY_WATCHLIST),
            "TARMAC_NOTICE": _ask_notice(address),
        }

    def _show_new_messages(self) -> None:
        for message in self._inbox.read_new():
            self._show(message)

    def _tell_sources(self, engine: Engine) -> None:
        """Say which sources changed their state, and since when."""
        try:
            with transaction(engine) as connection:
                states = {state.slug: state for state in list_source_states(connection)}
        except StoreError:
            return
        for slug, state in states.items():
            known = self._source_states.get(slug)
            if known is not None and known.state == state.state:
                continue
            since = f" since {state.since_at:%H:%M:%S}Z" if state.since_at else ""
            reason = f": {state.reason}" if state.reason else ""
            self._tell(f"source {slug} is {state.state}{since}{reason}")
        self._source_states = states


def plan(settings: Settings, *, live: bool, speed: float | None, poll_s: float | None, port: int | None) -> RunOptions:
    """Options of a run: what was asked for on the command line over the settings over what fits the mode."""
    is_live = live or settings.live
    changes: dict[str, object] = {"live": is_live, "home": choose_home(settings, live=is_live)}
    if port is not None:
        changes["page_port"] = port
    chosen_speed = speed or REPLAY_SPEED
    if poll_s is not None:
        changes["poll_s"] = poll_s
    elif not is_live and "poll_s" not in settings.model_fields_set:
        changes["poll_s"] = max(1.0, REPLAY_POLL_S * REPLAY_SPEED / chosen_speed)
    return RunOptions(settings.model_copy(update=changes), speed=chosen_speed)


def with_replay(options: RunOptions, *, faults: str | None, start_from: str | None) -> RunOptions:
    """The same options with another way to replay."""
    return replace(options, faults=faults, start_from=start_from)


def _choose_page_port(host: str, wanted: int) -> int:
    """A port the page can have. One that an earlier run is just giving up is waited for."""
    give_up_at = time.monotonic() + 5
    while True:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, wanted))
                return int(probe.getsockname()[1])
        except OSError as error:
            if time.monotonic() > give_up_at:
                raise CannotRun(
                    f"the page cannot have {host}:{wanted} ({error.strerror}); choose another with TARMAC_PAGE_PORT"
                ) from None
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask_notice(address: str) -> str:
    """What the replay says of itself, for the top of every page."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own loopback address
            notice = json.load(answer)["notice"]
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
        raise CannotRun(f"the replay does not say what it replays: {type(error).__name__}") from None
    return " ".join(str(notice).split())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own page
            return True
    except urllib.error.HTTPError as error:
        # the page is there, and says that something else is not yet
        return error.code == 503 and error.headers.get_content_type() == "application/json"
    except OSError:
        return False


def _with_driver(url: str, driver: str) -> str:
    return f"{driver}://{url.partition('://')[2]}"


def install_signal_handlers(service: LocalService) -> None:
    """Stop in order on Ctrl-C, on SIGTERM and when the terminal goes away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: service.request_stop())
