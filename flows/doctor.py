"""Look at an installation from outside and say what is configured, reachable and stale. Changes nothing."""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from flows.local.binaries import PostgresError, find_binaries
from flows.local.health import FLOWS_FILE, NOTIFIER_FILE, answers, find_prefect, tell_age_s, works_lately
from flows.local.homes import DATABASE_FILE, MODE_FILE, find_home, find_installation, is_running
from models.archive import Archive, CaptureDamaged, CaptureMissing
from models.queries.delivery import measure_queue
from models.queries.watch import SourceState, list_source_states
from models.secrets import KeyFileError, open_instance_key
from models.settings import Settings
from models.store.channel import list_channels
from models.store.schema import SchemaOutdated, check_is_current
from models.store.session import Engine, StoreError, make_engine, transaction
from models.vocab.watchlist import WatchlistError, load_watchlist

LEAST_FREE_BYTES = 2**30
STALE_SOURCE = timedelta(minutes=15)
STALE_QUEUE = timedelta(minutes=5)


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    NOTE = "note"
    WRONG = "WRONG"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    text: str


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """Everything there is to say about an installation, whether it runs or not."""
    settings = find_installation(settings)
    findings = [*examine_settings(settings), *examine_watchlist(settings), *examine_disk(settings)]
    findings += [*examine_key(settings), *examine_archive(settings)]
    url = find_database(settings)
    if url is None:
        try:
            binaries = find_binaries()
            text = f"not running; `tarmac run` would use {binaries.version} ({binaries.provider})"
            findings.append(Finding(Level.NOTE, "database", text))
        except PostgresError as error:
            findings.append(Finding(Level.WRONG, "database", str(error)))
        return findings
    engine = make_engine(url, application="tarmac doctor", pool_size=1)
    findings += examine_database(engine, now)
    engine.dispose()
    return [*findings, *examine_processes(settings)]


