"""The Prefect server as Tarmac runs it: ``python -m flows.local.prefect_server``.

Prefect 3.8.8 was written for SQLAlchemy 2.0. Under 2.1 its scheduler fails on the first scheduled run ("please supply a
bulk_dml decorated function", 2026-11-21), because rows carry the key ``state``, a hybrid attribute that 2.0 passed over
in bulk inserts. Supplying the function that does the same mends it (docs/decisions/0007-prefect-light.md).
"""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from fastapi import FastAPI

# Read by Prefect itself; the server and those who ask it get the same.
ADDRESS, HOST, PORT = "PREFECT_API_URL", "PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT"
DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"

QUIET = {
    # nobody is told that we run
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_ENABLED": "false",
    # what a crawl prints stays in its bundle: Prefect's database holds ids only
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    # by default runs are kept for ever, and only events are swept
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "604800",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
    # pools as small as one machine needs
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "2",
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "3",
}


def describe_environment(home: Path, database_url: str, port: int) -> dict[str, str]:
    """Environment of the server and of its clients: loopback, a password nobody knows, keys outside its database."""
    folder = home / "prefect"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = f"tarmac:{secrets.token_urlsafe(24)}"
    return QUIET | {
        "PREFECT_HOME": str(folder.absolute()),
        HOST: "127.0.0.1",
        PORT: str(port),
        ADDRESS: f"http://127.0.0.1:{port}/api",
        DATABASE: database_url,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_ENCRYPTION_KEY": _read_key(folder / "encryption.key"),
    }


def create_app() -> "FastAPI":
    """Make Prefect's own application, with its rows insertable under SQLAlchemy 2.1."""
    from prefect.server.api.server import create_app as create_prefect_app
    from prefect.server.database import orm_models

    for table in (orm_models.FlowRun, orm_models.TaskRun):
        vars(table)["state"].bulk_dml_setter = _pass_over
    return create_prefect_app(final=True)


def main() -> None:
    """Serve until told to stop."""
    import uvicorn

    # settings that are not given take the quiet value, also where another supervisor starts us
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    host, port = os.environ.get(HOST, "127.0.0.1"), int(os.environ.get(PORT, "4200"))
    uvicorn.run(create_app(), host=host, port=port, log_level="warning", timeout_keep_alive=5)


def _pass_over(cls: type, mapping: dict[str, Any], value: object) -> None:
    """Leave the row as it is: the state is inserted into its own table by the same transaction."""


def _read_key(path: Path) -> str:
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(Fernet.generate_key())
        unfinished.replace(path)
    return path.read_text()


if __name__ == "__main__":
    main()
