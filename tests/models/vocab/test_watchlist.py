"""The list decides who is told: a wrong row must stop the file, and the shipped file must hold no foreign licence."""

from datetime import date

import pytest
import yaml

from models.reference.build_watchlist import Known, build_row, keep_additions
from models.vocab.watchlist import WATCHLIST_FILE, WatchlistError, WatchStatus, load_watchlist

GOOD = {
    "sources": {"us": {"name": "our own eyes", "credit": "us"}},
    "aircraft": [
        {
            "icao24": "a2c4e0",
            "registration": "N278GX",
            "operator": "Global Crossing",
            "status": "current",
            "claims": [{"claim": "seen", "source": "us", "first_on": date(2026, 1, 1), "last_on": date(2026, 2, 1)}],
        }
    ],
}


def write(folder, change):
    document = yaml.safe_load(yaml.safe_dump(GOOD))
    change(document)
    path = folder / "watchlist.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_a_good_list_says_who_operates_what(tmp_path):
    watchlist = load_watchlist(write(tmp_path, lambda document: None))
    assert watchlist.polled == ("a2c4e0",)
    assert watchlist.operator_of("a2c4e0") == "Global Crossing"
    assert watchlist.operator_of("a00001") is None
    assert watchlist.by_icao24["a2c4e0"].claims[0].last_on == date(2026, 2, 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d["aircraft"][0].update(registration="N277GX"), "aircraft 1 (N277GX, a2c4e0)"),
        (lambda d: d["aircraft"][0].update(icao24="~a2c4e"), "is not a 24-bit address"),
        (lambda d: d["aircraft"][0].update(colour="white"), "aircraft 1 (N278GX, a2c4e0): colour: unknown key"),
        (lambda d: d["aircraft"][0]["claims"][0].update(sauce="x"), "sauce: unknown key"),
        (lambda d: d["aircraft"][0]["claims"][0].update(source="them"), "'them' is not declared"),
        (lambda d: d["aircraft"][0].update(claims=[]), "claims"),
        (lambda d: d["aircraft"][0].update(status="maybe"), "status"),
        (lambda d: d["aircraft"].append(d["aircraft"][0]), "on the list twice"),
        (lambda d: d.update(aeroplanes=[]), "aeroplanes: unknown key"),
        (lambda d: d.pop("aircraft"), "aircraft"),
    ],
)
def test_a_bad_row_stops_the_file_and_is_named_in_one_line(tmp_path, change, named):
    with pytest.raises(WatchlistError) as caught:
        load_watchlist(write(tmp_path, change))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_outside_the_us_block_is_accepted_and_counted(tmp_path):
    path = write(tmp_path, lambda d: d["aircraft"][0].update(icao24="ae4f14", registration="10-0220"))
    assert load_watchlist(path).count_checks() == {"outside the US block": 1}


@pytest.mark.parametrize("text", ["- a\n- b\n", "{", "sources: [", "\x00", "[" * 200_000, "a: 2026-13-45"])
def test_what_is_no_watchlist_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "watchlist.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WatchlistError) as caught:
        load_watchlist(path)
    assert "\n" not in str(caught.value)


def test_the_shipped_list_is_sound_and_credits_its_sources():
    watchlist = load_watchlist()
    assert watchlist.count_checks() == {"ok": len(watchlist.by_icao24)}
    assert "Nick Benson" in watchlist.sources["mn50501"].credit
    assert "plane-alert-db" not in WATCHLIST_FILE.read_text(encoding="utf-8")
    assert watchlist.by_icao24["a2d25e"].status is WatchStatus.CURRENT
    assert watchlist.operator_of("a8b479") == "Eastern Air Express"


def test_what_only_the_share_alike_list_says_does_not_reach_ours():
    known = Known(codes={"GXA": "Global Crossing"}, wiseman={}, msp_airlines={}, reviews={})
    share_alike = {"src": "plane-alert-db", "tags": "x", "category": "y"}
    entry = {
        "icao24": "a2c4e0",
        "registration": "N278GX",
        "operators": ["From There"],
        "type": "A320",
        "era": "2025-26",
    }
    assert build_row({**entry, "evidence": [share_alike]}, known) is None
    row = build_row({**entry, "evidence": [share_alike, {"src": "ARTS missions FY11-19", "missions": 3}]}, known)
    assert row is not None
    assert "type" not in row
    assert "operator" not in row
    assert row["status"] == "historical"
    assert row["era"] == "2010-19"


def test_an_airframe_that_a_person_added_survives_a_rebuild():
    row = GOOD["aircraft"][0]
    built = {"sources": {"log": {"name": "a log"}}, "aircraft": [row | {"status": "historical"}]}
    present = {"sources": GOOD["sources"], "aircraft": [row, row | {"icao24": "a2d25e", "registration": "N281GX"}]}
    kept = keep_additions(built, present)
    assert [(entry["registration"], entry["status"]) for entry in kept["aircraft"]] == [
        ("N278GX", "historical"),
        ("N281GX", "current"),
    ]
    assert set(kept["sources"]) == {"us", "log"}
