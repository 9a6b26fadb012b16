"""Day files of readsb's globe history: the whole path of one aircraft on one UTC day, for confirmation and back-fill.

A 404 says "not heard that day" only when the archive has anything for that day, so a day on which no aircraft was
found is checked with aircraft that fly nearly every day.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import msgspec
from pydantic import ValidationError
from scrapy import Request
from scrapy.http import Response
from twisted.python.failure import Failure

from crawlers.base import SourceSpider, clean_text, decompress
from crawlers.platforms.adsbx_v2 import describe_error, read_addresses, read_watchlist_addresses
from crawlers.problems import (
    SourceChanged,
    SourceDegraded,
    SourceRefused,
    WrongArguments,
    looks_like_challenge,
    looks_like_html,
)
from models.items import PositionItem
from models.vocab.certainty import Basis
from models.vocab.position import Position
from models.vocab.trace import Trace, TraceError, read_trace

MOST_DAYS = 31
CONTROLS = ("ac134a", "ac671b", "a61c53")
"""Two scheduled airliners and a freighter (N8774Q, N899DN, N493MC) that were heard in 2025 and 2026."""


def read_days(text: str) -> tuple[date, ...]:
    """Days from ``2026-01-01`` or ``2026-01-01..2026-01-03``, both ends included."""
    first_text, _, last_text = text.partition("..")
    try:
        first = date.fromisoformat(first_text)
        last = date.fromisoformat(last_text) if last_text else first
    except ValueError as error:
        raise WrongArguments(f"days= takes DAY or DAY..DAY, not {clean_text(text, 40)!r}") from error
    if not 0 <= (last - first).days < MOST_DAYS:
        raise WrongArguments(f"days= takes 1 to {MOST_DAYS} days in order")
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def whole(value: float | None) -> int | None:
    """A number rounded, where there is one."""
    return None if value is None else round(value)


def is_of_day(position: Position, day: date) -> bool:
    """Whether a position is of a UTC day, with an hour of grace on both sides."""
    midnight_s = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return -3600 <= position.at_s - midnight_s <= 86_400 + 3600


class TraceDayFiles(SourceSpider):
    """Asks for the day file of each aircraft on each day, one after the other."""

    prefix: ClassVar[str] = "/globe_history"

    def read_arguments(self, arguments: dict[str, str]) -> None:
        self.days = read_days(arguments.pop("days", ""))
        self.addresses = read_addresses(arguments.pop("icao24", ""))
        self.watchlist = arguments.pop("watchlist", None)
        self.controls = read_addresses(arguments.pop("control", ",".join(CONTROLS)))
        self.waiting: dict[date, int] = {}
        self.proven: set[date] = set()
        self.doubtful: set[date] = set()

    async def start(self) -> AsyncIterator[Request]:
        self.addresses = self.addresses or read_watchlist_addresses(self.watchlist or self.settings["TARMAC_WATCHLIST"])
        if not self.addresses:
            raise WrongArguments("the watchlist names no aircraft to ask for")
        self.findings.asked = self.addresses
        self.findings.canary_count = 0
        for day in self.days:
            self.waiting[day] = len(self.addresses)
            for address in self.addresses:
                yield self.ask(day, address)

    def ask(self, day: date, address: str, controls: tuple[str, ...] | None = None) -> Request:
        """The question for one day file; ``controls`` are the control aircraft left to try after this one."""
        path = f"{self.prefix}/{day:%Y/%m/%d}/traces/{address[-2:]}/trace_full_{address}.json"
        return self.get(
            self.address(path),
            self.crawl_day_file,
            errback=self.crawl_nothing,
            expect_status=[404],
            meta={"day": day, "address": address, "controls": controls},
        )

    def crawl_nothing(self, failure: Failure) -> Iterator[Request]:
        """A day file that could not be had: noted, and nothing is concluded from the day's other answers."""
        self.note_failure(failure)
        self.doubtful.add(failure.request.meta["day"])  # type: ignore[attr-defined]
        yield from self.settle(failure.request.meta)  # type: ignore[attr-defined]

    def crawl_day_file(self, response: Response) -> Iterator[PositionItem | Request]:
        """Every row of a day file as a position; 404 counts as not heard."""
        if response.status == 404:
            if response.meta["controls"] is None:
                self.findings.skip("not heard on that day")
        else:
            try:
                yield from self.crawl_trace(response)
            except SourceChanged as problem:
                self.doubtful.add(response.meta["day"])
                self.log_problem(problem, response)
            else:
                self.proven.add(response.meta["day"])
        yield from self.settle(response.meta)

    def settle(self, meta: dict[str, Any]) -> Iterator[Request]:
        """After each answer: once a day is through and nothing was found on it, try the control aircraft."""
        day, controls = meta["day"], meta["controls"]
        if controls is None:
            self.waiting[day] -= 1
            if self.waiting[day]:
                return
            controls = self.controls
        self.findings.canary_count = len(self.proven)
        if day in self.proven or day in self.doubtful:
            return
        if controls:
            yield self.ask(day, controls[0], controls[1:])
        else:
            problem = SourceDegraded(f"the archive has nothing for {day}, not even the control aircraft")
            self.findings.blame(problem)

    def crawl_trace(self, response: Response) -> Iterator[PositionItem]:
        """The rows of one file, each traceable to its place in it. Control aircraft are looked at and not kept."""
        body = decompress(response.body)
        if looks_like_challenge(body):
            raise SourceRefused("a challenge page came instead of a day file")
        if looks_like_html(body):
            raise SourceChanged("a web page came instead of a day file")
        try:
            trace = read_trace(body, source=self.source.slug)
        except TraceError as error:
            raise SourceChanged(str(error)) from error
        if trace.icao24 != response.meta["address"]:
            raise SourceChanged("the day file is of another aircraft")
        ends = (*trace.positions[:1], *trace.positions[-1:])
        if not all(is_of_day(position, response.meta["day"]) for position in ends):
            raise SourceChanged("the day file is of another day")
        if response.meta["controls"] is not None:
            return
        document = msgspec.json.decode(body)
        basis = document.get("tarmac_basis", Basis.OBSERVED)
        rows = self.index_rows(document)
        for position in trace.positions:
            index = rows.get((position.latitude, position.longitude, position.at_s), rows.get(position[1:3], -1))
            try:
                yield self.make_item(trace, position, document["trace"][index], response, index, basis)
            except (ValidationError, OverflowError) as error:
                raise SourceChanged(f"trace row {index} makes no sense: {describe_error(error)}") from error
        if trace.positions:
            newest = datetime.fromtimestamp(trace.positions[-1].at_s, UTC)
            self.findings.recorded_at = max(newest, self.findings.recorded_at or newest)

    @staticmethod
    def index_rows(document: dict[str, Any]) -> dict[tuple[float, ...], int]:
        """Place of each row in the file, by position and time, and by position alone for clocks we read otherwise."""
        start_s = float(document.get("timestamp") or 0.0)
        start_s = start_s / 1000 if start_s > 1e11 else start_s
        places: dict[tuple[float, ...], int] = {}
        for index, row in enumerate(document["trace"]):
            latitude, longitude = float(row[1]), float(row[2])
            places.setdefault((latitude, longitude, round(start_s + row[0], 3)), index)
            places.setdefault((latitude, longitude), index)
        return places

    def make_item(
        self, trace: Trace, position: Position, row: list[Any], response: Response, index: int, basis: str
    ) -> PositionItem:
        """One row as an item."""
        details = row[8] if len(row) > 8 and row[8] else {}
        return PositionItem(
            capture=response.meta["capture"],
            locator=f"trace[{index}]",
            icao24=trace.icao24,
            observed_at=datetime.fromtimestamp(position.at_s, UTC),
            latitude=position.latitude,
            longitude=position.longitude,
            altitude_ft=whole(position.altitude_ft),
            altitude_is_geometric=position.altitude_is_geometric,
            altitude_geometric_ft=whole(row[10]) if len(row) > 10 and isinstance(row[10], int | float) else None,
            on_ground=position.on_ground,
            ground_speed_kt=position.ground_speed_kt,
            track_deg=position.track_deg,
            vertical_rate_fpm=whole(position.vertical_rate_fpm),
            qnh_hpa=position.qnh_hpa,
            callsign=clean_text(position.callsign, 8),
            squawk=clean_text(details.get("squawk"), 4),
            registration=clean_text(trace.registration, 12),
            aircraft_type=clean_text(trace.aircraft_type, 4),
            position_kind=clean_text(row[9], 20) if len(row) > 9 else None,
            is_stale=position.is_stale,
            basis=Basis(basis),
        )
