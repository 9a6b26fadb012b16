"""The command line. Commands are found by name and imported only when called, so that ``tarmac legs`` stays quick."""

import importlib
import sys
from collections.abc import Sequence

import click

COMMANDS = {
    "legs": "flows.commands.legs:legs",
    "flag": "flows.commands.flag:flag",
    "watchlist": "flows.commands.watchlist:watchlist",
    "crawl": "flows.commands.crawl:crawl",
    "load": "flows.commands.load:load",
    "traces": "flows.commands.traces:traces",
    "replay": "flows.commands.replay:replay",
    "run": "flows.commands.run:run",
    "serve": "flows.commands.serve:serve",
    "db": "flows.commands.db:db",
    "channel": "flows.commands.channel:channel",
    "subscribe": "flows.commands.subscribe:subscribe",
    "doctor": "flows.commands.doctor:doctor",
    "new-source": "flows.commands.new_source:new_source",
}


class LazyGroup(click.Group):
    """A click group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module_name, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tarmac-watch", prog_name="tarmac")
def tarmac() -> None:
    """Watch deportation flights and tell the people who can still act."""


class InputError(click.ClickException):
    """Input that cannot be used: one line on stderr, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"tarmac: {self.message}", err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command ``tarmac``."""
    tarmac.main(args=None if arguments is None else list(arguments), prog_name="tarmac")


if __name__ == "__main__":
    main(sys.argv[1:])
