"""``tarmac flag`` and ``tarmac watchlist check`` as people call them."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import tarmac

INVENTED_LOG = [
    {"icao24": "a8b479", "callsign": "BBQ8252", "timestamp": "2026-04-01T01:18:58.425956", "on_ground": True},
    {"icao24": "a8b479", "callsign": "Unknown", "timestamp": "2026-04-01T02:18:58Z"},
    {"icao24": "a00010", "callsign": "GXA4652", "timestamp": "2026-04-02T01:18:58"},
    {"icao24": "a00011", "callsign": "SWA936", "registration": "N1AJ"},
    {"icao24": "a00012", "callsign": "AAY44"},
    {"icao24": "ac1187", "callsign": "NDU877 "},
    {"icao24": "~2ab3c1", "callsign": ""},
    {"icao24": "0d0d74", "callsign": "XAAAL"},
    {"icao24": "A00013", "callsign": None},
]

DEEP, LONG = b"[" * 100_000, b'[{"icao24": ' + b"9" * 5000 + b"}]"


def run(*arguments):
    return CliRunner().invoke(tarmac, [str(argument) for argument in arguments], prog_name="tarmac")


def test_flag_prints_one_verdict_a_line_in_the_order_of_the_log(tmp_path):
    plain, packed = tmp_path / "log.json", tmp_path / "log.json.gz"
    plain.write_text(json.dumps(INVENTED_LOG), encoding="utf-8")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    result = run("flag", plain)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(line) for line in lines] == [["icao24", "callsign", "verdict", "reasons"]] * len(INVENTED_LOG)
    assert [line["icao24"] for line in lines] == [row["icao24"].lower() for row in INVENTED_LOG]
    assert [line["verdict"] for line in lines] == ["watched", "watched", "candidate", *["none"] * 6]
    assert all(line["reasons"] for line in lines)
    assert run("flag", packed).stdout == result.stdout


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[1]",
        b'[{"callsign": "X"}]',
        b'[{"icao24": 1}]',
        b"\xff\xfe",
        b"\x1f\x8b\x08\x00broken",
        DEEP,
        LONG,
        None,
    ],
)
def test_flag_refuses_what_is_no_log_in_one_line(tmp_path, content):
    path = tmp_path / "log.json"
    if content is not None:
        path.write_bytes(content)
    result = run("flag", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("tarmac: ")


def test_flag_reads_rotated_logs_and_refuses_a_bomb(tmp_path):
    rows = json.dumps(INVENTED_LOG).encode()
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress(rows[:50]) + gzip.compress(rows[50:]))
    assert len(run("flag", path).stdout.splitlines()) == len(INVENTED_LOG)
    path.write_bytes(gzip.compress(b"[" + b" " * (65 * 1024 * 1024) + b"]", 1))
    refused = run("flag", path)
    assert refused.exit_code == 2
    assert refused.stderr == f"tarmac: {path}: gzip that unpacks to more than 64 MiB\n"


@pytest.mark.parametrize("command", [("flag",), ("watchlist", "check"), ("flag", "--watchlist")])
def test_a_file_name_with_a_line_break_stays_on_one_line(tmp_path, command):
    log = tmp_path / "log.json"
    log.write_text("[]", encoding="utf-8")
    broken = tmp_path / "two\nlines"
    broken.write_text("[" * 200_000, encoding="utf-8")
    result = run(*command, broken, *([log] if len(command) == 2 and command[0] == "flag" else []))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_watchlist_check_names_the_list_on_one_line(tmp_path):
    path = tmp_path / "two\nlines.yml"
    path.write_text("sources: {}\naircraft: []\n", encoding="utf-8")
    assert "two\\nlines.yml: 0 aircraft" in run("watchlist", "check", path).stdout.splitlines()[0]


def test_watchlist_check_says_what_is_on_the_list():
    result = run("watchlist", "check")
    assert result.exit_code == 0
    assert "Eastern Air Express" in result.stdout
    assert "Nick Benson, MN50501" in result.stdout


def test_watchlist_check_names_the_row_whose_registration_does_not_fit(tmp_path):
    path = tmp_path / "watchlist.yml"
    path.write_text(
        "sources: {us: {name: us, credit: us}}\n"
        "aircraft:\n- {icao24: ad92cf, registration: N975DC, status: current, claims: [{claim: seen, source: us}]}\n",
        encoding="utf-8",
    )
    result = run("watchlist", "check", path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "aircraft 1 (N975DC, ad92cf)" in result.stderr
    assert "ad9686" in result.stderr


@pytest.mark.scoring
def test_the_hub_log_flags_every_contractor_and_no_scheduled_airline():
    folder = os.environ.get("TARMAC_SCORING_DATA")
    if not folder:
        pytest.skip("TARMAC_SCORING_DATA is not set")
    verdicts = Counter()
    for path in sorted((Path(folder) / "flights" / "opensky_ice_hubs").glob("*.json.gz")):
        for line in run("flag", path).stdout.splitlines():
            row = json.loads(line)
            verdicts[row["callsign"][:3], row["verdict"]] += 1
    for airline in ("SWA", "AAY", "NDU"):
        assert verdicts[airline, "none"] > 100
        assert verdicts[airline, "watched"] == verdicts[airline, "candidate"] == 0
    for contractor in ("GXA", "EAL", "BBQ", "OAE"):
        assert verdicts[contractor, "watched"] > 0
        assert verdicts[contractor, "none"] == 0
