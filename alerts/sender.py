"""The process that sends: guarded, bounded, without database and without keys. Run as ``python -m alerts.sender``.

It loads Apprise once and then forks one child for each sender that is asked for, which takes milliseconds instead of a
second and shares the memory. A child sends one message at a time, as told over its own socket. Nothing secret is in the
arguments or the environment; the address of a channel comes over the socket and is forgotten after the send.
"""

import os
import resource
import select
import signal
import socket
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from apprise.decorators import notify

from alerts.answer import Answer, Outcome
from alerts.channels import ChannelError, make_service, send_message, silence_loggers
from alerts.egress import AllowedPair, install_guard, parse_allowed
from alerts.frames import FORK, KILL, PID, read_exactly, receive, transmit
from alerts.inbox import append_message
from alerts.message import Message
from alerts.wire import Wire, install_hooks, note_refusal

MEMORY_HEADROOM_BYTES = 512 * 1024 * 1024

_current: dict[str, str] = {}


def register_inbox(path: Path) -> None:
    """Teach Apprise the schema ``inbox://``."""

    @notify(on="inbox", name="Local inbox")  # type: ignore[no-untyped-call, untyped-decorator]
    def write_inbox(body: str, title: str, *_: Any, **__: Any) -> bool:
        append_message(path, key=_current["key"], title=title, body=body, at=datetime.fromisoformat(_current["now"]))
        return True


def send_request(request: dict[str, Any]) -> Answer:
    """Send what one request asks for."""
    message = Message(key=request["key"], title=request["title"], body=request["body"])
    _current.update(key=message.key, now=request["now"])
    try:
        return send_message(request["url"], message, Wire(now=datetime.fromisoformat(request["now"])))
    except ChannelError:
        return Answer(Outcome.PERMANENT, "unusable address")


def serve(channel: socket.socket, allowed: tuple[AllowedPair, ...], deadline_s: float) -> None:
    """Send what comes over the socket until it closes."""
    install_guard(allowed, note_refusal)
    limit_memory()
    while (request := receive(channel)) is not None:
        # Whoever asked kills us at its deadline; should it be dead itself, the alarm ends us a little later.
        signal.setitimer(signal.ITIMER_REAL, deadline_s + 5)
        answer = send_request(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        transmit(channel, {"outcome": answer.outcome, "code": answer.code, "retry_after_s": answer.retry_after_s})


def limit_memory() -> None:
    """Let a send use so much memory beyond what is loaded and no more, where the system can enforce it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_HEADROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (OSError, ValueError):
        return  # not Linux; the cap on answers (alerts/wire.py) remains


def run_forks(control: socket.socket, allowed: tuple[AllowedPair, ...], deadline_s: float) -> None:
    """Fork and kill senders as asked over the control socket, until it closes; then end them all."""
    children: set[int] = set()
    try:
        while True:
            children -= _reap(children)
            if not select.select([control], [], [], 0.5)[0]:
                continue
            data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if data == FORK and descriptors:
                children.add(_fork_sender(control, socket.socket(fileno=descriptors[0]), allowed, deadline_s))
            elif data == KILL:
                pid = PID.unpack(read_exactly(control, PID.size) or PID.pack(0))[0]
                if pid in children - _reap(children):
                    os.kill(pid, signal.SIGKILL)
            else:
                return
    finally:
        for pid in children - _reap(children):
            os.kill(pid, signal.SIGTERM)


def _fork_sender(
    control: socket.socket, channel: socket.socket, allowed: tuple[AllowedPair, ...], deadline_s: float
) -> int:
    pid = os.fork()
    if pid == 0:
        control.close()
        status = 1
        try:
            serve(channel, allowed, deadline_s)
            status = 0
        finally:
            os._exit(status)
    channel.close()
    control.sendall(PID.pack(pid))
    return pid


def _reap(children: set[int]) -> set[int]:
    return {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]}


def main() -> None:
    """Take the control socket from standard input, load Apprise, say that we are ready, and fork on demand."""
    inbox_file, allow_private, deadline_s = sys.argv[1:4]
    control = socket.socket(fileno=os.dup(0))
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # nothing a plugin prints may end in a log
        os.dup2(silent, descriptor)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the notifier decides when we end
    os.umask(0o077)
    silence_loggers()
    install_hooks()
    register_inbox(Path(inbox_file))
    make_service("json://localhost")  # loads every plugin now, not in each child
    control.sendall(b"r")
    run_forks(control, parse_allowed(allow_private), float(deadline_s))


if __name__ == "__main__":
    main()
