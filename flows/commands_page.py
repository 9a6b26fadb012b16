"""Renders docs/commands.md from the commands' own help.

``python -m flows.commands_page > docs/commands.md``
"""

import sys
from collections.abc import Iterator

import click

from flows.cli import tarmac

INTRODUCTION = """# Commands

Generated from the commands' own `--help`; `make docs` renews it. Input that cannot be used gets one line on standard
error and exit code 2.
"""


def walk_commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """This command and every one below it with its help text, as (name, help)."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from walk_commands(child, click.Context(child, parent=context, info_name=name))


def render_commands() -> str:
    """The whole page as Markdown."""
    top = click.Context(
        tarmac, info_name="tarmac", max_content_width=100, terminal_width=100, **tarmac.context_settings
    )
    sections = (f"## {name}\n\n```\n{text}\n```\n" for name, text in walk_commands(tarmac, top))
    return "\n".join([INTRODUCTION, *sections])


if __name__ == "__main__":
    sys.stdout.write(render_commands())
