"""What a source declares about itself: who publishes it, what may be done with it, and what an answer should hold."""

from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator


class Lineage(StrEnum):
    """Who speaks: the further from the event, the more a claim of it needs a second source."""

    GOVERNMENT = "government"
    OPERATOR = "operator"
    RADIO_NETWORK = "radio_network"
    OBSERVER = "observer"
    PRESS = "press"


class Range(BaseModel):
    """How many of a thing one crawl should bring; outside of it the crawl is not ok."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: int = Field(default=0, ge=0)
    most: int = Field(ge=0)

    @model_validator(mode="after")
    def _refuse_an_empty_range(self) -> "Range":
        if self.least > self.most:
            raise ValueError(f"least {self.least} is more than most {self.most}")
        return self

    def holds(self, count: int) -> bool:
        """Whether a count is as expected."""
        return self.least <= count <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most}"


class Source(BaseModel):
    """One publisher's offer that Tarmac reads. Each spider declares one; ``docs/sources.md`` is made of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(
        pattern=r"^[a-z][a-z0-9_]{1,40}$", description="name of the source, of its spider and of its file"
    )
    title: str = Field(description="what it is, for people")
    publisher: str
    url: HttpUrl = Field(description="the address asked; its scheme and host are where a spider may go")
    home: HttpUrl = Field(description="page where the publisher explains the offer")
    lineage: Lineage
    licence: str = Field(description="under which terms the data may be kept and shared")
    attribution: str = Field(description="words to print beside the data; empty where none are asked for")
    terms: str = Field(description="what the publisher asks of users: rate, purpose, contact")
    automation: str = Field(description="why asking by machine is allowed")
    cadence: timedelta = Field(description="how often it is worth asking")
    expects: dict[str, Range] = Field(description="item kind -> how many one crawl brings")
    canary: Range | None = Field(default=None, description="what the canary query must bring, where there is one")
    personal_data: bool = Field(description="whether it names people")
    redirects_to: tuple[str, ...] = Field(
        default=(), description="other hosts of the same publisher a spider may follow to"
    )

    @property
    def base_url(self) -> str:
        """Scheme and host asked, without a path."""
        parts = urlsplit(str(self.url))
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def hosts(self) -> frozenset[str]:
        """Every host a spider of this source may ask."""
        return frozenset({urlsplit(str(self.url)).hostname or "", *self.redirects_to})
