"""Read position items fast, and write them the way PostgreSQL's binary COPY wants them.

A back-fill holds millions of positions; validating each as a pydantic model would take longer than storing it. A test
holds this reader to ``PositionItem``: the same fields, and nothing accepted that it would refuse.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

POSTGRES_EPOCH_S = 946_684_800
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
COLUMN_COUNT = 22
ROWS_PER_WRITE = 2000
LARGEST_CACHE = 50_000

Word = Annotated[str, Meta(max_length=64)]
# Wide enough for anything a transponder can say, narrow enough for the columns.
Whole = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Real = Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]


class PositionLine(Struct, tag_field="kind", tag="position", forbid_unknown_fields=True, frozen=True, gc=False):
    """One position item as a line of ``items.jsonl`` gives it; the fields are those of ``PositionItem``."""

    capture: str
    locator: Annotated[str, Meta(max_length=200)]
    icao24: Annotated[str, Meta(pattern=r"^[0-9a-f]{6}\Z")]
    observed_at: Annotated[datetime, Meta(tz=True)]
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    altitude_ft: Whole | None = None
    altitude_is_geometric: bool = False
    altitude_geometric_ft: Whole | None = None
    on_ground: bool | None = None
    ground_speed_kt: Real | None = None
    track_deg: Real | None = None
    vertical_rate_fpm: Whole | None = None
    qnh_hpa: Real | None = None
    callsign: Word | None = None
    squawk: Word | None = None
    registration: Word | None = None
    aircraft_type: Word | None = None
    position_kind: Word | None = None
    is_stale: bool = False
    basis: Literal["observed", "interpolated"] = "observed"

    @property
    def at_s(self) -> int:
        """The instant in seconds since 1970, rounded: one source has one position of an aircraft a second."""
        return int(self.observed_at.timestamp() + 0.5)


class _Whole(dict[int | None, bytes]):
    """Encoded ``integer`` values by value."""

    def __missing__(self, value: int) -> bytes:
        encoded = self[value] = struct.pack("!ii", 4, value)
        return encoded


class _Real(dict[float | None, bytes]):
    """Encoded ``real`` values by value."""

    def __missing__(self, value: float) -> bytes:
        encoded = self[value] = struct.pack("!if", 4, value)
        return encoded


class _Word(dict[str | None, bytes]):
    """Encoded ``text`` values by value."""

    def __missing__(self, value: str) -> bytes:
        characters = value.encode()
        encoded = self[value] = struct.pack("!i", len(characters)) + characters
        return encoded


def encode_positions(
    rows: Iterable[tuple[int, PositionLine]], *, source: str, capture_ids: Mapping[str, int]
) -> Iterator[bytes]:
    """Blocks for ``copy … from stdin (format binary)``, in the order of the columns of ``position``.

    ``rows``: each line with its ``at_s``.
    """
    whole, real, word = _Whole({None: NULL}), _Real({None: NULL}), _Word({None: NULL})
    flag = {None: NULL, True: b"\0\0\0\1\1", False: b"\0\0\0\1\0"}
    is_interpolated = {"observed": flag[False], "interpolated": flag[True]}
    captures = {sha256: struct.pack("!iq", 8, number) for sha256, number in capture_ids.items()}
    source_bytes = word[source]
    # column count, icao24 (text of 6), observed_at (microseconds since 2000)
    pack_key = struct.Struct("!hi6siq").pack
    pack_place = struct.Struct("!idid").pack
    block: list[bytes] = [COPY_HEADER]
    for at_s, line in rows:
        block.append(
            b"".join(
                (
                    pack_key(COLUMN_COUNT, 6, line.icao24.encode(), 8, (at_s - POSTGRES_EPOCH_S) * 1_000_000),
                    source_bytes,
                    pack_place(8, line.latitude, 8, line.longitude),
                    whole[line.altitude_ft],
                    whole[line.altitude_geometric_ft],
                    flag[line.altitude_is_geometric],
                    flag[line.on_ground],
                    real[line.ground_speed_kt],
                    real[line.track_deg],
                    whole[line.vertical_rate_fpm],
                    real[line.qnh_hpa],
                    word[line.callsign],
                    word[line.squawk],
                    word[line.registration],
                    word[line.aircraft_type],
                    word[line.position_kind],
                    flag[line.is_stale],
                    is_interpolated[line.basis],
                    captures[line.capture],
                    word[line.locator],
                )
            )
        )
        if len(block) >= ROWS_PER_WRITE:
            yield b"".join(block)
            block.clear()
            for cache in (whole, real, word):
                if len(cache) > LARGEST_CACHE:
                    cache.clear()
                    cache[None] = NULL
    block.append(COPY_TRAILER)
    yield b"".join(block)
