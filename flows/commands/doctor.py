"""``tarmac doctor``: what is configured, reachable and stale."""

import sys

import click
from pydantic import ValidationError

from flows.cli import InputError
from flows.doctor import Level, examine
from models import clock
from models.settings import Settings


@click.command()
def doctor() -> None:
    """Say what is configured, reachable and stale. Ends with 1 when something is wrong; changes nothing."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    findings = examine(settings, clock.now())
    for finding in findings:
        click.echo(f"{finding.level:5}  {finding.subject:10} {finding.text}")
    sys.exit(1 if any(finding.level is Level.WRONG for finding in findings) else 0)
