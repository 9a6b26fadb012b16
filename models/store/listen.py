"""Hear of new events at once. PostgreSQL tells only those who listen at that moment, so whoever listens also sweeps."""

import select
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from models.store.session import StoreUnavailable

EVENT_CHANNEL = "tarmac_event"


class Listener:
    """A connection of its own that does nothing but listen."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self._connection = connection

    def wait(self, timeout_s: float, wake: int | None = None) -> bool:
        """Wait for an event; True when there was one. ``wake``: a descriptor that ends the wait when it can be read.

        Raises StoreUnavailable when the connection is lost.
        """
        try:
            heard = any(True for _ in self._connection.notifies(timeout=0))
            watched = [self._connection.fileno(), *([] if wake is None else [wake])]
            if not heard and self._connection.fileno() in select.select(watched, [], [], timeout_s)[0]:
                heard = any(True for _ in self._connection.notifies(timeout=0))
        except (psycopg.Error, OSError, ValueError) as error:
            raise StoreUnavailable(getattr(error, "sqlstate", None)) from None
        if self._connection.closed:
            raise StoreUnavailable(None)
        return heard


@contextmanager
def listening(engine: Engine, channel: str = EVENT_CHANNEL) -> Iterator[Listener]:
    """Listen for as long as the block runs. Raises StoreUnavailable when the server cannot be reached."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=10, application_name="tarmac listener")
    except psycopg.Error as error:
        raise StoreUnavailable(error.sqlstate) from None
    try:
        with connection:
            connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            yield Listener(connection)
    except psycopg.Error as error:
        raise StoreUnavailable(error.sqlstate) from None
