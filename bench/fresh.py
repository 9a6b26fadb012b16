"""How long from a fresh checkout, with no environment and no data, to the first alert: `make run`, install included."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.service import ROOT, grade_limit, run_service

LIMIT_S = 180.0


def copy_checkout(target: Path) -> None:
    """Copy what is tracked, as a clone would have it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def measure() -> dict[str, dict[str, object]]:
    """Seconds to the first alert; also how many of them the install took."""
    checkout = Path(tempfile.mkdtemp(prefix="tarmac-fresh-"))
    checkout.chmod(0o755)
    try:
        copy_checkout(checkout)
        with run_service(["make", "run"], checkout) as service:
            installed_s = service.wait_for(r"PostgreSQL .* runs on", 600)
            alert_s = service.wait_for(r"^ALERT: ", 900)
    finally:
        shutil.rmtree(checkout, ignore_errors=True)
    return {"fresh": grade_limit(alert_s, LIMIT_S, "s", installed_s=round(installed_s, 1))}


if __name__ == "__main__":
    print(measure())
