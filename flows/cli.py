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

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a setting that cannot be used ends it with one line that does not repeat its value."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            complaint = describe_bad_setting(error)
            if complaint is None:
                raise
            raise InputError(complaint) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tarmac-watch", prog_name="tarmac")
def tarmac() -> None:
    """Watch deportation flights and tell the people who can still act."""


class InputError(click.ClickException):
    """Input that cannot be used: one line on stderr, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"tarmac: {' '.join(self.message.split())}", err=True)


def describe_bad_setting(error: ValueError) -> str | None:
    """What is wrong with which setting; None for any other error. Imports late: most commands need none of it."""
    from pydantic import ValidationError

    from models.settings import Settings
    from models.store.session import StoreAddressError

    if isinstance(error, StoreAddressError):
        return str(error)
    if not isinstance(error, ValidationError) or error.title != Settings.__name__:
        return None
    first = error.errors(include_input=False, include_url=False)[0]
    name = str(first["loc"][0])
    variable = f"TARMAC_{name.upper()}" if name in Settings.model_fields else name
    return f"{variable} cannot be used: {first['msg']}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command ``tarmac``."""
    tarmac.main(args=None if arguments is None else list(arguments), prog_name="tarmac")


if __name__ == "__main__":
    main(sys.argv[1:])
