"""From bundles to legs and events: what people are told as a day goes by, and what they are spared."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from flows.derive import derive_everything, derive_marked
from models.archive import Archive
from models.items import PositionItem, Verdict
from models.store.bundle import load_bundle
from models.store.session import StoreUnavailable, transaction
from models.vocab.watchlist import Watchlist, load_watchlist
from tests.bundles import NOON, after, dump_tables, fly, make_bundle

FLIGHT_MINUTES = 60

Told = tuple[str, str | None, str | None]


class Watch:
    """A watch over one aircraft: polls every other minute see what was heard, then legs are derived."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.archive = Archive(str(folder / "archive"))

    def load(self, items: Iterable[PositionItem], at: datetime, **values: object) -> None:
        load_bundle(self.engine, make_bundle(self.folder, items, at=at, **values), self.archive, at)  # type: ignore[arg-type]

    def poll(
        self,
        items: Iterable[PositionItem],
        start: datetime,
        minutes: int,
        *,
        is_heard: Callable[[datetime], bool] = lambda at: True,
        is_up: Callable[[datetime], bool] = lambda at: True,
        step: int = 2,
    ) -> None:
        """Look every ``step`` minutes: a poll sees the last position of the minute before."""
        by_minute = {}
        for item in items:
            by_minute[item.observed_at.replace(second=0)] = item
        for minute in range(0, minutes, step):
            at = start + timedelta(minutes=minute)
            if not is_up(at):
                self.load([], at, verdict=Verdict.UNREACHABLE)
            else:
                seen = by_minute.get(at - timedelta(minutes=1))
                self.load([seen] if seen and is_heard(at) else [], at)
            derive_marked(self.engine, at)

    def told(self) -> list[Told]:
        with transaction(self.engine) as connection:
            rows = connection.execute(
                text(
                    "select kind, payload->'departure'->>'airport', payload->'arrival'->>'airport' from event "
                    "where not is_quiet and kind like 'flight.%' order by recorded_at, kind"
                )
            )
            return [tuple(row) for row in rows]  # type: ignore[misc]

    def legs(self) -> list[tuple[str, str | None, str | None]]:
        with transaction(self.engine) as connection:
            rows = connection.execute(
                text("select status, departure_airport, arrival_airport from leg order by first_fix_at")
            )
            return [tuple(row) for row in rows]  # type: ignore[misc]


@pytest.fixture
def watch(engine: Engine, tmp_path: Path) -> Watch:
    return Watch(engine, tmp_path)


DEPARTED = ("flight.departed", "KAEX", None)
LANDED = ("flight.landed", "KAEX", "KSAT")


def test_a_flight_is_told_as_it_leaves_and_as_it_lands_and_never_again(watch: Watch) -> None:
    watch.poll(fly(NOON), NOON - timedelta(minutes=5), 80)
    assert watch.told() == [DEPARTED, LANDED]
    before = dump_tables(watch.engine, without=("version", "derived_at"))
    derive_everything(watch.engine, after(100))
    derive_everything(watch.engine, after(101))
    assert dump_tables(watch.engine, without=("version", "derived_at")) == before


def test_an_outage_over_cruise_is_not_a_lost_signal(watch: Watch) -> None:
    down = (after(15), after(55))
    watch.poll(fly(NOON, minutes=90), NOON - timedelta(minutes=5), 75, is_up=lambda at: not down[0] <= at < down[1])
    assert watch.told() == [DEPARTED]
    assert watch.legs() == [("airborne", "KAEX", None)]


def test_twenty_minutes_of_looking_in_vain_is_a_lost_signal_told_once(watch: Watch) -> None:
    watch.poll(fly(NOON, minutes=120), NOON - timedelta(minutes=5), 75, is_heard=lambda at: at < after(30))
    assert watch.told() == [DEPARTED, ("flight.signal_lost", "KAEX", None)]
    with transaction(watch.engine) as connection:
        payload, recorded_at = connection.execute(
            text("select payload, recorded_at from event where kind = 'flight.signal_lost'")
        ).one()
    assert set(payload["reach_nm"]) == {"0.5", "1", "2"}
    assert payload["last_fix"]["at"].startswith("2026-01-10T12:28")
    assert after(48) <= recorded_at <= after(51)


def test_silence_counts_only_from_the_end_of_an_outage(watch: Watch) -> None:
    watch.poll(
        fly(NOON, minutes=120),
        NOON - timedelta(minutes=5),
        85,
        is_heard=lambda at: at < after(20),
        is_up=lambda at: not after(20) <= at < after(60),
    )
    assert watch.told() == [DEPARTED]


def test_a_landing_after_a_lost_signal_says_so(watch: Watch) -> None:
    watch.poll(
        fly(NOON, minutes=90), NOON - timedelta(minutes=5), 110, is_heard=lambda at: not after(30) <= at < after(70)
    )
    assert watch.told() == [DEPARTED, ("flight.signal_lost", "KAEX", None), LANDED]
    with transaction(watch.engine) as connection:
        assert connection.scalar(text("select payload->>'signal_was_lost' from event where kind = 'flight.landed'"))


