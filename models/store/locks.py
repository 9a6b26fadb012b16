"""Locks that end with whoever holds them: a killed process leaves none behind, unlike a scheduler's own bookkeeping."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from models.store.session import StoreUnavailable

# First half of the key of all source locks; any fixed number will do.
SOURCE_LOCK = 7_231_003


@contextmanager
def hold_source(engine: Engine, slug: str) -> Iterator[bool]:
    """Keep a source to oneself while it is crawled; yields False when another process is crawling it.

    The lock belongs to a connection of its own and goes with it. Raises StoreUnavailable without a database.
    """
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        statement = text("select pg_try_advisory_lock(:space, hashtext(:slug))")
        is_held = bool(connection.execute(statement, {"space": SOURCE_LOCK, "slug": slug}).scalar())
    except (DBAPIError, psycopg.Error) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(getattr(original, "sqlstate", None)) from None
    try:
        yield is_held
    finally:
        # closing the connection frees the lock, also when the server has already forgotten it
        connection.close()
