"""Is a sighted aircraft one we watch? Judges by airframe first, by callsign second, and always says why. Pure.

A callsign alone never makes an aircraft ``watched``: charter operators also fly teams and tours, and a monitor that
took operator codes for proof flagged a scheduled airline 785 times out of 785 (January to May 2026). A callsign makes
a ``candidate``, which a person looks at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from models.vocab.aircraft import PairCheck, check_pair, clean_icao24, clean_registration, registration_of
from models.vocab.callsign import Callsigns, OperatorKind, clean_callsign, code_in
from models.vocab.watchlist import WatchedAircraft, Watchlist, WatchStatus


class SightingVerdict(StrEnum):
    """What a sighting is worth."""

    WATCHED = "watched"
    CANDIDATE = "candidate"
    NONE = "none"


@dataclass(frozen=True)
class Sighting:
    """One aircraft seen somewhere, as a log wrote it down."""

    icao24: str
    callsign: str | None = None
    registration: str | None = None
    seen_on: date | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict on one sighting and the sentences it rests on."""

    verdict: SightingVerdict
    reasons: tuple[str, ...]


def judge_sightings(sightings: Sequence[Sighting], watchlist: Watchlist, rules: Callsigns) -> list[Judgement]:
    """Judge a log of sightings, in order.

    An airframe that flew under a charter operator's callsign elsewhere in the log stays a candidate where its callsign
    is blank: contractors switch it off.
    """
    judgements = [judge_sighting(sighting, watchlist, rules) for sighting in sightings]
    flown: dict[str, str] = {}
    for sighting, judgement in zip(sightings, judgements, strict=True):
        icao24 = clean_icao24(sighting.icao24)
        callsign = clean_callsign(sighting.callsign)
        if icao24 and callsign and judgement.verdict is SightingVerdict.CANDIDATE:
            flown.setdefault(icao24, callsign)
    return [_carry_over(sighting, judgement, flown) for sighting, judgement in zip(sightings, judgements, strict=True)]


def judge_sighting(sighting: Sighting, watchlist: Watchlist, rules: Callsigns) -> Judgement:
    """Judge one sighting by itself."""
    icao24 = clean_icao24(sighting.icao24)
    callsign = clean_callsign(sighting.callsign)
    listed = watchlist.by_icao24.get(icao24) if icao24 else None
    doubts = _doubt_identity(sighting, icao24)
    if listed and listed.status is WatchStatus.CURRENT:
        return Judgement(SightingVerdict.WATCHED, (_cite_listing(listed, watchlist), *doubts))
    hint = _read_callsign(callsign, sighting.seen_on, rules)
    if listed:
        return _judge_past(listed, callsign, hint, doubts, watchlist, rules)
    claimed = _find_claimed(sighting, callsign, watchlist)
    if claimed:
        doubts = (f"{claimed.registration} is on the watchlist with the address {claimed.icao24}", *doubts)
        return Judgement(SightingVerdict.CANDIDATE, (*hint.reasons, *doubts) if hint.counts else doubts)
    if hint.counts:
        return Judgement(SightingVerdict.CANDIDATE, (*hint.reasons, *doubts))
    return Judgement(SightingVerdict.NONE, (*hint.reasons, *doubts))


@dataclass(frozen=True)
class _Hint:
    counts: bool
    reasons: tuple[str, ...]


def _read_callsign(callsign: str, seen_on: date | None, rules: Callsigns) -> _Hint:
    if not callsign:
        return _Hint(False, ("no callsign was sent, and the airframe is not on the watchlist",))
    meant = rules.mend_spelling(callsign)
    spelling = () if meant is None else (f"{callsign} looks like a misspelling of {meant}",)
    block = rules.find_block(meant or callsign)
    if block and block.covers(seen_on):
        return _Hint(True, (*spelling, f"{block.means} ({block.days})" if block.days else block.means))
    operator = rules.operator_in(meant or callsign)
    if operator and operator.kind is OperatorKind.CHARTER:
        said = f"{operator.name} flies charters, some of them for ICE; the code alone does not say which"
        return _Hint(True, (*spelling, said))
    if block:
        return _Hint(False, (f"{callsign}: {block.means}, but only {block.days}",))
    if operator:
        return _Hint(
            False, (f"{operator.name} flies for others too, and {callsign} is in no number block of ICE work",)
        )
    return _Hint(False, ("neither the airframe nor the callsign is linked to ICE work",))


def _judge_past(
    listed: WatchedAircraft,
    callsign: str,
    hint: _Hint,
    doubts: tuple[str, ...],
    watchlist: Watchlist,
    rules: Callsigns,
) -> Judgement:
    """An airframe of the past fleet, or one only proposed: a candidate unless it plainly flies for somebody else."""
    cited = _cite_listing(listed, watchlist)
    code = code_in(callsign)
    if code and not hint.counts:
        operator = rules.operators.get(code)
        flies_for = operator.name if operator else f"the operator {code}"
        return Judgement(
            SightingVerdict.NONE, (cited, f"it now flies as {callsign} for {flies_for}, outside any ICE block", *doubts)
        )
    return Judgement(SightingVerdict.CANDIDATE, (cited, *(hint.reasons if hint.counts else ()), *doubts))


def _cite_listing(listed: WatchedAircraft, watchlist: Watchlist) -> str:
    newest = max(listed.claims, key=lambda claim: claim.last_on or date.min)
    when = f", last on {newest.last_on}" if newest.last_on else ""
    said = f"{newest.claim} ({watchlist.sources[newest.source].credit.split(';')[0]}{when})"
    by = f" of {listed.operator}" if listed.operator else ""
    match listed.status:
        case WatchStatus.CURRENT:
            standing = "is on the watchlist"
        case WatchStatus.HISTORICAL:
            standing = f"is on the watchlist as past fleet ({listed.era})" if listed.era else "is past fleet"
        case WatchStatus.PROPOSED:
            standing = "is proposed for the watchlist and not yet accepted"
    return f"airframe {listed.icao24} ({listed.registration}){by} {standing}: {said}"


def _doubt_identity(sighting: Sighting, icao24: str | None) -> tuple[str, ...]:
    """Say what does not fit between the address, the registration given and the address rule."""
    if icao24 is None:
        return (f"{sighting.icao24.strip() or 'a blank'!s} is not an ICAO address, so the airframe is not known",)
    given = clean_registration(sighting.registration or "")
    if given and check_pair(icao24, given) is PairCheck.MISMATCH:
        own = registration_of(icao24)
        belongs = f"belongs to {own}" if own else "is not a US address"
        return (f"the registration given, {given}, contradicts the address: {icao24} {belongs}",)
    return ()


def _find_claimed(sighting: Sighting, callsign: str, watchlist: Watchlist) -> WatchedAircraft | None:
    """The current airframe that the registration, or a callsign that is a registration, claims this to be."""
    for claim in (sighting.registration, callsign):
        found = watchlist.find_registration(claim) if claim else None
        if found and found.status is WatchStatus.CURRENT:
            return found
    return None


def _carry_over(sighting: Sighting, judgement: Judgement, flown: dict[str, str]) -> Judgement:
    icao24 = clean_icao24(sighting.icao24)
    if judgement.verdict is not SightingVerdict.NONE or clean_callsign(sighting.callsign) or icao24 not in flown:
        return judgement
    reason = f"no callsign was sent; the same airframe flew as {flown[icao24]} in this log"
    return Judgement(SightingVerdict.CANDIDATE, (reason, *judgement.reasons[1:]))