def find_database(settings: Settings) -> str | None:
    """Address of the database: DATABASE_URL, else that of what runs in TARMAC_HOME, else of live, else of the replay.

    None when nothing runs there: the note of a run that was killed leads nowhere.
    """
    if settings.database_url:
        return settings.database_url
    home = find_home(settings)
    note = home / DATABASE_FILE
    return note.read_text(encoding="utf-8").strip() if is_running(home) and note.exists() else None


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """What is set, and what is set that nobody reads."""
    mode = settings.home / MODE_FILE
    live, replay = "live sources", "the recorded day"
    if mode.exists():
        kind = live if mode.read_text(encoding="utf-8").strip() == "live" else replay
    else:
        kind = live if settings.live else f"{replay} unless started with --live"
    database = "DATABASE_URL" if settings.database_url else "its own PostgreSQL"
    yield Finding(Level.OK, "settings", f"home {settings.home.absolute()}, {database}, {kind}")
    known = {f"TARMAC_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith("TARMAC_") and name not in known | {"TARMAC_CHAOS", "TARMAC_SCORING_DATA"}:
            yield Finding(Level.WRONG, "settings", f"{name} is set, but no setting has that name")
    if settings.live and not settings.contact:
        yield Finding(Level.NOTE, "settings", "TARMAC_CONTACT is empty: publishers cannot reach you")


def examine_watchlist(settings: Settings) -> Iterator[Finding]:
    """Whether the watchlist can be used."""
    try:
        watchlist = load_watchlist(settings.watchlist)
    except WatchlistError as error:
        yield Finding(Level.WRONG, "watchlist", str(error))
    else:
        yield Finding(Level.OK, "watchlist", f"{len(watchlist.polled)} aircraft")


def examine_disk(settings: Settings) -> Iterator[Finding]:
    """Whether there is room for what will be fetched."""
    place = settings.home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    level = Level.OK if free > LEAST_FREE_BYTES else Level.WRONG
    yield Finding(level, "disk", f"{free / 2**30:.1f} GiB free at {place}")
    if not os.access(place, os.W_OK):
        yield Finding(Level.WRONG, "disk", f"{place} cannot be written")


def examine_key(settings: Settings) -> Iterator[Finding]:
    """Whether the instance key is there and private."""
    path = settings.instance_key_file
    if not path.exists():
        yield Finding(Level.NOTE, "key", f"{path} is made at the first start")
        return
    try:
        open_instance_key(path)
    except KeyFileError as error:
        yield Finding(Level.WRONG, "key", str(error))
    else:
        mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
        yield Finding(Level.OK, "key", f"{path} ({mode}); back it up apart from the data")


def examine_archive(settings: Settings) -> Iterator[Finding]:
    """Whether captures can be kept and read again."""
    if "://" not in settings.archive_location and not Path(settings.archive_location).exists():
        yield Finding(Level.NOTE, "archive", f"{settings.archive_location} is made at the first crawl")
        return
    try:
        archive = Archive(settings.archive_location)
        archive.read(archive.keep(b"tarmac doctor looked here\n"))
    except (OSError, ValueError, ImportError, CaptureMissing, CaptureDamaged) as error:
        yield Finding(Level.WRONG, "archive", f"cannot be written and read back ({type(error).__name__})")
    else:
        yield Finding(Level.OK, "archive", f"{settings.archive_location} takes captures and gives them back")


def examine_database(engine: Engine, now: datetime) -> Iterator[Finding]:
    """Whether the database answers, fits this version, and what it says of sources, channels and the outbox."""
    try:
        check_is_current(engine)
    except SchemaOutdated as error:
        yield Finding(Level.WRONG, "database", f"{error}: `tarmac db upgrade`")
        return
    except StoreError as error:
        yield Finding(Level.WRONG, "database", f"does not answer (SQLSTATE {error.sqlstate or 'none'})")
        return
    yield Finding(Level.OK, "database", "answers, and has this version's schema")
    with transaction(engine) as connection:
        states, channels, queue = list_source_states(connection), list_channels(connection), measure_queue(connection)
    for state in states:
        yield examine_source(state, now)
    if not states:
        yield Finding(Level.NOTE, "source", "none was asked yet")
    active = [channel for channel in channels if channel.state == "active"]
    level = Level.OK if active else Level.WRONG
    yield Finding(level, "channels", f"{len(active)} in use, {len(channels) - len(active)} switched off")
    for channel in channels:
        if channel.state != "active":
            yield Finding(Level.NOTE, "channels", f"{channel.label} is switched off: {channel.reason}")
    age = timedelta(seconds=queue.age_s(now))
    level = Level.WRONG if age > STALE_QUEUE else Level.OK
    yield Finding(level, "outbox", f"{queue.waiting_count} messages wait, the oldest for {age.total_seconds():.0f} s")


def examine_source(state: SourceState, now: datetime) -> Finding:
    """How a source is, and since when."""
    since = f" since {state.since_at:%Y-%m-%d %H:%M}Z" if state.since_at else ""
    reason = f": {state.reason}" if state.reason else ""
    level = Level.OK
    if state.state != "ok":
        is_long = state.since_at is None or now - state.since_at > STALE_SOURCE
        level = Level.WRONG if is_long else Level.NOTE
    return Finding(level, "source", f"{state.slug} is {state.state}{since}{reason}")


def examine_processes(settings: Settings) -> Iterator[Finding]:
    """Whether the processes of a running service do their work."""
    for name, file in (("flows", FLOWS_FILE), ("notifier", NOTIFIER_FILE)):
        age_s = tell_age_s(settings.home / file)
        text = "has never run here" if age_s is None else f"last went round {age_s:.0f} s ago"
        yield Finding(Level.OK if works_lately(settings.home / file) else Level.WRONG, name, text)
    address = find_prefect(settings.home)
    if address is None:
        yield Finding(Level.WRONG, "prefect", "no address: PREFECT_API_URL is not set, and no run has noted one")
    else:
        is_well = answers(f"{address}/health")
        text = f"{address} {'answers' if is_well else 'does not answer; jobs are started without it'}"
        yield Finding(Level.OK if is_well else Level.WRONG, "prefect", text)
