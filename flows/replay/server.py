"""The loopback server of the recorded day: asked under ``/{source slug}{path}``, it answers as that publisher did."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from aiohttp import web

from flows.replay.clock import ManualClock, RecordedClock, RunningClock, is_over
from flows.replay.faults import Fault, FaultKind, Faults
from flows.replay.news import PUBLISHERS, list_published, write_feed, write_page
from flows.replay.recording import Recording
from flows.replay.sky import Document, Sky, wrap_answer

V2_BASES = {"adsb_lol": "/v2", "adsb_fi": "/api/v2", "airplanes_live": "/v2"}
"""live sources and where their v2 interface lies"""
TRACE_SOURCE = "adsb_lol_traces"
ROBOTS = "User-agent: *\nAllow: /\n"
HTML = (
    "<!doctype html><html><head><title>Just a moment...</title></head><body><h1>We will be back soon</h1></body></html>"
)
START_TIMEOUT_S = 30

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    recorded_at: datetime
    source: str
    path: str
    status: int
    user_agent: str


@dataclass
class ReplayServer:
    """Answers for one recording at the instant its clock shows. ``asked`` lists the requests so far."""

    recording: Recording
    clock: RecordedClock
    faults: Faults
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sky = Sky(self.recording, self.faults)
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What ``TARMAC_SOURCE_BASE_URL`` has to be for the crawlers to ask this server."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on the loopback address; ``port`` is then the real one."""
        self._runner = web.AppRunner(self._make_app(), access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._note, self._break])
        get = app.router.add_get
        get("/", self._tell_state)
        get("/robots.txt", self._tell_robots)
        get("/{source}/robots.txt", self._tell_robots)
        for source, base in V2_BASES.items():
            get(f"/{source}{base}/{{kind:hex|icao}}/{{wanted}}", self._tell_addresses)
            get(f"/{source}{base}/type/{{wanted}}", self._tell_type)
            get(f"/{source}{base}/point/{{latitude}}/{{longitude}}/{{radius}}", self._tell_near)
            get(f"/{source}{base}/lat/{{latitude}}/lon/{{longitude}}/dist/{{radius}}", self._tell_near)
        day = r"{year:\d{4}}/{month:\d\d}/{day:\d\d}"
        get(f"/{TRACE_SOURCE}/globe_history/{day}/traces/{{last}}/trace_full_{{wanted}}.json", self._tell_trace)
        for source, (_, _, path) in PUBLISHERS.items():
            get(f"/{source}{path}", self._tell_feed)
            get(f"/{source}/{{page:.+}}", self._tell_page)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        source, status = name_source(request.path), 0
        if source in V2_BASES or source == TRACE_SOURCE:
            self.clock.start()
        recorded_at = self.clock.now()
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            agent = request.headers.get("User-Agent", "")
            self.asked.append(Asked(recorded_at, source, request.path_qs, status, agent))
        return response

    @web.middleware
    async def _break(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._find_fault(request)
        if fault is None:
            return await handler(request)
        match fault.kind:
            case FaultKind.UNAVAILABLE:
                raise web.HTTPServiceUnavailable(text="")
            case FaultKind.THROTTLE:
                raise web.HTTPTooManyRequests(text="", headers={"Retry-After": str(fault.retry_after_s)})
            case FaultKind.HTML:
                return web.Response(text=HTML, content_type="text/html")
            case FaultKind.RESET:
                if request.transport is not None:
                    request.transport.abort()
                raise web.HTTPServiceUnavailable(text="")
            case _:
                return await handler(request)

    def _find_fault(self, request: web.Request) -> Fault | None:
        if request.path.endswith("/robots.txt"):
            return None
        return self.faults.find_answer_fault(name_source(request.path), self.clock.now(), tuple(V2_BASES))

    async def _tell_state(self, request: web.Request) -> web.Response:
        state = {
            "recording": self.recording.name,
            "recorded_at": self.clock.now().isoformat(),
            "begins_at": self.recording.begins_at.isoformat(),
            "ends_at": self.recording.ends_at.isoformat(),
            "is_over": is_over(self.clock),
            "notice": self.recording.notice,
            "aircraft": [
                {**aircraft.label, "original_on": str(aircraft.label.get("original_on"))}
                for aircraft in self.recording.aircraft.values()
            ],
        }
        return web.json_response(state)

    async def _tell_robots(self, request: web.Request) -> web.Response:
        return web.Response(text=ROBOTS)

    async def _tell_addresses(self, request: web.Request) -> web.Response:
        wanted = request.match_info["wanted"].split(",")
        return self._answer(request, lambda instant: self.sky.find_addresses(wanted, instant))

    async def _tell_type(self, request: web.Request) -> web.Response:
        wanted = request.match_info["wanted"].upper()
        return self._answer(request, lambda instant: self.sky.find_type(wanted, instant))

    async def _tell_near(self, request: web.Request) -> web.Response:
        try:
            latitude, longitude, radius = (float(request.match_info[n]) for n in ("latitude", "longitude", "radius"))
        except ValueError:
            raise web.HTTPUnprocessableEntity(text="") from None
        return self._answer(request, lambda instant: self.sky.find_near(latitude, longitude, radius, instant))

    def _answer(self, request: web.Request, find: Callable[[datetime], list[Document]]) -> web.Response:
        instant = self.clock.now()
        fault = self._find_fault(request)
        if fault and fault.kind is FaultKind.REPEAT:
            instant = fault.begins_at.replace(microsecond=0)
        is_empty = fault is not None and fault.kind is FaultKind.EMPTY
        return web.json_response(wrap_answer([] if is_empty else find(instant), instant))

    async def _tell_trace(self, request: web.Request) -> web.Response:
        info = request.match_info
        try:
            day = date(int(info["year"]), int(info["month"]), int(info["day"]))
        except ValueError:
            raise web.HTTPNotFound from None
        icao24 = info["wanted"]
        packed = self.sky.pack_day(icao24, day, self.clock.now()) if info["last"] == icao24[-2:] else None
        if packed is None:
            raise web.HTTPNotFound
        # The bytes are gzip under a name ending in .json; only some hosts say so.
        says_so = {"Content-Encoding": "gzip"} if int(icao24, 16) % 2 == 0 else {}
        return web.Response(body=packed, content_type="application/json", headers=says_so)

    async def _tell_feed(self, request: web.Request) -> web.Response:
        source = name_source(request.path)
        articles = list_published(self.recording.articles, source, self.clock.now())
        return web.Response(text=write_feed(articles, source), content_type="application/rss+xml", charset="utf-8")

    async def _tell_page(self, request: web.Request) -> web.Response:
        source, path = name_source(request.path), f"/{request.match_info['page']}"
        for article in list_published(self.recording.articles, source, self.clock.now()):
            if article.path == path:
                return web.Response(text=write_page(article), content_type="text/html")
        raise web.HTTPNotFound


def name_source(path: str) -> str:
    """The slug a path begins with."""
    return path.split("/")[1]


def make_server(
    recording: Recording,
    *,
    port: int = 0,
    speed: float | None = None,
    start_at: datetime | None = None,
    faults: Faults | None = None,
) -> ReplayServer:
    """A server that is not listening yet. Without ``speed`` its clock is a ManualClock that stands still."""
    starts_at = start_at or recording.begins_at
    clock: RecordedClock = (
        ManualClock(starts_at, recording.ends_at)
        if speed is None
        else RunningClock(starts_at, recording.ends_at, speed)
    )
    return ReplayServer(recording, clock, faults or Faults(), port)


@contextmanager
def serve_replay(
    recording: Recording,
    *,
    port: int = 0,
    speed: float | None = None,
    start_at: datetime | None = None,
    faults: Faults | None = None,
) -> Iterator[ReplayServer]:
    """Serve a recording from a thread of its own until the block ends; see make_server.

    Tests move the clock with ``server.clock.advance_to(instant)``.
    """
    server = make_server(recording, port=port, speed=speed, start_at=start_at, faults=faults)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="replay", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(START_TIMEOUT_S)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(START_TIMEOUT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_TIMEOUT_S)
        loop.close()
