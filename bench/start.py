"""How long from the start of the installed service to the page answering, with nothing in the home folder yet."""

import sys

from bench.service import grade_limit, run_service

LIMIT_S = 45.0


def measure() -> dict[str, dict[str, object]]:
    """Seconds to the page, and to the first alert, of one run."""
    with run_service([sys.executable, "-m", "flows.cli", "run"]) as service:
        page_s = service.wait_for(r"the page answers after", 180)
        alert_s = service.wait_for(r"^ALERT: ", 300)
    return {"start": grade_limit(page_s, LIMIT_S, "s", first_alert_s=round(alert_s, 1))}


if __name__ == "__main__":
    print(measure())
