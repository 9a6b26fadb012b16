"""One position as the derivations read it: small, fast, with times as epoch seconds."""

from typing import NamedTuple


class Position(NamedTuple):
    """Where an aircraft was. Built from a stored row, a live answer or a trace row."""

    at_s: float
    """seconds since 1970-01-01T00:00:00Z"""
    latitude: float
    longitude: float
    altitude_ft: float | None = None
    """barometric (29.92 inHg) unless altitude_is_geometric; None when not sent or on the ground"""
    on_ground: bool | None = None
    ground_speed_kt: float | None = None
    track_deg: float | None = None
    vertical_rate_fpm: float | None = None
    callsign: str | None = None
    is_stale: bool = False
    starts_leg: bool = False
    """the publisher's own new-leg flag (readsb flag 2): a hint, never evidence"""
    altitude_is_geometric: bool = False
    qnh_hpa: float | None = None
    source: str = ""
    is_interpolated: bool = False
