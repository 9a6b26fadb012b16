"""Builds ``watchlist.yml`` from the merged tracker lists: ``python -m models.reference.build_watchlist DATA_FOLDER``.

DATA_FOLDER holds ``iceair/watchlist_merged.json``, ``iceair/msp_mn50501_*.csv`` and
``flights/ice_air_fleet_wiseman.csv``. Nothing that plane-alert-db alone says comes into the file, since its licence
(ODbL) would then cover the whole list: neither its rows, nor its operators and types in rows that others confirm, nor
its word that an old airframe still flies.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from models.vocab.watchlist import WATCHLIST_FILE, read_watchlist

LEFT_OUT = "plane-alert-db"

NOTE = (
    "Airframes linked to ICE Air by public observers. Being listed says that an airframe has flown such work, never "
    "that one of its flights is such a flight. Add airframes here; build_watchlist.py keeps those it does not know."
)

SOURCES = {
    "mn50501": {
        "name": "MN50501 log of ICE flights at Minneapolis-St Paul",
        "credit": "Nick Benson, MN50501",
    },
    "hub_log": {
        "name": "public OpenSky log of eight hub airports, January to May 2026",
        "credit": "jonnealon, ice-air-operations-monitoring; facts only (address, callsign, place, day)",
        "url": "https://github.com/jonnealon/ice-air-operations-monitoring",
    },
    "wiseman": {
        "name": "wiseman/ice-air fleet list",
        "credit": "wiseman; facts only (address, registration, type, operator)",
        "url": "https://github.com/wiseman/ice-air",
    },
    "yirn": {
        "name": "observations at Yakima, May 2019 to June 2021",
        "credit": "Yakima Immigrant Response Network and UWCHR; facts only",
        "url": "https://github.com/UWCHR/ice-air",
    },
    "arts": {
        "name": "ICE Air records (ARTS), fiscal years 2011 to 2019",
        "credit": "US Immigration and Customs Enforcement, released to UWCHR; US government records",
        "url": "https://github.com/UWCHR/ice-air",
    },
}

CURRENT_SOURCES = {"mn50501", "hub_log", "wiseman"}


@dataclass(frozen=True)
class Known:
    """What the freely usable sources say beside the merged list."""

    codes: dict[str, str]
    wiseman: dict[str, dict[str, str]]
    msp_airlines: dict[str, Counter[str]]
    reviews: dict[str, dict[str, str]]


def build_watchlist(folder: Path) -> dict[str, Any]:
    """Build the watchlist document from the data folder."""
    known = read_known(folder)
    merged = json.loads((folder / "iceair" / "watchlist_merged.json").read_text(encoding="utf-8"))
    rows = [row for entry in merged["aircraft"] if (row := build_row(entry, known))]
    return {"note": NOTE, "sources": SOURCES, "aircraft": sorted(rows, key=lambda row: row["registration"])}


def read_known(folder: Path) -> Known:
    """Read operator codes, reviews, the wiseman list and the airlines of the MN50501 log."""
    reference = WATCHLIST_FILE.parent
    operators = yaml.safe_load((reference / "operators.yml").read_text(encoding="utf-8"))["operators"]
    reviews = yaml.safe_load((reference / "watchlist_review.yml").read_text(encoding="utf-8"))
    airlines: dict[str, Counter[str]] = {}
    for path in sorted((folder / "iceair").glob("msp_mn50501_*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                airlines.setdefault(line["Reg"].strip(), Counter())[line["Airline"].strip()] += 1
    with (folder / "flights" / "ice_air_fleet_wiseman.csv").open(encoding="utf-8", newline="") as stream:
        wiseman = {line["icao"]: line for line in csv.DictReader(stream)}
    return Known(
        codes={code: row["name"] for row in operators for code in row["codes"]},
        wiseman=wiseman,
        msp_airlines=airlines,
        reviews={row["registration"]: row for row in reviews},
    )


def build_row(entry: dict[str, Any], known: Known) -> dict[str, Any] | None:
    """Build one airframe's row; None when nothing but plane-alert-db speaks for it."""
    evidence = [item for item in entry["evidence"] if item["src"] != LEFT_OUT]
    if not evidence:
        return None
    claims = [claim for item in evidence for claim in read_claims(item, entry["icao24"], known)]
    status = "current" if any(claim["source"] in CURRENT_SOURCES for claim in claims) else "historical"
    days = [claim[key] for claim in claims for key in ("first_on", "last_on") if key in claim]
    review = known.reviews.get(entry["registration"])
    if review:
        status = review.get("status", status)
        claims[-1]["note"] = "; ".join(part for part in (claims[-1].get("note"), review["why"]) if part)
    row = {
        "icao24": entry["icao24"],
        "registration": entry["registration"],
        "type": known.wiseman[entry["icao24"]]["ICAOTypeCode"] if entry["icao24"] in known.wiseman else None,
        "operator": choose_operator(entry, evidence, known),
        "era": f"{min(days)} to {max(days)}" if days else name_era(claims),
        "status": status,
        "claims": claims,
    }
    return {key: value for key, value in row.items() if value is not None}


