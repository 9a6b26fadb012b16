"""Sweep up events the notifier missed: it listens and delivers; this makes sure that nothing waits unmatched."""

from datetime import datetime

from alerts.match import match_events
from flows.installation import Installation


def sweep_events(installation: Installation, now: datetime) -> int:
    """Match events nobody has matched yet; their deliveries wake the notifier. Returns how many there were."""
    return match_events(installation.engine, now)
