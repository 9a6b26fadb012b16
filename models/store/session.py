"""Reach the database, and keep what it says in its errors out of the logs.

PostgreSQL repeats offending values in its messages ("invalid input syntax for type uuid: …"), so every error is reduced
to its SQLSTATE before anything else can see it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

__all__ = [
    "Connection",
    "Engine",
    "Session",
    "StoreError",
    "StoreUnavailable",
    "driver_connection",
    "make_engine",
    "session",
    "transaction",
    "wait_until_ready",
]

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


def make_engine(url: str, *, application: str = "tarmac", pool_size: int = 5) -> Engine:
    """Make an engine that finds the server again after a restart. ``url`` is any PostgreSQL address."""
    engine = create_engine(
        _with_driver(url),
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


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """Run a block in one ORM session and one transaction, with errors as in ``transaction``."""
    with transaction(engine) as connection, Session(connection, expire_on_commit=False) as opened:
        yield opened
        opened.flush()


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


def _with_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme in {"postgres", "postgresql"}:
        return f"postgresql+psycopg{separator}{rest}"
    return url


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
