"""Senders on a leash: started on demand, one message at a time, killed at the deadline.

Used by the notifier and by ``tarmac channel test``. Thread-safe: each thread that sends has a sender of its own for the
time of the send, so one that hangs delays nobody else.
"""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from alerts.answer import Answer, Outcome
from alerts.frames import FORK, KILL, PID, receive, transmit
from alerts.inbox import INBOX_FILE
from alerts.message import Message

DEADLINE_S = 60.0
START_TIMEOUT_S = 60.0
PROJECT_FOLDER = Path(__file__).resolve().parents[1]
# All that a sender is told of its surroundings: no DATABASE_URL, no TARMAC_*, no proxy that would hide an address
# from the guard, and no home folder with a .netrc.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


class SenderUnavailable(RuntimeError):  # noqa: N818 - a state of this machine, tried again
    """No sender could be started; nothing was sent."""


@dataclass
class _Sender:
    pid: int
    channel: socket.socket


class SenderPool:
    """Starts, lends out, kills and ends senders."""

    def __init__(self, home: Path, *, allow_private: str = "", deadline_s: float = DEADLINE_S) -> None:
        self._arguments = [str((home / INBOX_FILE).absolute()), allow_private, str(deadline_s)]
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._idle: list[_Sender] = []
        self._lent: list[_Sender] = []
        self._loader: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> "SenderPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Have one sender ready, so that the first alert does not wait for Apprise to load."""
        sender = self._borrow()
        self._give_back(sender)

    def send(self, url: str, message: Message, now: datetime, *, start_by: float | None = None) -> Answer:
        """Send one message and wait, at most until the deadline. Raises SenderUnavailable when nothing was sent.

        ``start_by``: the ``time.monotonic()`` after which it must not begin, because the claim could end before it.
        """
        sender = self._borrow()
        if start_by is not None and time.monotonic() > start_by:
            self._give_back(sender)
            raise SenderUnavailable("no sender was ready in time")
        request = {"url": url, "key": message.key, "title": message.title, "body": message.body, "now": now.isoformat()}
        try:
            transmit(sender.channel, request)
            sender.channel.settimeout(self._deadline_s)
            answer = receive(sender.channel)
            sender.channel.settimeout(None)
        except TimeoutError:
            self._kill(sender)
            return Answer(Outcome.UNCERTAIN, "deadline")
        except OSError:
            answer = None
        if answer is None:
            self._kill(sender)
            return Answer(Outcome.UNCERTAIN, "sender died")
        self._give_back(sender)
        return Answer(Outcome(answer["outcome"]), answer["code"], answer["retry_after_s"])

    def list_pids(self) -> list[int]:
        """Process ids of the senders."""
        with self._lock:
            return [sender.pid for sender in (*self._idle, *self._lent)]

    def close(self) -> None:
        """End all senders; those in the middle of a send end with it or at their alarm."""
        with self._lock:
            for sender in self._idle:
                sender.channel.close()
            self._idle.clear()
            self._stop_loader()

    def kill_busy(self) -> None:
        """Kill the senders in the middle of a send; whoever waits for them hears that the outcome is not known."""
        with self._lock:
            for sender in self._lent:
                self._order_kill(sender)

    def _borrow(self) -> _Sender:
        with self._lock:
            sender = self._find_idle() or self._fork_or_restart()
            self._lent.append(sender)
            return sender

    def _find_idle(self) -> _Sender | None:
        while self._idle:
            sender = self._idle.pop()
            if not select.select([sender.channel], [], [], 0)[0]:  # readable while idle means it is gone
                return sender
            sender.channel.close()
        return None

    def _fork_or_restart(self) -> _Sender:
        for _ in range(2):
            try:
                return self._fork()
            except OSError:
                self._stop_loader()
        raise SenderUnavailable("no sender could be started")

    def _give_back(self, sender: _Sender) -> None:
        with self._lock:
            self._lent.remove(sender)
            self._idle.append(sender)

    def _kill(self, sender: _Sender) -> None:
        with self._lock:
            self._lent.remove(sender)
            self._order_kill(sender)
            sender.channel.close()

    def _order_kill(self, sender: _Sender) -> None:
        if self._control is not None:
            try:
                self._control.sendall(KILL + PID.pack(sender.pid))
            except OSError:
                self._stop_loader()

    def _fork(self) -> _Sender:
        control = self._control or self._start_loader()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(control, [FORK], [theirs.fileno()])
            data = control.recv(PID.size, socket.MSG_WAITALL)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if len(data) < PID.size:
            ours.close()
            raise ConnectionResetError("the sender's loader is gone")
        return _Sender(PID.unpack(data)[0], ours)

    def _start_loader(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment |= {"HOME": "/nonexistent", "PYTHONPATH": str(PROJECT_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            self._loader = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "alerts.sender", *self._arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        self._control = ours
        ours.settimeout(START_TIMEOUT_S)
        if ours.recv(1) != b"r":
            raise ConnectionResetError("the sender's loader did not start")
        return ours

    def _stop_loader(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._loader is not None:
            stop_at = time.monotonic() + 5
            while self._loader.poll() is None and time.monotonic() < stop_at:
                time.sleep(0.01)
            if self._loader.poll() is None:
                self._loader.kill()
                self._loader.wait()
            self._loader = None
