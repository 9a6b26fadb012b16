"""The JSON interface ADSBexchange made common (version 2): aircraft by address, with a canary against empty worlds.

Field meanings follow readsb's README-json.md; adsb.lol, adsb.fi and airplanes.live answer in this form.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError
from scrapy import Request
from scrapy.http import Response

from crawlers.base import SourceSpider, clean_text, refuse
from crawlers.problems import SourceChanged, SourceDegraded, WrongArguments
from models import clock
from models.items import PositionItem
from models.vocab.certainty import Basis
from models.vocab.watchlist import load_watchlist

MOST_ADDRESSES = 1000
LONGEST_LIST = 8000
"""readsb refuses longer lists (api.c: 1000 addresses, 8000 characters)."""

CLOCK_MAY_DIFFER = timedelta(minutes=10)
"""A source further off this machine's clock cannot say what is happening now."""

STALE_AFTER_S = 60.0
"""readsb drops a position after 60 s; an older one is a repetition."""

MILLISECONDS_FROM = 1e11
"""Clocks above this count milliseconds: 1e11 s is the year 5138, 1e11 ms is 1973."""

HEX_DIGITS = frozenset("0123456789abcdef")

READSB_FIELDS = """
dbFlags desc ownOp year noRegData emergency category nav_altitude_mcp nav_altitude_fms nav_heading nav_modes nic rc
version nic_baro nic_a nic_c nac_p nac_v sil sil_type gva sda alert spi mlat tisb messages rssi dst dir calc_track ias
tas mach track_rate roll mag_heading true_heading wd ws oat tat gpsOkBefore gpsOkLat gpsOkLon lastPosition rr_lat rr_lon
recentReceiverIds ctime ptime seen acas_ra
"""
IGNORED_FIELDS = frozenset(READSB_FIELDS.split())
"""Known and not read: ``lastPosition`` is up to 14 days old, ``rr_lat``/``rr_lon`` are a guess from the receivers."""


def read_instant(value: object) -> datetime:
    """An instant from a clock that counts seconds or milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("the answer's clock is not a number")
    seconds = value / 1000 if value > MILLISECONDS_FROM else value
    if not 946_684_800 < seconds < 4_102_444_800:
        refuse("the answer's clock is outside the years 2000 to 2100")
    return datetime.fromtimestamp(seconds, UTC)


def read_number(row: dict[str, Any], name: str) -> float | None:
    """Pop a number; an absent field is None and anything else than a number is a change of the source."""
    value = row.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"{name} is not a number")
    return value


def read_whole_number(row: dict[str, Any], name: str) -> int | None:
    """Pop a number and round it."""
    value = read_number(row, name)
    return None if value is None else round(value)


def read_text(row: dict[str, Any], name: str, longest: int) -> str | None:
    """Pop a text, cleaned; absent and blank are both None."""
    value = row.pop(name, None)
    if value is not None and not isinstance(value, str):
        refuse(f"{name} is not text")
    return clean_text(value, longest)


def list_aircraft(document: object) -> list[dict[str, Any]]:
    """The aircraft of an answer, whether it calls them ``ac`` or ``aircraft`` or is one bare aircraft."""
    if not isinstance(document, dict):
        raise SourceChanged("the answer is not an object")
    message = document.get("msg", "No error")
    if message != "No error":
        raise SourceChanged(f"the answer reports: {clean_text(message, 100)}")
    for name in ("ac", "aircraft"):
        if isinstance(document.get(name), list):
            rows = document[name]
            break
    else:
        if "hex" not in document:
            raise SourceChanged("the answer has no list of aircraft")
        rows = [document]
    if not all(isinstance(row, dict) for row in rows):
        raise SourceChanged("the list of aircraft holds something else")
    return [dict(row) for row in rows]


def read_clock(document: dict[str, Any]) -> datetime:
    """The source's own clock at the answer."""
    for name in ("now", "ctime"):
        if name in document:
            return read_instant(document[name])
    raise SourceChanged("the answer has no clock")


def read_position(row: dict[str, Any], now: datetime, capture: str, locator: str) -> PositionItem | None:
    """One aircraft object as a position; None when it has no position of its own now. Pops what it reads.

    Raises SourceChanged when a known field holds what it cannot hold.
    """
    now = read_instant(row.pop("now")) if "now" in row else now
    latitude, longitude = read_number(row, "lat"), read_number(row, "lon")
    age_s = read_number(row, "seen_pos")
    altitude, geometric_ft = row.pop("alt_baro", None), read_whole_number(row, "alt_geom")
    on_ground = altitude == "ground" if altitude is not None else None
    row["alt_baro"] = None if on_ground else altitude
    barometric_ft = read_whole_number(row, "alt_baro")
    barometric_rate, geometric_rate = read_whole_number(row, "baro_rate"), read_whole_number(row, "geom_rate")
    values = {
        "ground_speed_kt": read_number(row, "gs"),
        "track_deg": read_number(row, "track"),
        "vertical_rate_fpm": geometric_rate if barometric_rate is None else barometric_rate,
        "qnh_hpa": read_number(row, "nav_qnh"),
        "callsign": read_text(row, "flight", 8),
        "squawk": read_text(row, "squawk", 4),
        "registration": read_text(row, "r", 12),
        "aircraft_type": read_text(row, "t", 4),
        "position_kind": read_text(row, "type", 20),
        "basis": row.pop("tarmac_basis", Basis.OBSERVED),
    }
    if latitude is None or longitude is None:
        return None
    if age_s is None or age_s < 0:
        refuse("a position without an age")
    use_geometric = barometric_ft is None and geometric_ft is not None and not on_ground
    try:
        return PositionItem(
            capture=capture,
            locator=locator,
            icao24=row.pop("hex"),
            observed_at=now - timedelta(seconds=age_s),
            latitude=latitude,
            longitude=longitude,
            altitude_ft=geometric_ft if use_geometric else barometric_ft,
            altitude_is_geometric=use_geometric,
            altitude_geometric_ft=geometric_ft,
            on_ground=on_ground,
            is_stale=age_s > STALE_AFTER_S,
            **values,
        )
    except (ValidationError, OverflowError) as error:
        raise SourceChanged(f"an aircraft object that makes no sense: {describe_error(error)}") from error


