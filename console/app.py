"""The page: what is flying, what was told, how well we see, and how we know. Reads only."""

import json
import re
import threading
from collections import deque
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException as RoutingException

from alerts.inbox import InboxMessage, InboxReader
from alerts.notifier import HEALTH_FILE
from console import words
from console.guard import host_guard
from models import clock
from models.archive import Archive, CaptureDamaged, CaptureMissing
from models.queries.events import find_capture, find_event, find_events_of_deliveries, list_evidence, list_revisions
from models.queries.flights import list_legs
from models.queries.watch import find_present, list_source_states
from models.settings import Settings
from models.store.session import Connection, Engine, StoreError, transaction

HERE = Path(__file__).parent
ALERTS_SHOWN = 20
# The notifier sweeps every few seconds; a minute without a sweep means it does no work.
NOTIFIER_PATIENCE = timedelta(seconds=60)
SHA256 = re.compile(r"[0-9a-f]{64}")
HEADINGS = {
    "flight.scheduled": "Flight scheduled",
    "flight.departed": "Flight left",
    "flight.landed": "Flight landed",
    "flight.signal_lost": "Signal lost",
    "flight.corrected": "Correction",
    "news.article": "News article",
    "source.silent": "A source fell silent",
    "source.recovered": "A source answers again",
    "channel.failing": "A channel is in trouble",
    "channel.disabled": "A channel was switched off",
}


@cache
def read_attributions() -> tuple[str, ...]:
    """Lines to print under every page, each once."""
    table = yaml.safe_load(files("models.reference").joinpath("attributions.yml").read_text(encoding="utf-8"))
    return tuple(dict.fromkeys(table.values()))


def make_templates() -> Jinja2Templates:
    """The templates with our words as filters; Jinja2Templates escapes by itself."""
    templates = Jinja2Templates(directory=HERE / "templates")
    for name in ("zulu", "instant", "local", "airport_name", "state_words", "status_words", "evidence_words"):
        templates.env.filters[name] = getattr(words, name)
    return templates


class Page:
    """Renders a template with what every page shows."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self._templates = make_templates()
        # requests are answered by several threads
        self._inbox, self._inbox_lock = InboxReader(settings.home), threading.Lock()
        self._newest: deque[InboxMessage] = deque(maxlen=ALERTS_SHOWN)

    def render(self, request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """One page as HTML."""
        common = {
            "now": clock.now(),
            "notice": self.settings.notice,
            "is_replay": self.settings.is_replay,
            "attributions": read_attributions(),
        }
        return self._templates.TemplateResponse(request, template, common | values, status_code=status_code)

    def list_alerts(self, connection: Connection) -> list[dict[str, Any]]:
        """The newest messages of the local inbox, each with the event it told."""
        with self._inbox_lock:
            self._newest.extend(self._inbox.read_new())
            messages = list(self._newest)[::-1]
        events = find_events_of_deliveries(connection, [message.key for message in messages])
        return [
            {
                "title": message.title,
                "body": message.body,
                "at": message.at,
                "is_repeat": message.is_repeat,
                "event_id": events.get(message.key),
            }
            for message in messages
        ]


def make_app(settings: Settings, engine: Engine, archive: Archive) -> FastAPI:
    """The application; ``settings`` say where it may be reached and whether it shows a replay."""
    app = FastAPI(title="Tarmac", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.middleware("http")(host_guard(list_names(settings)))
    page = Page(settings, engine)

    @app.get("/", response_class=HTMLResponse)
    def show_now(request: Request) -> HTMLResponse:
        with transaction(engine) as connection:
            return page.render(
                request,
                "now.html",
                sources=list_source_states(connection),
                legs=list_legs(connection, limit=20),
                alerts=page.list_alerts(connection),
                present=find_present(connection),
            )

    @app.get("/flights", response_class=HTMLResponse)
    def show_flights(request: Request, aircraft: str | None = None) -> HTMLResponse:
        with transaction(engine) as connection:
            legs = list_legs(connection, aircraft=(aircraft or "")[:16] or None, limit=200)
        return page.render(request, "flights.html", legs=legs, aircraft=aircraft)

    @app.get("/sources", response_class=HTMLResponse)
    def show_sources(request: Request) -> HTMLResponse:
        with transaction(engine) as connection:
            return page.render(request, "sources.html", sources=list_source_states(connection))

    @app.get("/events/{event_id}", response_class=HTMLResponse)
    def show_event(request: Request, event_id: UUID) -> HTMLResponse:
        with transaction(engine) as connection:
            event = find_event(connection, event_id)
            if event is None:
                raise HTTPException(404, "There is no such event here.")
            revisions = [other for other in list_revisions(connection, event.dedupe_key) if other.id != event.id]
            evidence = list_evidence(connection, event)
        return page.render(
            request,
            "event.html",
            event=event,
            payload=event.payload,
            heading=HEADINGS[event.kind],
            revisions=revisions,
            evidence=evidence,
        )

    @app.get("/captures/{sha256}")
    def download_capture(sha256: str) -> Response:
        if not SHA256.fullmatch(sha256):
            raise HTTPException(404, "There is no such capture here.")
        with transaction(engine) as connection:
            capture = find_capture(connection, sha256)
        if capture is None:
            raise HTTPException(404, "There is no such capture here.")
        try:
            body = archive.read(sha256)
        except CaptureMissing:
            raise HTTPException(404, "The archive no longer holds these bytes.") from None
        except CaptureDamaged:
            raise HTTPException(500, "The archive holds other bytes under this hash: they were damaged.") from None
        # Captured bytes are strangers' bytes: they are handed over as a file and never shown as a page.
        return Response(
            body,
            media_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{sha256}"'},
        )

    @app.get("/health")
    def tell_health() -> JSONResponse:
        problems = list_problems(settings.home, engine, clock.now())
        return JSONResponse({"ok": not problems, "problems": problems}, status_code=503 if problems else 200)

    @app.exception_handler(RoutingException)
    def show_problem(request: Request, error: RoutingException) -> HTMLResponse:
        title = "Not found" if error.status_code == 404 else f"That did not work ({error.status_code})"
        return page.render(request, "problem.html", status_code=error.status_code, title=title, text=error.detail)

    @app.exception_handler(StoreError)
    def show_store_problem(request: Request, error: StoreError) -> HTMLResponse:
        text = "The database does not answer at the moment. Tarmac goes on by itself as soon as it does."
        return page.render(request, "problem.html", status_code=503, title="One moment", text=text)

    return app


def list_names(settings: Settings) -> frozenset[str]:
    """Host names the page answers to: this machine's own, and those a reverse proxy in front of it is called by."""
    given = (name.strip().lower() for name in settings.page_names.split(","))
    return frozenset({"127.0.0.1", "localhost", "[::1]", settings.page_host.lower(), *filter(None, given)})


def list_problems(home: Path, engine: Engine, now: datetime) -> list[str]:
    """What keeps Tarmac from telling people, one line each; empty when all is well."""
    problems = []
    try:
        with transaction(engine) as connection:
            find_present(connection)
    except StoreError:
        problems.append("the database does not answer")
    try:
        swept_at = datetime.fromisoformat(json.loads((home / HEALTH_FILE).read_bytes())["last_sweep_at"])
    except (OSError, ValueError, KeyError, TypeError):
        problems.append("the notifier has not done its first round")
    else:
        if now - swept_at > NOTIFIER_PATIENCE:
            problems.append(f"the notifier has not done a round since {swept_at:%H:%M:%S}Z")
    return problems
