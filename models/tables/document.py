"""Renders docs/data-model.md from the tables themselves, so that the page cannot fall behind.

``python -m models.tables.document > docs/data-model.md``
"""

import sys
from importlib import import_module
from typing import Any, cast

from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.schema import Column

from models.tables import Table

INTRODUCTION = """# Data model

Generated from `models/tables/`; `make docs` renews it. Instants (`_at`) are stored in UTC. Tables are bare singular
nouns, units are part of a column's name, and a row of an append-only table is never changed, only followed by another.

The path of a fact: `fetch` and `capture` (what came in) → `position` or `observation` (what it said) → `leg` (what we
conclude) → `event` (what changed) → `match` (who asked) → `delivery` → `attempt` (what was sent). Every arrow is a key
that can be walked backwards.
"""


def describe_column(column: "Column[Any]") -> str:
    """One line of a table's listing: name, type, and what a reader must know."""
    kind = column.type.compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
    notes = []
    if column.primary_key:
        notes.append("key")
    if not column.nullable and not column.primary_key:
        notes.append("required")
    notes += [f"→ {key.column.table.name}" for key in sorted(column.foreign_keys, key=lambda key: key.target_fullname)]
    if column.comment:
        notes.append(column.comment)
    return f"| `{column.name}` | {kind} | {'; '.join(notes).replace('|', '/')} |"


def render_data_model() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    for mapper in sorted(Table.registry.mappers, key=lambda mapper: mapper.class_.__tablename__):
        purpose = (mapper.class_.__doc__ or "").strip()
        room = import_module(mapper.class_.__module__).__name__.replace(".", "/")
        rows = "\n".join(describe_column(cast("Column[Any]", column)) for column in mapper.local_table.columns)
        parts.append(
            f"## {mapper.class_.__tablename__}\n\n{purpose}\n\nDefined in `{room}.py`.\n\n"
            f"| column | type | notes |\n|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(render_data_model())
