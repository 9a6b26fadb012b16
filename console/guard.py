"""Keeps the page to this machine and to itself: allowed hosts, and headers that forbid everything from elsewhere."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def host_guard(
    allowed_hosts: frozenset[str],
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Middleware that refuses other Host names (a page elsewhere could rebind its own to us) and sets HEADERS."""

    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        name = request.headers.get("host", "")
        name = name[: name.rfind("]") + 1] if name.startswith("[") else name.rsplit(":", 1)[0]
        if name.lower() not in allowed_hosts:
            return PlainTextResponse("This name is not served here.\n", status_code=421, headers=HEADERS)
        response = await answer(request)
        response.headers.update(HEADERS)
        return response

    return guard
