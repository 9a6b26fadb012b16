"""Which aircraft is meant: 24-bit addresses, registrations, and whether the two belong together. Pure.

The United States gives every N-number exactly one address, in counting order from A00001 (N1) to ADF7C7 (N99999), so a
registration and an address can be checked against each other without asking anybody. Other states have no such rule.
"""

import re
from enum import StrEnum

US_FIRST = 0xA00001
"""address of N1, the first N-number"""
US_LAST = 0xADF7C7
"""address of N99999, the last N-number; the addresses after it belong to the US but to no N-number"""
US_COUNT = US_LAST - US_FIRST + 1

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""suffix letters: I and O are never used, they look like 1 and 0"""
_SUFFIX_COUNT = 1 + len(_LETTERS) * (1 + len(_LETTERS))
"""no suffix, one letter, or two letters"""
_LAST_PLACE_COUNT = 1 + len(_LETTERS) + 10
"""what may follow four digits: nothing, one letter or one digit"""
_BUCKETS = (101_711, 10_111, 951, _LAST_PLACE_COUNT)
"""how many N-numbers begin with the same one, two, three and four digits"""

_ADDRESS = re.compile(r"[0-9a-f]{6}")
_N_NUMBER = re.compile(r"N([1-9][0-9]{0,4})([A-HJ-NP-Z]{0,2})")


class PairCheck(StrEnum):
    """Whether an address and a registration can belong to one aircraft."""

    OK = "ok"
    MISMATCH = "mismatch"
    OUTSIDE_US = "outside the US block"


def clean_icao24(text: str) -> str | None:
    """Read a 24-bit address as six lower-case hexadecimal digits; None when it is none (blank, ``~`` non-ICAO)."""
    cleaned = text.strip().lower()
    return cleaned if _ADDRESS.fullmatch(cleaned) else None


def clean_registration(text: str) -> str:
    """Write a registration in capitals without padding."""
    return text.strip().upper()


def is_in_us_block(icao24: str) -> bool:
    """Tell whether an address is one of those that stand for an N-number."""
    cleaned = clean_icao24(icao24)
    return cleaned is not None and US_FIRST <= int(cleaned, 16) <= US_LAST


def registration_of(icao24: str) -> str | None:
    """Compute the N-number of an address; None for an address that stands for none."""
    if not is_in_us_block(icao24):
        return None
    rest = int(icao24.strip(), 16) - US_FIRST
    digit, rest = divmod(rest, _BUCKETS[0])
    text = f"N{digit + 1}"
    for bucket in _BUCKETS[1:]:
        if rest < _SUFFIX_COUNT:
            return text + _write_suffix(rest)
        digit, rest = divmod(rest - _SUFFIX_COUNT, bucket)
        text += str(digit)
    return text + _write_last_place(rest)


def icao24_of(registration: str) -> str | None:
    """Compute the address of an N-number; None for a text that is no N-number."""
    match = _N_NUMBER.fullmatch(clean_registration(registration))
    if match is None:
        return None
    digits, suffix = match.groups()
    if len(digits) + len(suffix) > 5:
        return None
    offset = (int(digits[0]) - 1) * _BUCKETS[0]
    for digit, bucket in zip(digits[1:4], _BUCKETS[1:], strict=False):
        offset += _SUFFIX_COUNT + int(digit) * bucket
    if len(digits) == 5:
        offset += 1 + len(_LETTERS) + int(digits[4])
    elif len(digits) == 4:
        offset += _LETTERS.index(suffix) + 1 if suffix else 0
    else:
        offset += _read_suffix(suffix)
    return f"{US_FIRST + offset:06x}"


def check_pair(icao24: str, registration: str) -> PairCheck:
    """Check that an address and a registration can belong to one aircraft.

    An N-number fits one address only. An address of the US that stands for no N-number (military, or a temporary
    privacy address) and an address of another state cannot be checked and come back as ``OUTSIDE_US``; an N-number on
    another state's address is a mismatch.
    """
    cleaned = clean_icao24(icao24)
    expected = icao24_of(registration)
    if cleaned is None:
        return PairCheck.MISMATCH
    if is_in_us_block(cleaned):
        return PairCheck.OK if expected == cleaned else PairCheck.MISMATCH
    if expected is not None and not cleaned.startswith("a"):
        return PairCheck.MISMATCH
    return PairCheck.OUTSIDE_US


def _write_suffix(index: int) -> str:
    if index == 0:
        return ""
    first, second = divmod(index - 1, 1 + len(_LETTERS))
    return _LETTERS[first] + (_LETTERS[second - 1] if second else "")


def _read_suffix(suffix: str) -> int:
    if not suffix:
        return 0
    index = 1 + _LETTERS.index(suffix[0]) * (1 + len(_LETTERS))
    return index + (1 + _LETTERS.index(suffix[1]) if len(suffix) == 2 else 0)


def _write_last_place(index: int) -> str:
    if index == 0:
        return ""
    if index <= len(_LETTERS):
        return _LETTERS[index - 1]
    return str(index - 1 - len(_LETTERS))
