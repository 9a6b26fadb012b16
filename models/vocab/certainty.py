"""How sure a statement is, and what it rests on (design.md §3)."""

from enum import StrEnum


class Certainty(StrEnum):
    """How sure an event is; every message prints it."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    POSSIBLE = "possible"

    @property
    def rank(self) -> int:
        """3 for confirmed down to 1 for possible, to compare against a subscription's least certainty."""
        return {"confirmed": 3, "likely": 2, "possible": 1}[self.value]


class Evidence(StrEnum):
    """What the end of a leg rests on, strongest first."""

    GROUND_OBSERVED = "ground_observed"
    LOW_OBSERVED = "low_observed"
    FILED = "filed"
    REPORTED = "reported"
    INFERRED_GAP = "inferred_gap"
    UNKNOWN = "unknown"

    @property
    def certainty(self) -> Certainty:
        """The certainty an end with this evidence alone deserves."""
        return {
            "ground_observed": Certainty.CONFIRMED,
            "low_observed": Certainty.LIKELY,
            "filed": Certainty.LIKELY,
        }.get(self.value, Certainty.POSSIBLE)


class Basis(StrEnum):
    """Whether positions were received by radio or made by interpolating between logged times."""

    OBSERVED = "observed"
    INTERPOLATED = "interpolated"
