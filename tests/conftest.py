"""A real PostgreSQL for every test that asks for one: one server a worker, one fresh migrated database a test.

The server is TEST_DATABASE_URL where that is set, else the operating system's, else the wheel's.
"""

import hashlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from flows.local.postgres import temporary_server
from models.store.schema import upgrade
from models.store.session import make_engine

_numbers = count(1)
TESTS = Path(__file__).parent
# What kills processes or counts seconds: never two of these at a time.
ALONE = (TESTS / "chaos", TESTS / "flows" / "local", TESTS / "models" / "store" / "test_kills.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file on one worker, and all that kills or counts seconds on the same one (``make test``)."""
    for item in items:
        is_alone = any(item.path.is_relative_to(place) for place in ALONE)
        item.add_marker(pytest.mark.xdist_group("alone" if is_alone else str(item.path.relative_to(TESTS))))


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Address of a server on which tests may make databases."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with temporary_server() as server:
        yield server.url("postgres", role="postgres")


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a database that has been migrated once and is copied for each test."""
    name = f"tarmac_template_{os.getpid()}"
    _execute(server_url, f"create database {name}")
    engine = make_engine(_named(server_url, name))
    upgrade(engine)
    engine.dispose()
    yield name
    _execute(server_url, f"drop database {name} with (force)")


@pytest.fixture
def empty_database_url(server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database without any table."""
    yield from _make_database(server_url, request.node.nodeid, "")


@pytest.fixture
def database_url(server_url: str, template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database, migrated."""
    yield from _make_database(server_url, request.node.nodeid, f"template {template_database} strategy file_copy")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh migrated database."""
    made = make_engine(database_url)
    yield made
    made.dispose()


def _make_database(server_url: str, test: str, options: str) -> Iterator[str]:
    name = f"tarmac_{hashlib.sha256(test.encode()).hexdigest()[:8]}_{os.getpid()}_{next(_numbers)}"
    _execute(server_url, f"create database {name} {options}")
    yield _named(server_url, name)
    _execute(server_url, f"drop database {name} with (force)")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(_address(url, "postgresql"), autocommit=True) as connection:
        connection.execute(statement.encode())


def _named(url: str, database: str) -> str:
    return _address(make_url(url).set(database=database).render_as_string(hide_password=False), "postgresql+psycopg")


def _address(url: str, driver: str) -> str:
    return make_url(url).set(drivername=driver).render_as_string(hide_password=False)
