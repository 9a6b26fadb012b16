"""Make the monthly partitions of the position table as the data asks for them."""

from datetime import UTC, date, datetime

from sqlalchemy import Connection, text

PARTITION_LOCK = 7_231_002


def ensure_partitions(connection: Connection, first_at: datetime, last_at: datetime) -> list[str]:
    """Make the partitions that hold ``first_at`` to ``last_at`` (both included), where missing; return the new ones.

    Several loaders may ask at once: whoever comes second waits for the first to commit and then finds them made.
    """
    wanted = {_name(month): month for month in _months(first_at.astimezone(UTC).date(), last_at.astimezone(UTC).date())}
    missing = [name for name in wanted if name not in _existing(connection)]
    if not missing:
        return []
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
    made = [name for name in wanted if name not in _existing(connection)]
    for name in made:
        start = wanted[name]
        # Attached in a second step: creating a partition in place takes an exclusive lock on the parent and would wait
        # for every reader; attaching does not.
        connection.execute(text(f"create table {name} (like position including all)"))
        connection.execute(
            text(
                f"alter table position attach partition {name} "
                f"for values from ('{start} 00:00:00+00') to ('{_next(start)} 00:00:00+00')"
            )
        )
    return made


def _existing(connection: Connection) -> set[str]:
    rows = connection.execute(
        text("select inhrelid::regclass::text from pg_inherits where inhparent = 'position'::regclass")
    )
    return {name for (name,) in rows}


def _months(first: date, last: date) -> list[date]:
    months = [first.replace(day=1)]
    while months[-1] < last.replace(day=1):
        months.append(_next(months[-1]))
    return months


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _name(month: date) -> str:
    return f"position_{month:%Y_%m}"
