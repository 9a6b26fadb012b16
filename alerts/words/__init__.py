"""What a message says: what, who, where, when on both clocks, how certain, on what evidence, and when we last looked.

Templates are data, one file an event kind, in a folder a language (``en``). The first line is the title: it may stand
on a lock screen, so it has at most 100 characters and names no person.
"""

from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import FunctionLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerts.match import read_payload
from alerts.message import TITLE_LIMIT, Message
from alerts.words.clean import clean_text
from alerts.words.facts import describe_article, describe_flight, describe_health, describe_time, load_words
from models.store.delivery import Claimed
from models.store.match import EventRow
from models.vocab.airport import find_airport
from models.vocab.certainty import Certainty
from models.vocab.event import ArticlePayload, FlightPayload, HealthPayload

LANGUAGE = "en"
BODY_LIMIT = 4000
# Title and text of every message told in a replay begin with it, so that nobody takes it for the present.
REPLAY = "REPLAY"

__all__ = ["render_claimed", "render_event", "render_test", "warm"]


def render_claimed(claimed: Claimed, *, is_replay: bool = False) -> Message:
    """The message for one delivery, saying so when it is replayed, may be a repeat or has been corrected since."""
    title, body = render_event(claimed.event)
    notices = []
    if is_replay:
        title = clean_title(f"{REPLAY}: {title}")
        notices.append(f"{REPLAY} of a recorded day, not the present: nothing in this message is happening now.")
    if claimed.is_repeat:
        notices.append("Sent again after an interruption: you may have this message already.")
    if claimed.is_superseded:
        notices.append("This has been corrected since; the correction comes in a message of its own.")
    why = "; ".join(clean_text(reason, 120) for reason in claimed.reasons[:5])
    parts = [*notices, body, f"Why you get this: {why}." if why else "", f"Message {claimed.idempotency_key[:12]}"]
    return Message(claimed.idempotency_key, title, "\n\n".join(filter(None, parts)))


def render_event(event: EventRow) -> tuple[str, str]:
    """Title and text of an event. One that cannot be described is told in general words, never swallowed."""
    words = load_words(LANGUAGE)
    payload = read_payload(event)
    certainty = Certainty(event.certainty) if event.certainty in set(Certainty) else Certainty.POSSIBLE
    try:
        if isinstance(payload, FlightPayload):
            text = _render(event.kind, f=describe_flight(payload, certainty, words))
        elif isinstance(payload, ArticlePayload):
            text = _render(event.kind, a=describe_article(payload, words))
        elif isinstance(payload, HealthPayload):
            text = _render(event.kind, h=describe_health(payload, words))
        else:
            text = _render_unreadable(event)
    except (TemplateError, KeyError, ValueError, OverflowError):
        text = _render_unreadable(event)
    title, body = _split(text)
    if event.revision > 1 and not title.startswith("Correction"):
        title = f"Correction: {title}"
        body = f"This replaces what we told you before.\n\n{body}"
    return clean_title(title), body[:BODY_LIMIT]


def render_test(key: str, now: datetime) -> Message:
    """The message of ``tarmac channel test``."""
    title, body = _split(_render("test", time=describe_time(now, None, load_words(LANGUAGE))))
    return Message(key, title, body)


def warm() -> None:
    """Read the templates, words and airports now, so that the first alert does not wait for them."""
    for template in load_words(LANGUAGE)["kinds"]:
        _environment().get_template(template)
    find_airport("KJFK")


def clean_title(title: str) -> str:
    """At most 100 characters."""
    return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 1].rstrip() + "…"


def _render_unreadable(event: EventRow) -> str:
    words = load_words(LANGUAGE)
    return _render(
        "unreadable",
        kind_words=words["kinds"].get(event.kind, clean_text(event.kind, 40)),
        subject=clean_text(event.subject, 80),
        time=describe_time(event.occurred_at, None, words),
    )


def _render(template: str, **facts: object) -> str:
    return _environment().get_template(str(template)).render(words=load_words(LANGUAGE), **facts)


def _split(text: str) -> tuple[str, str]:
    title, _, body = text.strip().partition("\n")
    return title.strip(), body.strip()


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    folder = files("alerts.words") / LANGUAGE

    def load(name: str) -> str | None:
        file = folder / (name if name.endswith(".j2") else f"{name}.j2")
        return file.read_text(encoding="utf-8") if file.is_file() else None

    # Not escaped: all values are cleaned, and Apprise escapes for the channels that are HTML.
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
