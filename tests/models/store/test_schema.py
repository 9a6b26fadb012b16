"""The migrations make exactly the schema the code expects, from nothing, however often and from wherever they run."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from models.store.partitions import ensure_partitions
from models.store.schema import SchemaOutdated, check_is_current, upgrade
from models.store.session import make_engine, transaction
from models.tables import Table


def test_database_without_tables_is_refused_until_it_is_migrated(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    with pytest.raises(SchemaOutdated, match="revision none"):
        check_is_current(engine)
    upgrade(engine)
    check_is_current(engine)
    upgrade(engine)
    engine.dispose()


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    engines = [make_engine(empty_database_url) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(upgrade, engines))
    check_is_current(engines[0])
    for engine in engines:
        engine.dispose()


def test_migrations_and_tables_agree(engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_partitions(connection, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_server_default": True,
                "include_object": lambda thing, name, kind, *_: (
                    not (kind == "table" and re.fullmatch(r"position_\d{4}_\d{2}", name))
                ),
            },
        )
        assert compare_metadata(context, Table.metadata) == []


def test_partitions_cover_the_months_between_and_are_made_once(engine: Engine) -> None:
    with transaction(engine) as connection:
        made = ensure_partitions(connection, datetime(2025, 11, 30, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert made == ["position_2025_11", "position_2025_12", "position_2026_01"]
    with transaction(engine) as connection:
        assert ensure_partitions(connection, datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC)) == []
    assert "pk_position" in {inspect(engine).get_pk_constraint("position")["name"]}


def test_partitions_are_made_by_several_loaders_at_once(engine: Engine) -> None:
    def make(_: int) -> None:
        with transaction(engine) as connection:
            ensure_partitions(connection, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, range(4)))
    with transaction(engine) as connection:
        count = connection.scalar(text("select count(*) from pg_inherits where inhparent = 'position'::regclass"))
    assert count == 4
