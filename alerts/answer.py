"""What became of one send, in words the outbox can act on. Holds no address and no text of an error."""

from dataclasses import dataclass
from enum import StrEnum

# Answers after which trying again is useless: the credential is refused or the address does not exist.
PERMANENT_STATUS = frozenset({301, 308, 401, 403, 404, 410})

PERMANENT_MAIL_REPLIES = frozenset({535, 550, 551, 553})  # credential refused, no such mailbox


class Outcome(StrEnum):
    """The four ways a send can end. ``uncertain``: it may have arrived, so the next try says it may be a repeat."""

    SENT = "sent"
    TEMPORARY = "failed_temporary"
    PERMANENT = "failed_permanent"
    UNCERTAIN = "abandoned"


@dataclass(frozen=True)
class Answer:
    """How one send ended; ``code`` is short, from a fixed set, and safe to store and show."""

    outcome: Outcome
    code: str
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Exchange:
    """One answer of the other side, seen below Apprise, which reports only true or false."""

    protocol: str
    status: int | None
    retry_after_s: float | None = None


def judge_send(
    is_accepted: bool, exchanges: list[Exchange], *, was_refused_egress: bool = False, was_request_written: bool = False
) -> Answer:
    """What a send's end means.

    ``is_accepted``: Apprise's verdict. ``exchanges``: all answers seen, in order. ``was_request_written``: a request
    went out whose answer never came, so nobody knows whether it was acted on.
    """
    if is_accepted:
        return Answer(Outcome.SENT, "accepted")
    if was_refused_egress:
        # Temporary: a hotel's login page makes every name private for an hour, and must not switch off all channels.
        return Answer(Outcome.TEMPORARY, "private address refused")
    failed = [exchange for exchange in exchanges if exchange.status is not None and not _is_success(exchange)]
    if failed:
        last = failed[-1]
        is_permanent = last.status in (PERMANENT_STATUS if last.protocol == "http" else PERMANENT_MAIL_REPLIES)
        outcome = Outcome.PERMANENT if is_permanent else Outcome.TEMPORARY
        return Answer(outcome, f"{last.protocol} {last.status}", last.retry_after_s)
    if was_request_written:
        return Answer(Outcome.UNCERTAIN, "no answer")
    if exchanges:
        return Answer(Outcome.TEMPORARY, "answer not understood")
    return Answer(Outcome.TEMPORARY, "not reached")


def _is_success(exchange: Exchange) -> bool:
    assert exchange.status is not None
    return 200 <= exchange.status < (300 if exchange.protocol == "http" else 400)
