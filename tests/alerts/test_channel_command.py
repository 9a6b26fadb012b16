"""``tarmac channel`` and ``tarmac subscribe`` on a real database: addresses go in and never come out."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from alerts.inbox import read_inbox
from flows.cli import tarmac
from tests.alerts.telling import Sink, answer_with

SECRET = "hunter2secret"


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, database_url: str, home: Path, sink: Sink) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TARMAC_HOME", str(home))
    monkeypatch.setenv("TARMAC_ALLOW_PRIVATE", sink.pair)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(tarmac, list(arguments), input=stdin)


def test_an_address_from_standard_input_is_sealed_and_never_shown(engine: Engine, sink: Sink) -> None:
    url = f"json://user:{SECRET}@127.0.0.1:{sink.port}/ok"
    added = run("channel", "add", "-", "--label", "team", stdin=url + "\n")
    assert added.exit_code == 0, added.output
    listed = run("channel", "list")
    assert "json://…  team" in listed.output
    with engine.connect() as connection:
        stored = connection.execute(text("select channel::text from channel")).scalar_one()
        sealed = connection.execute(text("select url_sealed from channel")).scalar_one()
    assert SECRET not in added.output + listed.output + stored
    assert SECRET.encode() not in bytes(sealed)


def test_a_test_message_arrives_and_a_dead_address_says_why(sink: Sink) -> None:
    sink.answers["/gone"] = answer_with(410)
    run("channel", "add", sink.url("/ok"), "--label", "good")
    run("channel", "add", sink.url("/gone"), "--label", "dead")
    assert run("channel", "test", "good").exit_code == 0
    assert sink.received[0].message["title"] == "Tarmac: test of this channel"
    failed = run("channel", "test", "dead")
    assert failed.exit_code == 2
    assert "the service says the address is gone (410)" in failed.output


def test_the_inbox_takes_a_test_message(home: Path) -> None:
    run("channel", "add", "inbox://local", "--label", "box")
    assert run("channel", "test", "box").exit_code == 0
    assert [message.title for message in read_inbox(home)] == ["Tarmac: test of this channel"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("no address at all", "not an address"),
        ("syslog://localhost", "not on the list"),
        ("dbus://", "not on the list"),
        ("https://discord.com/api/webhooks/1/2", "not on the list"),
        ("json://example.org?redirect=yes", "redirect"),
        ("json://example.org?Verify=no", "verify"),
        ("json://example.org?%76erify=no", "verify"),
        ("jsons://example.org?rto=9999&cto=9999", "cto, rto"),
        ("mailtos://u:p@example.org?pgpkey=/etc/passwd", "pgpkey"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/?template=/etc/passwd", "template"),
        ("json://127.0.0.1:1/", "private network"),
        ("json://[::1]:1/", "private network"),
        ("json://169.254.169.254/latest", "private network"),
        ("discord://tooshort", "does not understand"),
        ("twilio://AC123:token@15551234567/15557654321/15557654322", "one recipient"),
    ],
)
def test_an_address_that_cannot_or_must_not_work_is_refused_when_it_is_saved(url: str, why: str) -> None:
    refused = run("channel", "add", url)
    assert refused.exit_code == 2
    assert why in refused.output
    assert "Traceback" not in refused.output
    assert run("channel", "list").output == ""


def test_subscribing_ends_with_the_channel(engine: Engine, sink: Sink) -> None:
    run("channel", "add", sink.url(), "--label", "team")
    made = run("subscribe", "--what", "airport", "--value", "KIWA", "--channel", "team", "--least", "likely")
    assert made.exit_code == 0, made.output
    assert "airport KIWA -> team  at least likely" in run("subscribe", "list").output
    assert run("channel", "remove", "team").exit_code == 0
    assert run("subscribe", "list").output == ""
    with engine.connect() as connection:
        assert bytes(connection.execute(text("select url_sealed from channel")).scalar_one()) == b""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--what", "airport", "--value", "NOWHERE"), "no airport is known as NOWHERE"),
        (("--what", "aircraft", "--value", "N12345AB"), "neither a registration nor a 24-bit address"),
        (("--what", "aircraft", "--value", "N123IO"), "neither a registration nor a 24-bit address"),
        (("--what", "aircraft", "--value", "a1b2c3d4e5"), "neither a registration nor a 24-bit address"),
        (("--what", "any", "--value", "x"), "takes no value"),
        (("--what", "aircraft"), "needs one"),
        (("--what", "any", "--kinds", "flight.exploded"), "unknown kind"),
    ],
)
def test_a_subscription_that_could_never_match_is_refused(sink: Sink, arguments: tuple[str, ...], why: str) -> None:
    run("channel", "add", sink.url(), "--label", "team")
    refused = run("subscribe", "--channel", "team", *arguments)
    assert refused.exit_code == 2
    assert why in refused.output


@pytest.mark.parametrize(
    ("what", "value", "kept", "warning"),
    [
        ("operator", "GlobalX", "GlobalX", "nearest: Global Crossing"),
        ("operator", "global  crossing", "Global Crossing", ""),
        ("aircraft", "N0", None, ""),
        ("aircraft", "N975DD", "N975DD", "N975DD is not on the watchlist"),
        ("aircraft", "XA-AAL", "XA-AAL", "XA-AAL is not on the watchlist"),
        ("source", "adsb_lo", "adsb_lo", "nearest: adsb_lol"),
        ("source", "adsb_lol", "adsb_lol", ""),
        ("source", "flight positions", "flight positions", ""),
        ("source", "team", "team", ""),
        ("airport", "aza", "KIWA", ""),
    ],
)
def test_a_subscription_that_matches_nothing_known_is_kept_and_says_what_may_have_been_meant(
    sink: Sink, what: str, value: str, kept: str | None, warning: str
) -> None:
    run("channel", "add", sink.url(), "--label", "team")
    made = run("subscribe", "--what", what, "--value", value, "--channel", "team")
    assert made.exit_code == (2 if kept is None else 0)
    assert warning in made.stderr
    assert (made.stderr == "") is (kept is not None and not warning)
    listed = run("subscribe", "list").output
    assert listed == "" if kept is None else f"  {what} {kept} -> team" in listed


def test_without_a_database_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    refused = run("channel", "list")
    assert refused.exit_code == 2
    assert refused.output.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    ["foo", "postgresql://u:hunter2secret@h:notaport/x", "sqlite:///x", "mysql+pymysql://u:hunter2secret@h/x"],
)
def test_a_database_address_that_is_none_is_refused_in_one_line_without_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    refused = run("channel", "list")
    assert refused.exit_code == 2
    assert refused.output.startswith("tarmac: DATABASE_URL is not the address of a PostgreSQL database")
    assert refused.output.count("\n") == 1
    assert SECRET not in refused.output


@pytest.mark.parametrize("command", [("channel", "list"), ("subscribe", "list"), ("db", "upgrade")])
def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TARMAC_POLL_S", SECRET)
    refused = run(*command)
    assert refused.exit_code == 2
    assert refused.output.startswith("tarmac: TARMAC_POLL_S cannot be used: ")
    assert refused.output.count("\n") == 1
    assert SECRET not in refused.output
