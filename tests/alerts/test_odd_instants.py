"""One event at an instant outside the years Python knows keeps nobody from being told of the others."""

import pytest
from sqlalchemy import Engine, text

from alerts.match import match_events
from models.secrets import InstanceKey
from models.store.session import transaction
from tests.alerts.telling import NOW, make_channel, make_event, subscribe


@pytest.mark.parametrize("written", ["infinity", "10000-01-01 11:59:59+00", "0001-12-31 10:00:00+00 BC"])
def test_event_at_an_instant_nobody_can_read_is_told_and_stops_no_other(
    engine: Engine, key: InstanceKey, written: str
) -> None:
    subscribe(engine, make_channel(engine, key, "inbox://local", "me"))
    broken, _sound = make_event(engine), make_event(engine)
    with transaction(engine) as connection:
        connection.execute(
            text("update event set occurred_at = cast(cast(:at as text) as timestamptz) where id = :id"),
            {"at": written, "id": broken},
        )
    assert match_events(engine, NOW) == 2
