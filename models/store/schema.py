"""Bring a database to the schema this version of Tarmac expects, and refuse to work on any other."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from models.store.session import transaction

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# Any fixed number will do: it keeps two processes from migrating at once.
MIGRATION_LOCK = 7_231_001


class SchemaOutdated(Exception):  # noqa: N818 - a state of the database, not a mistake
    """The database was left by another version of Tarmac; ``tarmac db upgrade`` brings it up."""


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate to ``revision`` in one transaction. Safe to call at every start and from several processes."""
    with transaction(engine) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(_configure(connection), revision)


def check_is_current(engine: Engine) -> None:
    """Raise SchemaOutdated unless the database has exactly the schema of this version."""
    with transaction(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    expected = ScriptDirectory.from_config(_configure(None)).get_current_head()
    if found != expected:
        raise SchemaOutdated(f"the database is at revision {found or 'none'}, this version needs {expected}")


def _configure(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
