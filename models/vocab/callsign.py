"""Callsigns: which operator a code names, and which number blocks have been seen on ICE work."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

REFERENCE_FOLDER = Path(__file__).parent.parent / "reference"

_CODE = re.compile(r"([A-Z]{3})(\d[A-Z0-9]*)?")
_WORD = re.compile(r"([A-Z]+)(.*)")
NO_CALLSIGN = {"", "UNKNOWN", "NONE", "N/A", "00000000", "@@@@@@@@"}
"""what logs write when an aircraft sends no callsign"""


class OperatorKind(StrEnum):
    """How an operator's code in a callsign is to be read; see operators.yml."""

    CHARTER = "charter"
    SCHEDULED = "scheduled"
    PAST = "past"


@dataclass(frozen=True)
class Operator:
    """An operator whose aircraft have been linked to ICE work."""

    name: str
    kind: OperatorKind


@dataclass(frozen=True)
class Block:
    """A callsign pattern seen on ICE work, with the days it was used on where they are known."""

    pattern: re.Pattern[str]
    means: str
    sources: tuple[str, ...]
    first_on: date | None = None
    last_on: date | None = None

    def covers(self, day: date | None) -> bool:
        """Tell whether the block was in use on a day; an unknown day is covered."""
        if day is None:
            return True
        return (self.first_on is None or day >= self.first_on) and (self.last_on is None or day <= self.last_on)

    @property
    def days(self) -> str:
        """The days of use in words, empty when the block is in use."""
        first = f"from {self.first_on} " if self.first_on else ""
        return f"{first}until {self.last_on}" if self.last_on else first.strip()


@dataclass(frozen=True)
class Callsigns:
    """The rules for reading callsigns."""

    operators: dict[str, Operator]
    blocks: tuple[Block, ...]
    misspellings: dict[str, str]

    def find_block(self, callsign: str) -> Block | None:
        """The block a cleaned callsign belongs to, or None."""
        return next((block for block in self.blocks if block.pattern.fullmatch(callsign)), None)

    def mend_spelling(self, callsign: str) -> str | None:
        """The callsign that was meant, when a known misspelling stands in front; None otherwise."""
        match = _WORD.fullmatch(callsign)
        if match is None or match[1] not in self.misspellings:
            return None
        return self.misspellings[match[1]] + match[2]

    def operator_in(self, callsign: str) -> Operator | None:
        """The listed operator whose code stands in a cleaned callsign, or None."""
        code = code_in(callsign)
        return self.operators.get(code) if code else None


def clean_callsign(text: str | None) -> str:
    """Read a callsign in capitals without padding; empty when none was sent."""
    cleaned = (text or "").strip().upper()
    return "" if cleaned in NO_CALLSIGN else cleaned


def code_in(callsign: str) -> str | None:
    """The three-letter operator code in front of a flight number; None for registrations, words and blanks.

    Letters alone after the code make it a registration (British G-XABC is sent as GXABC), so a digit must follow;
    a bare code counts, since logs hold such entries.
    """
    match = _CODE.fullmatch(callsign)
    return match[1] if match else None


@cache
def load_callsigns() -> Callsigns:
    """Read the rules that come with Tarmac (operators.yml and callsigns.yml)."""
    operators = yaml.safe_load((REFERENCE_FOLDER / "operators.yml").read_text(encoding="utf-8"))["operators"]
    document = yaml.safe_load((REFERENCE_FOLDER / "callsigns.yml").read_text(encoding="utf-8"))
    return Callsigns(
        operators={
            code: Operator(row["name"], OperatorKind(row["kind"])) for row in operators for code in row["codes"]
        },
        blocks=tuple(
            Block(
                re.compile(row["pattern"]), row["means"], tuple(row["sources"]), row.get("first_on"), row.get("last_on")
            )
            for row in document["blocks"]
        ),
        misspellings=document["misspellings"],
    )