def read_claims(item: dict[str, Any], icao24: str, known: Known) -> Iterator[dict[str, Any]]:
    """Turn one piece of evidence into claims."""
    callsigns = ", ".join(item.get("callsigns", ()))
    match item["src"]:
        case "MN50501 MSP log":
            count = item["flights"]
            yield {
                "claim": f"flew {count} logged ICE flight{'s' if count != 1 else ''} at KMSP",
                "source": "mn50501",
                "first_on": date.fromisoformat(item["first"]),
                "last_on": date.fromisoformat(item["last"]),
                "note": f"callsigns {callsigns}",
            }
        case "jonnealon OpenSky log":
            yield {
                "claim": f"seen near {', '.join(item['airports'])} with a callsign of ICE work",
                "source": "hub_log",
                "first_on": date.fromisoformat(item["first"]),
                "last_on": date.fromisoformat(item["last"]),
                "note": f"callsigns {callsigns}",
            }
        case "wiseman/ice-air":
            owner = known.wiseman[icao24]["RegisteredOwners"]
            day = date.fromisoformat(item["as_of"])
            yield {
                "claim": "on a published list of ICE contractors' airframes",
                "source": "wiseman",
                "first_on": day,
                "last_on": day,
                "note": f"listed under {owner}",
            }
        case "UWCHR kykm (YIRN)":
            count = item["observations"]
            claim = f"seen on {count} ICE flight{'s' if count != 1 else ''} at KYKM"
            yield {
                "claim": claim,
                "source": "yirn",
                "note": "between May 2019 and June 2021, days not given per airframe",
            }
        case "ARTS missions FY11-19":
            yield {"claim": f"flew {item['missions']} ICE Air missions in fiscal years 2011 to 2019", "source": "arts"}
        case "ARTS costliest missions":
            yield {"claim": "flew one of the costliest ICE Air missions in the released records", "source": "arts"}
        case unknown:
            raise ValueError(f"evidence of an unknown source: {unknown}")


def name_era(claims: list[dict[str, Any]]) -> str:
    """Name the years an airframe without dated claims belongs to."""
    return "2019-21" if any(claim["source"] == "yirn" for claim in claims) else "2010-19"


def choose_operator(entry: dict[str, Any], evidence: list[dict[str, Any]], known: Known) -> str | None:
    """Name the operator from what is freely usable: a review, the MN50501 log, callsign codes, then lists."""
    review = known.reviews.get(entry["registration"], {})
    if "operator" in review:
        return review["operator"]
    airlines = known.msp_airlines.get(entry["registration"])
    if airlines:
        return airlines.most_common(1)[0][0]
    flown = Counter(
        known.codes[callsign[:3]]
        for item in evidence
        for callsign in item.get("callsigns", ())
        if callsign[:3] in known.codes
    )
    if flown:
        return flown.most_common(1)[0][0]
    sources = {item["src"] for item in evidence}
    if "wiseman/ice-air" in sources and known.wiseman[entry["icao24"]]["OperatorFlagCode"] in known.codes:
        return known.codes[known.wiseman[entry["icao24"]]["OperatorFlagCode"]]
    if "ARTS costliest missions" in sources:
        return "Omni Air International"
    if len(evidence) == len(entry["evidence"]) and entry["operators"]:
        return str(entry["operators"][0])
    return None


def keep_additions(document: dict[str, Any], present: dict[str, Any]) -> dict[str, Any]:
    """The document with what people added to the present file: airframes it does not have, and their sources."""
    built = {row["icao24"] for row in document["aircraft"]}
    added = [row for row in present["aircraft"] if row["icao24"] not in built]
    rows = sorted([*document["aircraft"], *added], key=lambda row: row["registration"])
    return document | {"sources": present["sources"] | document["sources"], "aircraft": rows}


def main() -> None:
    """Write ``watchlist.yml`` (or the file given with --out), keeping people's additions, and check that it loads."""
    parser = argparse.ArgumentParser(description="Build models/reference/watchlist.yml.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=WATCHLIST_FILE)
    arguments = parser.parse_args()
    document = build_watchlist(arguments.folder)
    if arguments.out.exists():
        document = keep_additions(document, yaml.safe_load(arguments.out.read_text(encoding="utf-8")))
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    arguments.out.write_text(text, encoding="utf-8")
    read_watchlist(arguments.out)


if __name__ == "__main__":
    main()
