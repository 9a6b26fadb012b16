"""Mail through a real mail server on loopback: what it refuses for good is told apart from what it puts off."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from alerts.answer import Answer, Outcome
from alerts.message import Message
from alerts.worker import SenderPool
from tests.alerts.telling import NOW


class Mailbox:
    """Takes mail for team@example.org and says of others what a test asks for."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []

    async def handle_RCPT(  # noqa: N802 - the name the server looks for
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("gone"):
            return "550 no such mailbox"
        if address.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.letters.append(envelope.content)
        return "250 taken"


class AnyPortController(Controller):
    """Learns which free port it was given before it greets itself."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    made = Mailbox()
    controller = AnyPortController(made, hostname="127.0.0.1", port=0)
    controller.start()
    yield made, controller.port
    controller.stop()


def test_mail_is_delivered_as_text_and_refusals_are_told_apart(home: Path, mailbox: tuple[Mailbox, int]) -> None:
    taken, port = mailbox
    message = Message("k1", "N123AB left Phoenix", "Line one\nA ‹b›not bold‹/b› & <b>not bold</b> line")

    def url(name: str) -> str:
        return f"mailto://127.0.0.1:{port}?from=tarmac@example.org&to={name}@example.org"

    with SenderPool(home, allow_private=f"127.0.0.1:{port}") as pool:
        assert pool.send(url("team"), message, NOW) == Answer(Outcome.SENT, "accepted")
        assert pool.send(url("gone"), message, NOW) == Answer(Outcome.PERMANENT, "smtp 550")
        assert pool.send(url("full"), message, NOW) == Answer(Outcome.TEMPORARY, "smtp 452")
    [letter] = taken.letters
    parsed = message_from_bytes(letter, policy=policy.default)
    assert parsed["Subject"] == "N123AB left Phoenix"
    body = parsed.get_body(("html",))
    assert body is not None
    assert "<b>" not in body.get_content(), "what the message says is text, also where the mail is HTML"
