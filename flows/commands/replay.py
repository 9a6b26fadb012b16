"""``tarmac replay``: serve the recorded day on loopback, as the publishers served it."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path

import click

from flows.cli import InputError
from flows.replay.clock import SAVE_EVERY_S, ClockFile, RunningClock, is_over
from flows.replay.faults import Faults, FaultsError, load_faults
from flows.replay.recording import Recording, RecordingError, load_recording
from flows.replay.server import ReplayServer
from models.settings import Settings

CLOCK_FILE = "replay.json"
TELL_EVERY_S = 10.0


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=6,
    show_default=True,
    help="Recorded seconds a second.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port on 127.0.0.1; 0 picks a free one."
)
@click.option("--faults", "faults_name", help="Faults FILE instead of the recorded day's own, or none.")
@click.option(
    "--from", "start_text", help="Begin at this instant (ISO 8601, UTC) instead of where the last run stopped."
)
@click.option("--recording", "folder", type=click.Path(path_type=Path), help="Another recording folder.")
@click.option("--quiet", is_flag=True, help="Print the address only.")
def replay(
    speed: float, port: int, faults_name: str | None, start_text: str | None, folder: Path | None, quiet: bool
) -> None:
    """Serve the recorded day on loopback. The first line is the address to set as TARMAC_SOURCE_BASE_URL.

    The recorded day begins with the first question for positions. Its instant is kept in replay.json in the home
    folder: the day stands still while nothing serves it and goes on afterwards. At its end the server answers with an
    empty sky; begin again with --from.
    """
    try:
        recording = load_recording(folder) if folder else load_recording()
        faults = Faults() if faults_name == "none" else load_faults(Path(faults_name) if faults_name else None)
    except (RecordingError, FaultsError) as error:
        raise InputError(str(error)) from error
    kept = ClockFile(Settings().home / CLOCK_FILE, recording.name)
    starts_at = read_start(start_text, recording) if start_text else kept.read(speed) or recording.begins_at
    clock = RunningClock(min(starts_at, recording.ends_at), recording.ends_at, speed)
    server = ReplayServer(recording, clock, faults, port)
    try:
        asyncio.run(serve(server, kept, quiet=quiet))
    except OSError as error:
        raise InputError(f"cannot serve on port {port}: {error.strerror or error}") from error


def read_start(text: str, recording: Recording) -> datetime:
    """Read --from. Raises InputError for what is no instant of the record."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--from {text}: is not an instant like {recording.begins_at.isoformat()}") from error
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    if not recording.begins_at <= instant <= recording.ends_at:
        ends = f"{recording.begins_at.isoformat()} to {recording.ends_at.isoformat()}"
        raise InputError(f"--from {text}: the record runs from {ends}")
    return instant.replace(microsecond=0)


async def serve(server: ReplayServer, kept: ClockFile, *, quiet: bool = False) -> None:
    """Serve until SIGINT or SIGTERM, saving the recorded instant and telling how far it is."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    try:
        click.echo(server.base_url)
        if not quiet:
            click.echo(server.recording.notice)
        told_s, was_over = 0.0, False
        while not stopped.is_set():
            kept.write(server.clock.now())
            if not quiet and not was_over and (told_s >= TELL_EVERY_S or is_over(server.clock)):
                was_over = is_over(server.clock)
                click.echo(tell_progress(server))
                told_s = 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), SAVE_EVERY_S)
            told_s += SAVE_EVERY_S
        kept.write(server.clock.now())
    finally:
        await server.stop()


def tell_progress(server: ReplayServer) -> str:
    """Say in one line which recorded instant it is and how often the server was asked."""
    asked = f"{len(server.asked)} requests so far"
    if is_over(server.clock):
        return f"the recorded day is over at {server.clock.ends_at:%Y-%m-%d %H:%M}Z; the sky stays empty ({asked})"
    if not server.asked:
        return f"the recorded day waits at {server.clock.now():%Y-%m-%d %H:%M}Z for the first question"
    return f"recorded time {server.clock.now():%Y-%m-%d %H:%M:%S}Z ({asked})"
