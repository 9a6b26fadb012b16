"""Derive the legs of every aircraft that has news, and raise what follows. Plain functions, safe to repeat."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.derive.legs import derive_legs
from models.store.derivation import (
    SETTLED_AFTER,
    clear_mark,
    find_window,
    last_heard_at,
    list_marked,
    mark_everything,
    read_looks,
    read_mark,
    read_track,
)
from models.store.legs import lock_aircraft, reconcile_legs
from models.store.session import Engine, StoreUnavailable, transaction
from models.vocab.watchlist import Watchlist, load_watchlist


@dataclass(frozen=True)
class DeriveReport:
    """What one round of deriving did."""

    aircraft: tuple[str, ...]
    event_ids: tuple[UUID, ...]


def derive_marked(engine: Engine, now: datetime, *, watchlist: Watchlist | None = None) -> DeriveReport:
    """Derive every aircraft with new positions or an open leg, each in a transaction of its own.

    An aircraft that cannot be derived does not keep the others from it: they are done first, then an ExceptionGroup
    holds what failed. Raises StoreUnavailable at once when the database went away; what was done until then stays done.
    """
    known = watchlist or load_watchlist()
    with transaction(engine) as connection:
        marked = list_marked(connection)
    event_ids: list[UUID] = []
    failures: list[Exception] = []
    for icao24 in marked:
        try:
            event_ids += derive_aircraft(engine, icao24, now, known)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the bad data of one aircraft must not silence the others
            failures.append(error)
    if failures:
        raise ExceptionGroup("the legs of some aircraft could not be derived", failures)
    return DeriveReport(tuple(marked), tuple(event_ids))


def derive_aircraft(engine: Engine, icao24: str, now: datetime, watchlist: Watchlist) -> list[UUID]:
    """Derive the legs of one aircraft from its positions, store what changed and return the events raised."""
    with transaction(engine) as connection:
        lock_aircraft(connection, icao24)
        mark = read_mark(connection, icao24)
        if mark is None:
            return []
        window_at = find_window(connection, mark)
        track = read_track(connection, icao24, window_at)
        looks = read_looks(connection, icao24)
        heard_at = last_heard_at(track)
        looked_until_at = looks.silent_until(heard_at) if looks and heard_at else None
        watched = watchlist.by_icao24.get(icao24)
        legs = derive_legs(
            track.fixes,
            icao24=icao24,
            registration=track.registration,
            aircraft_type=track.aircraft_type or (watched.type if watched else None),
            now_s=looked_until_at.timestamp() if looked_until_at else None,
        )
        event_ids = reconcile_legs(
            connection,
            icao24,
            legs,
            since_at=mark.since_at - SETTLED_AFTER,
            looked_at=looks.looked_at if looks else None,
            clock_at=looks.looked_at if looks else now,
            now=now,
            looked_until_at=looked_until_at,
            operator_of=watchlist.operator_of,
            registration_of=watchlist.registration_of,
        )
        clear_mark(connection, mark)
    return event_ids


def derive_everything(
    engine: Engine,
    now: datetime,
    *,
    watchlist: Watchlist | None = None,
    on_marked: Callable[[int], None] = lambda count: None,
) -> DeriveReport:
    """Derive all legs from all positions, as after a change of the rules or after the legs were dropped."""
    with transaction(engine) as connection:
        count = mark_everything(connection)
    on_marked(count)
    return derive_marked(engine, now, watchlist=watchlist)
