"""Reach the database, and keep what it says in its errors out of the logs.

PostgreSQL repeats offending values in its messages ("invalid input syntax for type uuid: …"), so every error is reduced
to its SQLSTATE before anything else can see it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

__all__ = [
    "Connection",
    "Engine",
    "StoreAddressError",
    "StoreError",
    "StoreUnavailable",
    "driver_connection",
    "make_engine",
    "transaction",
    "wait_until_ready",
]

FIRST_INSTANT, LAST_INSTANT = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

# SQLSTATE classes after which the same transaction may simply be tried again: connection lost, server going down or
# coming up, too many connections, serialisation failure and deadlock.
RETRYABLE_CLASSES = ("08", "57P", "53300", "40001", "40P01")


class StoreError(Exception):
    """The database refused. Says the SQLSTATE and nothing that was stored."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate
        super().__init__(f"the database refused: SQLSTATE {sqlstate or 'none'}")


class StoreUnavailable(StoreError):  # noqa: N818 - a state of the server, not a mistake
    """The database could not be reached or gave up; nothing was written, and the same may be tried again."""


class StoreAddressError(StoreError, ValueError):
    """The address of the database is none; does not repeat it, for it may hold a password."""

    def __init__(self) -> None:
        super().__init__(None)
        self.args = ("DATABASE_URL is not the address of a PostgreSQL database (postgresql://user@host:port/name)",)


def make_engine(url: str, *, application: str = "tarmac", pool_size: int = 5) -> Engine:
    """Make an engine that finds the server again after a restart. Raises StoreAddressError for any other address."""
    engine = create_engine(
        _read_address(url),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=pool_size,
        connect_args={
            "application_name": application,
            "connect_timeout": 10,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60s",
        },
    )
    event.listen(engine, "handle_error", _strip_values)
    event.listen(engine, "connect", _read_every_instant)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run a block in one transaction: all of it is committed, or none.

    Raises StoreUnavailable when it may be tried again, StoreError when the database refused for another reason.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        # Python keeps the original as __context__ even so; it has been stripped of values where SQLAlchemy saw it.
        raise _translate(error) from None


def wait_until_ready(engine: Engine, timeout_s: float) -> None:
    """Wait until the server answers, as it does not while it recovers. Raises StoreUnavailable after ``timeout_s``."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        try:
            with transaction(engine) as connection:
                connection.execute(text("select 1"))
        except StoreUnavailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


def driver_connection(connection: Connection) -> psycopg.Connection[tuple[object, ...]]:
    """The psycopg connection underneath, for COPY, which SQLAlchemy does not speak."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


class _BoundedLoader(TimestamptzLoader):
    """Reads an instant outside the years Python knows as the nearest inside, so that one row never hides the others.

    The bounds lie a day inside, so that the instant can be told in any time zone.
    """

    def load(self, data: Buffer) -> datetime:
        try:
            return min(max(super().load(data), FIRST_INSTANT), LAST_INSTANT)
        except psycopg.DataError:
            written = bytes(data)
            return FIRST_INSTANT if written.startswith(b"-") or written.endswith(b"BC") else LAST_INSTANT


def _read_every_instant(connection: psycopg.Connection[tuple[object, ...]], _record: object) -> None:
    connection.adapters.register_loader("timestamptz", _BoundedLoader)


def _read_address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreAddressError from None
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername != "postgresql+psycopg":
        raise StoreAddressError
    return address


def _translate(error: DBAPIError | psycopg.Error) -> StoreError:
    original = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(original, "sqlstate", None)
    is_retryable = (
        isinstance(original, psycopg.OperationalError) if sqlstate is None else sqlstate.startswith(RETRYABLE_CLASSES)
    )
    return StoreUnavailable(sqlstate) if is_retryable else StoreError(sqlstate)


def _strip_values(context: ExceptionContext) -> None:
    """Replace the texts of a database error by its SQLSTATE, for code that uses an engine without ``transaction``."""
    if not isinstance(context.original_exception, psycopg.Error):
        return
    said = f"SQLSTATE {context.original_exception.sqlstate or 'none'}"
    context.original_exception.args = (said,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (said,)
