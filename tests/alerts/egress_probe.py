"""Run by test_egress.py in a process of its own, as the guard cannot be taken off: says which ways lead out."""

import asyncio
import http.client
import json
import smtplib
import socket
import sys
import urllib.request
from collections.abc import Callable

import requests
import urllib3

from alerts.egress import AllowedPair, install_guard

REBOUND = "rebinding.invalid"


def main() -> None:
    is_guarded, http_port, redirect_port, udp_port, unix_path = (
        sys.argv[1] == "guarded",
        *map(int, sys.argv[2:5]),
        sys.argv[5],
    )
    rebind_names()
    if is_guarded:
        install_guard((AllowedPair("127.0.0.1", redirect_port),))
    results = {}
    for name, attempt in list_attempts(http_port, redirect_port, udp_port, unix_path).items():
        try:
            attempt()
        except (OSError, requests.RequestException, urllib3.exceptions.HTTPError, smtplib.SMTPException) as error:
            results[name] = f"refused: {type(error).__name__}"
        else:
            results[name] = "connected"
    sys.stdout.write(json.dumps(results))


def rebind_names() -> None:
    """A name that is public when it is checked and private when it is used, which no real DNS server here can play."""
    plain, asked = socket.getaddrinfo, []

    def answer(host: object, *arguments: object, **options: object) -> object:
        if host == REBOUND:
            asked.append(host)
            host = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return plain(host, *arguments, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = answer  # type: ignore[assignment]
    socket.getaddrinfo(REBOUND, 80)


def list_attempts(port: int, redirect: int, udp: int, unix: str) -> dict[str, Callable[[], object]]:
    hosts = {
        "dotted": "127.0.0.1",
        "elsewhere in 127/8": "127.255.255.254",
        "name": "localhost",
        "short": "127.1",
        "short in three parts": "127.0.1",
        "decimal": "2130706433",
        "hexadecimal": "0x7f000001",
        "hexadecimal parts": "0x7f.0x0.0x0.0x1",
        "octal": "0177.0.0.1",
        "octal number": "017700000001",
        "all zeros": "0.0.0.0",
        "zero": "0",
        "IPv6 loopback": "[::1]",
        "IPv6 unspecified": "[::]",
        "IPv4 mapped": "[::ffff:127.0.0.1]",
        "IPv4 mapped in hexadecimal": "[::ffff:7f00:1]",
        "IPv6 written out": "[0:0:0:0:0:0:0:1]",
        "rebinding": REBOUND,
    }
    attempts: dict[str, Callable[[], object]] = {
        f"requests, {name}": lambda host=host: requests.get(f"http://{host}:{port}/", timeout=5).raise_for_status()
        for name, host in hosts.items()
    }

    def connect_socket(call: str, host: str) -> None:
        with socket.socket() as opened:
            if getattr(opened, call)((host, port)):
                raise ConnectionRefusedError

    def send_datagram(call: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            if call == "sendto":
                opened.sendto(b"x", ("127.0.0.1", udp))
            elif call == "sendmsg":
                opened.sendmsg([b"x"], [], 0, ("127.0.0.1", udp))
            else:
                opened.connect(("127.0.0.1", udp))

    async def open_stream() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()

    def open_unix() -> None:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(unix)

    def ask_http_client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    for status in (301, 302, 303, 307, 308):
        attempts[f"requests, redirect {status}"] = lambda status=status: requests.get(
            f"http://127.0.0.1:{redirect}/{status}", timeout=5
        ).raise_for_status()
    attempts |= {
        "socket.connect": lambda: connect_socket("connect", "127.0.0.1"),
        "socket.connect to a name": lambda: connect_socket("connect", "localhost"),
        "socket.connect to a short form": lambda: connect_socket("connect", "127.1"),
        "socket.connect_ex": lambda: connect_socket("connect_ex", "127.0.0.1"),
        "socket.create_connection": lambda: socket.create_connection(("127.0.0.1", port), 5).close(),
        "datagram sendto": lambda: send_datagram("sendto"),
        "datagram sendmsg": lambda: send_datagram("sendmsg"),
        "datagram connect": lambda: send_datagram("connect"),
        "asyncio": lambda: asyncio.run(open_stream()),
        "smtplib": lambda: smtplib.SMTP("127.0.0.1", port, timeout=5).close(),
        "http.client": ask_http_client,
        "urllib": lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close(),
        "Unix socket": open_unix,
    }
    return attempts


if __name__ == "__main__":
    main()
