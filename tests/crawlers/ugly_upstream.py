"""A publisher on a loopback socket that answers as badly as a test wants, and remembers what it was asked."""

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

NOW_MS = 1_786_500_000_000
Behave = Callable[[socket.socket], None]


def reply(body: bytes | str | dict | list, status: int = 200, **headers: str) -> Behave:
    """Answer a body; header names are given with underscores."""
    content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("Content-Type", "application/json")
    given.setdefault("Content-Length", str(len(content)))
    lines += [f"{name}: {value}" for name, value in given.items()]
    return lambda peer: peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def reset(peer: socket.socket) -> None:
    """Break the connection with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(peer: socket.socket) -> None:
    """Never answer."""
    peer.settimeout(20)
    with suppress(OSError):
        peer.recv(1)


def drip(peer: socket.socket) -> None:
    """Promise a body and send it at a byte a quarter second."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with suppress(OSError):
        for _ in range(80):
            peer.sendall(b"{")
            time.sleep(0.25)


def in_turn(*behaviours: Behave) -> Behave:
    """A different answer each time; the last one stays."""
    left = list(behaviours)

    def behave(peer: socket.socket) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(peer)

    return behave


def aircraft(icao24: str = "a960a9", **changes: object) -> dict:
    """One aircraft object as adsb.lol sends it; None removes a field."""
    row = {
        "hex": icao24,
        "type": "adsb_icao",
        "flight": "GXA12   ",
        "r": "N703KW",
        "t": "B763",
        "alt_baro": 31000,
        "alt_geom": 30700,
        "gs": 448.0,
        "track": 58.5,
        "baro_rate": -64,
        "squawk": "3506",
        "nav_qnh": 1013.6,
        "lat": 54.567032,
        "lon": -107.970159,
        "seen_pos": 0.5,
        "seen": 0.3,
        "messages": 22546,
        "rssi": -16.7,
        "mlat": [],
        "tisb": [],
    }
    row.update(changes)
    return {name: value for name, value in row.items() if value is not None}


def answer(*rows: dict, **changes: object) -> dict:
    """The envelope adsb.lol puts around aircraft."""
    envelope = {"ac": list(rows), "msg": "No error", "now": NOW_MS, "total": len(rows), "ctime": NOW_MS, "ptime": 0}
    envelope.update(changes)
    return {name: value for name, value in envelope.items() if value is not None}


def bomb(size: int) -> bytes:
    """Zeros, gzipped."""
    return gzip.compress(bytes(size), 6)


@dataclass
class UglyUpstream:
    """What is answered under which path, and what was asked."""

    port: int
    answers: dict[str, Behave] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    connection_count: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    scheme: str = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answer_v2(self, watchlist: Behave, canary: Behave | None = None, slug: str = "adsb_lol") -> None:
        """Answer the two questions of a v2 source."""
        prefix = "/api/v2" if slug == "adsb_fi" else "/v2"
        self.answers[f"/{slug}{prefix}/hex/"] = watchlist
        around = "lat" if slug == "adsb_fi" else "point"
        self.answers[f"/{slug}{prefix}/{around}/"] = canary or reply(answer(aircraft("abcdef"), aircraft("abcdee")))

    def handle(self, peer: socket.socket) -> None:
        self.connection_count += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                received = peer.recv(65_536)
                if not received:
                    return
                head += received
            path = head.split(b" ", 2)[1].decode()
            self.asked.append(path)
            self.headers.append(head.decode("latin-1"))
            prefixes = sorted((prefix for prefix in self.answers if path.startswith(prefix)), key=len)
            (self.answers[prefixes[-1]] if prefixes else reply(b"", 404))(peer)
        except OSError:
            return
        finally:
            self.in_flight -= 1
            peer.close()


@contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[UglyUpstream]:
    """Run an upstream on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    upstream = UglyUpstream(listener.getsockname()[1], scheme="https" if context else "http")

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
                if context:
                    peer = context.wrap_socket(peer, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            threading.Thread(target=upstream.handle, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
