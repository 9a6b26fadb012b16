"""Event kinds and the payload each carries, as stored in ``event.payload`` and read by the message templates."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.vocab.certainty import Basis, Certainty, Evidence


class EventKind(StrEnum):
    """What can happen to flights (FlightPayload), in the news (ArticlePayload), or to a source (HealthPayload)."""

    FLIGHT_SCHEDULED = "flight.scheduled"
    FLIGHT_DEPARTED = "flight.departed"
    FLIGHT_LANDED = "flight.landed"
    FLIGHT_SIGNAL_LOST = "flight.signal_lost"
    FLIGHT_CORRECTED = "flight.corrected"
    NEWS_ARTICLE = "news.article"
    SOURCE_SILENT = "source.silent"
    SOURCE_RECOVERED = "source.recovered"
    CHANNEL_DISABLED = "channel.disabled"
    CHANNEL_FAILING = "channel.failing"


class Payload(BaseModel):
    """Base of all payloads: frozen, and a field we do not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LegEnd(Payload):
    """One end of a leg: when, where, and on what evidence."""

    at: datetime
    airport: str | None = Field(description="our airport id (ICAO code or FAA identifier); None when we do not know")
    evidence: Evidence
    certainty: Certainty


class LastFix(Payload):
    """The last position heard of an aircraft."""

    at: datetime
    latitude: float
    longitude: float
    altitude_ft: float | None = None
    ground_speed_kt: float | None = None
    track_deg: float | None = None


class Correction(Payload):
    """One value that was told and is no longer so."""

    what: str
    told: str | None
    now: str | None


class FlightPayload(Payload):
    """What is known of one leg at the moment of the event."""

    type: Literal["flight"] = "flight"
    leg_id: str
    icao24: str
    registration: str | None = None
    operator: str | None = None
    callsigns: tuple[str, ...] = ()
    departure: LegEnd | None = None
    arrival: LegEnd | None = None
    last_fix: LastFix | None = None
    reach_nm: dict[str, float] = Field(
        default={}, description="hours of flight after the last fix -> radius in nautical miles"
    )
    corrections: tuple[Correction, ...] = ()
    signal_was_lost: bool = Field(default=False, description="people were told that the signal of this flight was lost")
    basis: Basis = Basis.OBSERVED
    sources: tuple[str, ...] = ()
    last_looked_at: datetime | None = None


class ArticlePayload(Payload):
    """A news article: title and text as extracted, with the address it came from."""

    type: Literal["article"] = "article"
    url: str
    publisher: str
    title: str
    summary: str = ""
    text: str = ""
    published_at: datetime | None = None
    sources: tuple[str, ...] = ()


class HealthPayload(Payload):
    """A source that fell silent or recovered, or a channel that was switched off."""

    type: Literal["health"] = "health"
    name: str
    reason: str
    since_at: datetime | None = None
    sources: tuple[str, ...] = ()


AnyPayload = Annotated[FlightPayload | ArticlePayload | HealthPayload, Field(discriminator="type")]
