"""Read the three files of a bundle as something a stranger may have written: bounded, line by line, never elsewhere."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta, Struct
from pydantic import ValidationError

from models.items import CAPTURES_FILE, ITEMS_FILE, RUN_FILE, ArticleItem, Run
from models.store.position_lines import PositionLine

LARGEST_RUN_BYTES = 64 * 2**20
LONGEST_LINE_BYTES = 8 * 2**20
LARGEST_COUNT = 2**31
ISSUES_KEPT = 50

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,40}")
_ICAO24 = re.compile(r"[0-9a-f]{6}")


class BundleError(Exception):
    """A folder that is no bundle; one line a person can read."""


class ArticleLine(Struct, tag_field="kind", tag="article", forbid_unknown_fields=True, frozen=True):
    """One article item as a line of ``items.jsonl`` gives it; read again strictly as an ArticleItem."""

    capture: str
    locator: Annotated[str, Meta(max_length=200)]
    url: str
    publisher: str
    title: str
    summary: str = ""
    text: str = ""
    published_at: str | None = None


@dataclass
class Refusals:
    """What of a bundle could not be loaded: all counted, the first of them kept in words."""

    count: int = 0
    messages: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.messages) < ISSUES_KEPT:
            self.messages.append(message)


def open_bundle_file(folder: Path, name: str) -> BinaryIO:
    """Open one file of a bundle. Raises BundleError unless it is a plain file in that folder (no link, no pipe)."""
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BundleError(f"{folder}: cannot read {name} ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BundleError(f"{folder}: {name} is not a plain file")
    return os.fdopen(handle, "rb")


def open_captures(folder: Path) -> BinaryIO:
    """Open the WARC file of a bundle."""
    return open_bundle_file(folder, CAPTURES_FILE)


def read_run(folder: Path) -> Run:
    """The report of the crawl that made a bundle. Raises BundleError."""
    with open_bundle_file(folder, RUN_FILE) as file:
        content = file.read(LARGEST_RUN_BYTES + 1)
    if len(content) > LARGEST_RUN_BYTES:
        raise BundleError(f"{folder}: {RUN_FILE} is larger than a report can be")
    try:
        run = Run.model_validate_json(_without_nul(content))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{folder}: {RUN_FILE} is not a report: {where} {first['msg']}") from None
    if not _SLUG.fullmatch(run.source):
        raise BundleError(f"{folder}: {RUN_FILE} names no source")
    counts = (run.canary_count or 0, *(fetch.status_code for fetch in run.fetches))
    if not all(0 <= count < LARGEST_COUNT for count in counts):
        raise BundleError(f"{folder}: {RUN_FILE} holds an impossible count")
    recorded_at = run.recorded_at
    if recorded_at is not None and recorded_at.tzinfo is None:
        return run.model_copy(update={"recorded_at": recorded_at.replace(tzinfo=UTC)})
    return run


def read_items(folder: Path, refusals: Refusals) -> Iterator[PositionLine | ArticleItem]:
    """The items of a bundle in their order; lines that are none are left out and added to ``refusals``."""
    decoder = msgspec.json.Decoder(PositionLine | ArticleLine)
    aircraft: set[str] = set()
    with open_bundle_file(folder, ITEMS_FILE) as file:
        for number, line in enumerate(_read_lines(file), start=1):
            if line is None:
                refusals.add(f"line {number}: longer than {LONGEST_LINE_BYTES} bytes")
                continue
            try:
                item = _read_line(_without_nul(line), decoder)
                if isinstance(item, PositionLine) and item.icao24 not in aircraft:
                    _check_icao24(item.icao24)
                    aircraft.add(item.icao24)
            except (msgspec.DecodeError, ValueError) as error:
                refusals.add(f"line {number}: {_say(error)}")
            else:
                yield item


def _read_line(line: bytes, decoder: msgspec.json.Decoder[PositionLine | ArticleLine]) -> PositionLine | ArticleItem:
    item = decoder.decode(line)
    return ArticleItem.model_validate_json(line) if isinstance(item, ArticleLine) else item


def _check_icao24(icao24: str) -> None:
    if not _ICAO24.fullmatch(icao24):
        raise ValueError("icao24 is not an address")


def _read_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their end; None for one that is too long to hold."""
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        if len(line) <= LONGEST_LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE_BYTES)
        yield None


def _without_nul(content: bytes) -> bytes:
    """JSON with the one character PostgreSQL cannot store replaced."""
    return content.replace(b"\\u0000", b"\\ufffd")


def _say(error: Exception) -> str:
    """What is wrong with a line, without repeating what it holds."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])} {first['msg']}"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)[:200]
