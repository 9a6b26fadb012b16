"""Prepare a PostgreSQL server that we run ourselves: does it answer, is it what we think, has it our databases."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from models.store.session import StoreError, StoreUnavailable


@dataclass(frozen=True)
class ServerFacts:
    """What a running server says of itself."""

    version: str
    fsync: bool
    full_page_writes: bool
    data_checksums: bool


def _connect(socket_folder: str, database: str, timeout_s: int = 5) -> psycopg.Connection[tuple[str, ...]]:
    return psycopg.connect(
        host=socket_folder,
        dbname=database,
        user="postgres",
        connect_timeout=timeout_s,
        autocommit=True,
        application_name="launcher",
    )


def read_facts(socket_folder: str) -> ServerFacts:
    """Ask the server behind a socket folder, as its superuser, what it is. Raises StoreUnavailable if it is silent."""
    names = ("server_version", "fsync", "full_page_writes", "data_checksums")
    try:
        with _connect(socket_folder, "postgres") as connection:
            values = [connection.execute("select current_setting(%s)", [name]).fetchone() for name in names]
    except psycopg.OperationalError as error:
        raise StoreUnavailable(error.sqlstate) from None
    version, *flags = [value[0] if value else "" for value in values]
    return ServerFacts(version.split()[0], *(flag == "on" for flag in flags))


def make_databases(socket_folder: str, owners: Mapping[str, str]) -> None:
    """Make each database of ``owners`` and the role that owns it, where missing: no superuser, nobody else may connect.

    ``pg_trgm`` is created in each, because Prefect needs it and our own name search will. Safe to run at every start.
    """
    with _connect(socket_folder, "postgres") as connection:
        for database, role in owners.items():
            if not connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
            if not connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
                connection.execute(
                    sql.SQL("create database {} owner {} template template0").format(
                        sql.Identifier(database), sql.Identifier(role)
                    )
                )
            connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))
    for database in owners:
        with _connect(socket_folder, database) as connection:
            connection.execute("create extension if not exists pg_trgm")


def ensure_database(url: str, name: str) -> str:
    """Address of the database ``name`` on the server of ``url``, made when missing. Raises StoreError when we may not.

    For a server that someone else runs: the role of ``url`` needs CREATEDB, or the database must be there already.
    """
    wanted = make_url(url).set(database=name).render_as_string(hide_password=False)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(plain, autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.OperationalError as error:
        raise StoreUnavailable(error.sqlstate) from None
    except psycopg.Error as error:
        raise StoreError(error.sqlstate) from None
    return wanted
