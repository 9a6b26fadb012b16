"""Are the locks current? Works offline: what pyproject.toml asks for is pinned, with hashes, without addresses."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def read_lock(path: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Pinned versions by name (several where markers differ), and what is wrong with the file."""
    text = path.read_text(encoding="utf-8")
    complaints = [f"{path.name}: contains an address" for word in ("://", "--index", "--find-links") if word in text]
    pins: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        line = block.strip()
        if not line or line.startswith("#"):
            continue
        pin = PIN.match(line)
        if not pin:
            complaints.append(f"{path.name}: not a pin: {line[:60]}")
            continue
        if "--hash=sha256:" not in line:
            complaints.append(f"{path.name}: {pin[1]} has no hash")
        pins.setdefault(canonicalize_name(pin[1]), set()).add(pin[2])
    return pins, complaints


def list_unmet(asked: list[str], pins: dict[str, set[str]], name: str) -> list[str]:
    """Requirements that the pins do not meet."""
    unmet = []
    for text in asked:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name), set())
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            unmet.append(f"{name}: {text} is asked for, {', '.join(sorted(versions)) or 'nothing'} is pinned")
    return unmet


def main() -> int:
    """Print what is not as it should be; 1 when there is something."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    run_pins, complaints = read_lock(ROOT / "requirements.lock")
    dev_pins, more = read_lock(ROOT / "requirements-dev.lock")
    bench_pins, still_more = read_lock(ROOT / "bench/requirements.lock")
    complaints += more + still_more
    asked = [*project["dependencies"], *extras["embedded"], *extras["build"]]
    complaints += list_unmet(asked, run_pins, "requirements.lock")
    complaints += list_unmet([*asked, *extras["dev"]], dev_pins, "requirements-dev.lock")
    lines = (ROOT / "bench/requirements.in").read_text(encoding="utf-8").splitlines()
    complaints += list_unmet([line for line in lines if line and line[0] != "#"], bench_pins, "bench/requirements.lock")
    complaints += [
        f"requirements-dev.lock has another version of {name} than requirements.lock, {sorted(versions)}"
        for name, versions in run_pins.items()
        if dev_pins.get(name) != versions
    ]
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    if complaints:
        sys.stderr.write("run `make lock` where the package registry can be reached\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
