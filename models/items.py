"""What a spider may yield, and the report it leaves: the contract between crawlers and the load step. Pure.

A bundle is a folder with ``run.json`` (one Run), ``items.jsonl`` (one item a line) and ``captures.warc.gz``.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from models.vocab.certainty import Basis

RUN_FILE = "run.json"
ITEMS_FILE = "items.jsonl"
CAPTURES_FILE = "captures.warc.gz"

LONGEST_KEY = 400
"""Characters of an address used as a key; PostgreSQL cannot index values of more than 2,700 bytes."""

Icao24 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{6}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Item(BaseModel):
    """Base of all items: frozen, every field known, and traceable to the bytes it was read from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capture: Sha256 = Field(description="hash of the response body as received, before decompression")
    locator: str = Field(description="where in the capture: ac[3], trace[120], entry[2]")


class PositionItem(Item):
    """Where one aircraft was at one instant, as one source said it."""

    kind: Literal["position"] = "position"
    icao24: Icao24
    observed_at: AwareDatetime = Field(description="time of the position, not of the answer")
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    altitude_ft: int | None = Field(default=None, description="barometric at 1013.25 hPa unless altitude_is_geometric")
    altitude_is_geometric: bool = False
    altitude_geometric_ft: int | None = Field(
        default=None, description="above the WGS84 ellipsoid, where given beside the barometric"
    )
    on_ground: bool | None = None
    ground_speed_kt: float | None = None
    track_deg: float | None = None
    vertical_rate_fpm: int | None = None
    qnh_hpa: float | None = None
    callsign: str | None = None
    squawk: str | None = None
    registration: str | None = Field(default=None, description="from the publisher's database, not broadcast")
    aircraft_type: str | None = Field(default=None, description="ICAO type designator from the publisher's database")
    position_kind: str | None = Field(default=None, description="adsb_icao, mlat, adsc …")
    is_stale: bool = Field(default=False, description="the publisher repeated an old position")
    basis: Basis = Basis.OBSERVED


class ArticleItem(Item):
    """A news article as its publisher's feed and page gave it."""

    kind: Literal["article"] = "article"
    url: str
    publisher: str
    title: str
    summary: str = ""
    text: str = ""
    published_at: AwareDatetime | None = None


def make_article_key(url: str) -> str:
    """The key an article is known by: its address, or the beginning and the hash of one that is too long."""
    if len(url) <= LONGEST_KEY:
        return url
    return f"{url[:LONGEST_KEY]}…{hashlib.sha256(url.encode()).hexdigest()}"


class Verdict(StrEnum):
    """How a crawl ended; only ``ok`` says that what was absent from the answer was absent from the world."""

    OK = "ok"
    DEGRADED = "degraded"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    SCHEMA_CHANGED = "schema_changed"
    FAILED = "failed"


class Issue(BaseModel):
    """One thing that was not as expected, in one line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["warning", "error"]
    message: str
    url: str | None = None


class Fetch(BaseModel):
    """One response: which bytes came from which address at which minute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    fetched_at: AwareDatetime
    status_code: int
    content_type: str | None = None
    sha256: Sha256
    byte_count: int


class Run(BaseModel):
    """The report of one crawl."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: UUID
    source: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    verdict: Verdict
    reason: str = Field(description="one line a person can read; empty when ok")
    item_counts: dict[str, int]
    canary_count: int | None = Field(
        default=None, description="aircraft in the canary answer; None when the source has no canary"
    )
    asked: tuple[str, ...] = Field(
        default=(), description="icao24 asked for, so that silence about one of them is known to be silence"
    )
    retry_after_s: float | None = Field(
        default=None, description="as the source asked for; the next crawl waits at least so long"
    )
    recorded_at: AwareDatetime | None = Field(
        default=None, description="the source's own clock at the answer; differs from now in a replay"
    )
    fetches: tuple[Fetch, ...] = ()
    issues: tuple[Issue, ...] = ()
