"""Towards publishers slow and by name, towards ourselves closed: what a crawl runs with, as Scrapy sees it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from scrapy.settings import Settings as ScrapySettings

from crawlers.egress import resolve_endpoints
from crawlers.settings import describe_ourselves, make_scrapy_settings
from models.settings import Settings


def scrapy_settings(**changes: str) -> ScrapySettings:
    return ScrapySettings(make_scrapy_settings(Settings.model_construct(**changes), Path("bundle")))


@pytest.mark.parametrize("base", [None, "https://mirror.example", "http://127.0.0.1.mirror.example:80"])
def test_publishers_and_mirrors_are_asked_slowly(base: str | None) -> None:
    settings = scrapy_settings(source_base_url=base)
    assert settings.getfloat("DOWNLOAD_DELAY") == 1
    assert settings.getbool("AUTOTHROTTLE_ENABLED")


@pytest.mark.parametrize("base", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", None])
def test_manners_do_not_depend_on_who_is_asked(base: str | None) -> None:
    settings = scrapy_settings(source_base_url=base)
    assert settings.getbool("ROBOTSTXT_OBEY")
    assert settings.getint("CONCURRENT_REQUESTS") == settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN") == 1
    assert settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
    assert settings.getint("DOWNLOAD_MAXSIZE") == 32 * 1024 * 1024
    assert settings.getfloat("DOWNLOAD_TIMEOUT") == 30
    assert dict(settings["DOWNLOAD_HANDLERS"]) == dict.fromkeys(("file", "ftp", "s3", "data"))
    loaded = {*settings["EXTENSIONS_BASE"], *settings["DOWNLOADER_MIDDLEWARES_BASE"]}
    for unwanted in ("RemoteControl", "TelnetConsole", "HttpProxyMiddleware", "RetryMiddleware", "CookiesMiddleware"):
        assert not any(unwanted in name for name in loaded)
    assert not settings.getbool("REMOTE_CONTROL_ENABLED")
    assert not settings.getbool("TELNETCONSOLE_ENABLED")
    assert settings["LOG_LEVEL"] == "INFO"


def test_we_say_who_we_are_and_nothing_can_be_smuggled_into_it() -> None:
    assert describe_ourselves("").startswith("Tarmac/")
    assert describe_ourselves("ops@tarmac.example").endswith("; ops@tarmac.example)")
    assert "\n" not in describe_ourselves("x\r\nCookie: a")


GUARDED = """
import socket, sys
from crawlers.egress import refuse_private_connections, resolve_endpoints
refuse_private_connections(resolve_endpoints(sys.argv[1]))
for host in sys.argv[3:]:
    try:
        socket.create_connection((host, int(sys.argv[2])), timeout=2).close()
        print(host, "open")
    except PermissionError:
        print(host, "refused")
"""


def test_only_the_named_private_server_can_be_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        base = f"http://127.0.0.1:{named.getsockname()[1]}"
        for server, expected in ((named, "open"), (other, "refused")):
            hosts = ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001"]
            command = [sys.executable, "-c", GUARDED, base, str(server.getsockname()[1]), *hosts]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
            assert printed[:-1] == [f"{host} {expected}" for host in hosts]


HIDDEN = """
import sys
from crawlers.egress import refuse_private_connections
refuse_private_connections(frozenset())
for host in sys.argv[1:]:
    try:
        sys.audit("socket.connect", None, (host, 80, 0, 0))
        print(host, "open")
    except PermissionError:
        print(host, "refused")
"""


def test_no_notation_of_a_private_address_passes_the_guard() -> None:
    private = ["64:ff9b::7f00:1", "64:ff9b:1::a00:1", "::7f00:1", "fec0::1", "::ffff:10.0.0.1", "fe80::1%eth0"]
    public = ["8.8.8.8", "64:ff9b::808:808"]
    command = [sys.executable, "-c", HIDDEN, *private, *public]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed == [f"{host} refused" for host in private] + [f"{host} open" for host in public]


def test_unknown_stand_in_opens_nothing() -> None:
    assert resolve_endpoints("http://nowhere.invalid:80") == frozenset()
    assert resolve_endpoints(None) == frozenset()
