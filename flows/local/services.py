"""The processes Tarmac consists of, each with the one command that starts it: here, in docker-compose.yml, anywhere."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One process that runs as long as Tarmac does. ``arguments`` follow the word ``python``."""

    name: str
    arguments: tuple[str, ...]
    is_for: str

    def command(self) -> list[str]:
        """How to start it with the interpreter that is running now."""
        return [sys.executable, *self.arguments]


PREFECT = Service("prefect", ("-m", "flows.local.prefect_server"), "the Prefect server, which schedules the flows")
FLOWS = Service("flows", ("-m", "flows.serve"), "crawls, loads and derives when Prefect says so")
NOTIFIER = Service("notifier", ("-m", "alerts.notifier"), "tells people, within a second of an event")
CONSOLE = Service("console", ("-m", "console"), "the page")
# The replay stands in for the publishers and is no part of a production installation.
REPLAY = Service("replay", ("-m", "flows.cli", "replay", "--quiet"), "serves the recorded day on loopback")

SERVICES = (PREFECT, FLOWS, NOTIFIER, CONSOLE)
MIGRATE = Service("migrate", ("-m", "flows.cli", "db", "upgrade"), "brings the database to the schema of this version")
