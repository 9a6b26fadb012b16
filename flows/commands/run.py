"""``tarmac run``: the whole service on this machine, as `make run` starts it."""

import sys

import click
from rich.console import Console
from rich.markup import escape

from alerts.inbox import InboxMessage
from flows.cli import InputError
from flows.local.run import CannotRun, LocalService, install_signal_handlers, plan, with_replay
from models import clock
from models.settings import Settings


class Terminal:
    """Says what happens: in colours to a person, in plain lines to a file."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False) if sys.stdout.isatty() else None

    def tell(self, text: str) -> None:
        """One line of progress."""
        at = f"{clock.now():%H:%M:%S}Z"
        if self._console:
            self._console.print(f"[dim]{at}[/dim] {escape(text)}")
        else:
            click.echo(f"{at} {text}")

    def show(self, message: InboxMessage) -> None:
        """One message of the local inbox."""
        repeat = " (again)" if message.is_repeat else ""
        if self._console:
            self._console.print(f"\n[bold]ALERT{repeat}: {escape(message.title)}[/bold]\n{escape(message.body)}\n")
        else:
            click.echo(f"\nALERT{repeat}: {message.title}\n{message.body}\n")


@click.command()
@click.option("--live", is_flag=True, help="Watch the live sources instead of replaying the recorded day.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="Recorded seconds a second; 6 by default.")
@click.option("--poll", "poll_s", type=click.FloatRange(min=1), help="Seconds between two looks at the watchlist.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the page; 0 picks a free one.")
@click.option("--faults", help="Faults FILE for the replay instead of the recorded day's own, or none.")
@click.option("--from", "start_from", help="Replay from this instant (ISO 8601) instead of where the last run stopped.")
def run(
    live: bool,
    speed: float | None,
    poll_s: float | None,
    port: int | None,
    faults: str | None,
    start_from: str | None,
) -> None:
    """Run everything until Ctrl-C: database, Prefect, flows, notifier, page and, unless --live, the recorded day."""
    options = plan(Settings(), live=live, speed=speed, poll_s=poll_s, port=port)
    terminal = Terminal()
    service = LocalService(
        with_replay(options, faults=faults, start_from=start_from), tell=terminal.tell, show=terminal.show
    )
    install_signal_handlers(service)
    try:
        service.run()
    except CannotRun as error:
        raise InputError(str(error)) from None
    terminal.tell("everything has stopped")