def test_what_was_flown_long_ago_is_recorded_and_told_to_nobody(watch: Watch) -> None:
    watch.load(fly(NOON), after(70), asked=(), source="adsb_lol_traces")
    derive_marked(watch.engine, NOON + timedelta(days=10))
    assert watch.told() == []
    assert watch.legs() == [("landed", "KAEX", "KSAT")]
    with transaction(watch.engine) as connection:
        assert connection.scalar(text("select count(*) from event where is_quiet and matched_at is not null")) == 2
        assert connection.scalar(text("select standing from leg")) == "confirmed"


def test_legs_come_out_the_same_when_derived_from_nothing_and_events_are_of_the_same_things(watch: Watch) -> None:
    watch.poll(fly(NOON), NOON - timedelta(minutes=5), 80)
    watch.poll(fly(after(150), (29.5337, -98.4698), (31.8072, -106.3776)), after(145), 80)
    # An event keeps what was known when it was told; when derived afterwards it knows more from the start.
    volatile = ("derived_at", "recorded_at", "payload", "certainty", "occurred_at")
    before = dump_tables(watch.engine, without=volatile)
    with transaction(watch.engine) as connection:
        connection.execute(text("truncate leg, event, derive_mark cascade"))
    derive_everything(watch.engine, after(240))
    assert dump_tables(watch.engine, without=volatile) == before


def test_dropping_only_the_legs_alerts_nobody_twice(watch: Watch) -> None:
    flight = list(fly(NOON))
    watch.poll(flight[20:], NOON, 75)
    with transaction(watch.engine) as connection:
        connection.execute(text("truncate leg"))
    watch.load(flight[:20], after(90))
    derive_everything(watch.engine, after(90))
    kinds = [kind for kind, *_ in watch.told() if kind != "flight.corrected"]
    assert sorted(kinds) == ["flight.departed", "flight.landed"]


def test_a_late_record_that_moves_the_landing_corrects_it_once(watch: Watch) -> None:
    flight = list(fly(NOON, minutes=60))
    elsewhere = list(fly(NOON, goal=(32.8998, -97.0403), minutes=60))
    watch.poll([*flight[:100], *elsewhere[100:]], NOON - timedelta(minutes=5), 70)
    assert watch.told()[-1] == ("flight.landed", "KAEX", "KDFW")
    with transaction(watch.engine) as connection:
        connection.execute(text("delete from position where observed_at > :at"), {"at": after(30)})
    watch.load(flight, after(80), source="adsb_lol_traces", asked=())
    derive_marked(watch.engine, after(80))
    derive_everything(watch.engine, after(81))
    assert watch.told()[-1] == ("flight.corrected", "KAEX", "KSAT")
    assert len(watch.told()) == 3
    with transaction(watch.engine) as connection:
        revision, supersedes_id, corrections = connection.execute(
            text("select revision, supersedes_id, payload->'corrections' from event where kind = 'flight.corrected'")
        ).one()
        assert (
            connection.scalar(text("select kind from event where id = :id"), {"id": supersedes_id}) == "flight.landed"
        )
        assert connection.scalar(text("select standing from leg")) == "revised"
    assert revision == 2
    assert corrections == [{"what": "landing airport", "told": "KDFW", "now": "KSAT"}]


def test_a_leg_that_was_none_is_taken_back_once(watch: Watch) -> None:
    watch.poll(fly(NOON), NOON - timedelta(minutes=5), 80)
    with transaction(watch.engine) as connection:
        connection.execute(
            text(
                "update position set on_ground = true, altitude_ft = null, ground_speed_kt = 0, "
                "latitude = 31.3274, longitude = -92.5486"
            )
        )
    derive_everything(watch.engine, after(90))
    derive_everything(watch.engine, after(91))
    assert watch.legs() == []
    assert watch.told() == [DEPARTED, LANDED, ("flight.corrected", None, None), ("flight.corrected", None, None)]


def test_aircraft_that_cannot_be_derived_is_named_and_silences_no_other(watch: Watch) -> None:
    watch.load([item.model_copy(update={"icao24": "000001"}) for item in fly(NOON)], after(80), asked=("000001",))
    watch.load(fly(NOON), after(80))
    with transaction(watch.engine) as connection:
        # no leg can be read beside an event that names none
        connection.execute(
            text(
                "insert into event (id, kind, subject, dedupe_key, certainty, occurred_at, payload, recorded_at) "
                "values (gen_random_uuid(), 'odd', '000001', 'odd', 'likely', :at, '{\"leg_id\": \"none\"}', :at)"
            ),
            {"at": after(60)},
        )
    with pytest.raises(ExceptionGroup) as caught:
        derive_marked(watch.engine, after(80))
    assert [type(error) for error in caught.value.exceptions] == [ValueError]
    assert [kind for kind, *_ in watch.told()] == ["flight.departed", "flight.landed"]


def test_lost_database_ends_a_round_at_once(watch: Watch) -> None:
    for number in range(3):
        icao24 = f"00000{number}"
        watch.load([item.model_copy(update={"icao24": icao24}) for item in fly(NOON)], after(80), asked=(icao24,))
    asked: list[str] = []

    class Lookup(Watchlist):
        def registration_of(self, icao24: str) -> str | None:
            asked.append(icao24)
            raise StoreUnavailable(None)

    known = load_watchlist()
    with pytest.raises(StoreUnavailable):
        derive_marked(watch.engine, after(80), watchlist=Lookup(**vars(known)))
    assert asked == ["000000"]
