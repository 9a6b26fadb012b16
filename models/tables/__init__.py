"""The tables, one subject a file; importing this package registers them all on one metadata."""

from models.tables.base import Table
from models.tables.crawl import AircraftLook, Capture, Crawl, Fetch, Observation, Source
from models.tables.delivery import Attempt, Channel, Delivery, Match, Subscription
from models.tables.event import Event
from models.tables.flight import DeriveMark, Leg, Position

__all__ = [
    "AircraftLook",
    "Attempt",
    "Capture",
    "Channel",
    "Crawl",
    "Delivery",
    "DeriveMark",
    "Event",
    "Fetch",
    "Leg",
    "Match",
    "Observation",
    "Position",
    "Source",
    "Subscription",
    "Table",
]