def describe_error(error: Exception) -> str:
    """Which fields were wrong, without the values a stranger sent."""
    if isinstance(error, ValidationError):
        return ", ".join(sorted({".".join(map(str, part["loc"])) for part in error.errors(include_input=False)}))
    return type(error).__name__


def split_list(addresses: list[str]) -> Iterator[list[str]]:
    """The watchlist in as few questions as the interface allows: one, for less than a thousand aircraft."""
    most = min(MOST_ADDRESSES, LONGEST_LIST // 7)
    for start in range(0, len(addresses), most):
        yield addresses[start : start + most]


def read_addresses(text: str) -> tuple[str, ...]:
    """Addresses from ``a,b,c``: checked, lower case, each once."""
    addresses = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for address in addresses:
        if len(address) != 6 or not HEX_DIGITS.issuperset(address):
            raise WrongArguments(f"{clean_text(address, 20)!r} is not a 24-bit address (six hexadecimal digits)")
    return addresses


class AdsbxV2Spider(SourceSpider):
    """Asks for the whole watchlist at once and then, in the same way, for something that must be in the air."""

    prefix: ClassVar[str] = "/v2"
    canary_path: ClassVar[str] = "/point/33.64/-84.43/50"
    """Around Atlanta, where at every hour someone flies; an answer of some ten kilobytes, not of a megabyte."""

    def read_arguments(self, arguments: dict[str, str]) -> None:
        self.watchlist = arguments.pop("watchlist", None)
        self.addresses = read_addresses(arguments.pop("icao24", ""))

    async def start(self) -> AsyncIterator[Request]:
        addresses = self.addresses or read_watchlist_addresses(self.watchlist or self.settings["TARMAC_WATCHLIST"])
        if not addresses:
            raise WrongArguments("the watchlist names no aircraft to ask for")
        self.findings.asked = addresses
        for part in split_list(list(addresses)):
            url = self.address(f"{self.prefix}/hex/{','.join(part)}")
            yield self.get(url, self.crawl_watchlist, meta={"asked": part}, priority=1)
        yield self.get(self.address(f"{self.prefix}{self.canary_path}"), self.crawl_canary)

    def crawl_watchlist(self, response: Response) -> Iterator[PositionItem]:
        """Every position of the answer; an aircraft that cannot be read spoils the verdict and not the others."""
        document = self.read_json(response)
        rows = list_aircraft(document)
        now = read_clock(document)
        self.check_clock(now, clock.now(), response)
        self.findings.recorded_at = max(now, self.findings.recorded_at or now)
        seen: set[tuple[str, datetime]] = set()
        for index, row in enumerate(rows):
            try:
                item = self.crawl_aircraft(row, now, response, index)
            except SourceChanged as problem:
                self.log_problem(problem, response)
                continue
            if item is not None and (item.icao24, item.observed_at) not in seen:
                seen.add((item.icao24, item.observed_at))
                yield item

    def check_clock(self, source_now: datetime, now: datetime, response: Response) -> None:
        """Note a publisher whose clock is wrong; a server that stands in for it plays another day."""
        if not self.source_base_url and abs(source_now - now) > CLOCK_MAY_DIFFER:
            ahead = "ahead" if source_now > now else "behind"
            self.log_problem(SourceDegraded(f"the source's clock is more than ten minutes {ahead}"), response)

    def crawl_aircraft(self, row: dict[str, Any], now: datetime, response: Response, index: int) -> PositionItem | None:
        """One aircraft of the answer."""
        address = row.get("hex")
        if not isinstance(address, str):
            refuse("an aircraft without an address")
        if address.startswith("~"):
            self.findings.skip("not a 24-bit address")
            return None
        row["hex"] = address = address.strip().lower()
        if address not in response.meta.get("asked", (address,)):
            refuse("the answer holds aircraft that were not asked for")
        item = read_position(row, now, response.meta["capture"], f"ac[{index}]")
        self.audit(row, ignore=IGNORED_FIELDS | {"hex"})
        return item

    def crawl_canary(self, response: Response) -> None:
        """Count what must be there; the report judges the count."""
        self.findings.canary_count = len(list_aircraft(self.read_json(response)))


def read_watchlist_addresses(path: str | None) -> tuple[str, ...]:
    """Addresses of the watchlist file, or of the one that comes with Tarmac."""
    return load_watchlist(Path(path) if path else None).polled
