"""The database may fall over and come back; what it stores never reaches a log."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from flows.local.postgres import PostgresServer, temporary_server
from models.store.session import StoreError, StoreUnavailable, make_engine, transaction, wait_until_ready

SECRET = "tgram://very-secret-token"


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that keeps what it was given, and is started again when it dies."""
    with temporary_server(for_tests=False) as server:
        yield server


def kill(server: PostgresServer) -> None:
    """End the server and its workers as a power cut would."""
    postmaster = psutil.Process(server.pid)
    for process in (postmaster, *postmaster.children()):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_values_never_reach_a_traceback(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="sqlalchemy"):
        with pytest.raises(StoreError) as caught, transaction(engine) as connection:
            connection.execute(text("select cast(:value as integer)"), {"value": SECRET})
        with pytest.raises(DBAPIError) as bare, engine.connect() as connection:
            connection.execute(text("select cast(:value as integer)"), {"value": SECRET})
    assert caught.value.sqlstate == "22P02"
    for error in (caught.value, bare.value):
        assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in caplog.text


def test_half_done_work_is_undone(engine: Engine) -> None:
    def fail_half_way() -> None:
        with transaction(engine) as connection:
            connection.execute(text("insert into source (slug) values ('x')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with transaction(engine) as connection:
        assert connection.scalar(text("select count(*) from source")) == 0


def test_engine_outlives_a_killed_server(own_server: PostgresServer) -> None:
    engine = make_engine(own_server.url())
    with transaction(engine) as connection:
        connection.execute(text("create table kept (n int)"))
        connection.execute(text("insert into kept values (1)"))
    kill(own_server)
    with pytest.raises(StoreUnavailable), transaction(engine) as connection:
        connection.execute(text("select 1"))
    wait_until_ready(engine, 10)
    with transaction(engine) as connection:
        assert connection.scalar(text("select n from kept")) == 1
    engine.dispose()


def test_server_killed_inside_a_transaction_is_reported_as_try_again(own_server: PostgresServer) -> None:
    engine = make_engine(own_server.url())

    def write_while_it_dies() -> None:
        with transaction(engine) as connection:
            connection.execute(text("create table lost (n int)"))
            kill(own_server)
            connection.execute(text("insert into lost values (1)"))

    with pytest.raises(StoreUnavailable):
        write_while_it_dies()
    wait_until_ready(engine, 10)
    with transaction(engine) as connection:
        assert connection.scalar(text("select to_regclass('lost')")) is None
    engine.dispose()
