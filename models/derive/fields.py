"""Which fields an aircraft can be at, and which of several it is at: by runways, size and what the aircraft needs."""

from math import radians, sin
from typing import NamedTuple

from models.derive.performance import Performance
from models.vocab.airport import Airport, NearAirport, airports_near
from models.vocab.geodesy import angle_between_deg, bearing_deg, distance_nm
from models.vocab.position import Position

GROUND_RADIUS_NM = 6


class Field(NamedTuple):
    """A candidate field: how far its runways are, and how ill it fits (smaller is better)."""

    airport: Airport
    distance_nm: float
    misfit: float


def can_use(airport: Airport, runway_ft: int) -> bool:
    """Whether an aircraft that needs this length of runway may be assumed to use the field."""
    if airport.kind in ("heliport", "seaplane", "closed"):
        return False
    return runway_ft == 0 or (airport.longest_runway_ft or 0) >= runway_ft


def find_ground_field(place: Position, performance: Performance) -> Airport | None:
    """The field an aircraft rolling or standing at this place is on; None where no field fits or two fit as well."""
    runways_ft = dict.fromkeys((performance.least_runway_ft, performance.least_runway_seen_ft))
    nearby = airports_near(place.latitude, place.longitude, GROUND_RADIUS_NM, min(runways_ft))
    for runway_ft in runways_ft:
        fields = sorted(
            (measure_field(near, place) for near in nearby if can_use(near.airport, runway_ft)),
            key=lambda field: field.misfit,
        )
        # Aprons reach a mile beyond the runways; at a field without known runways only its centre is known.
        fields = [field for field in fields if field.distance_nm <= (2.0 if field.airport.runways else 1.5)]
        if fields:
            return choose_field(fields, clear_nm=0.15)
    return None


def measure_field(near: NearAirport, place: Position) -> Field:
    """How far a field is and how ill it fits: larger and better known fields are given half a mile."""
    airport = near.airport
    distance = airport.field_distance_nm(place.latitude, place.longitude)
    bonus = 0.3 * (airport.kind in ("large", "medium")) + 0.2 * airport.is_scheduled + 0.1 * bool(airport.runways)
    return Field(airport, distance, distance - bonus + 0.05 * near.distance_nm)


def is_aligned(airport: Airport, place: Position) -> bool:
    """Whether an aircraft flies along the extended centreline of one of the runways."""
    if place.track_deg is None:
        return False
    for (south, west), (north, east) in airport.runways:
        axis = bearing_deg(south, west, north, east)
        if min(angle_between_deg(place.track_deg, axis), angle_between_deg(place.track_deg, axis + 180)) > 12:
            continue
        away_nm = distance_nm(place.latitude, place.longitude, south, west)
        to_runway = bearing_deg(south, west, place.latitude, place.longitude)
        if abs(sin(radians(to_runway - axis))) * away_nm < 0.25 + 0.05 * away_nm:
            return True
    return False


def choose_field(fields: list[Field], clear_nm: float) -> Airport | None:
    """The best field, if it is clearly better than the next one."""
    if len(fields) > 1 and fields[1].misfit - fields[0].misfit < clear_nm and not _is_same_place(fields[0], fields[1]):
        return None
    return fields[0].airport


def _is_same_place(one: Field, other: Field) -> bool:
    # One field may be listed under two codes.
    return (
        abs(one.airport.latitude - other.airport.latitude) + abs(one.airport.longitude - other.airport.longitude)
        < 0.015
    )
