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


def walk_commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every command below this one with its help text, as (name, help)."""
    context = click.Context(command, info_name=" ".join(path), max_content_width=100, terminal_width=100)
    yield " ".join(path), command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from walk_commands(child, (*path, name))


def render_commands() -> str:
    """The whole page as Markdown."""
    sections = (f"## {name}\n\n```\n{text}\n```\n" for name, text in walk_commands(tarmac, ("tarmac",)))
    return "\n".join([INTRODUCTION, *sections])


if __name__ == "__main__":
    sys.stdout.write(render_commands())
