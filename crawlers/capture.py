"""Keeps every answer as it came over the wire, and gives each response the hash its items refer to."""

import hashlib
from io import BytesIO
from pathlib import Path

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from warcio.statusandheaders import StatusAndHeaders  # type: ignore[import-untyped]
from warcio.warcwriter import WARCWriter  # type: ignore[import-untyped]

from models import clock
from models.items import CAPTURES_FILE, Fetch

captured = object()
"""Signal sent with ``fetch`` after a response was written."""


def hash_bytes(body: bytes) -> str:
    """The name of a capture: SHA-256 of the body as received."""
    return hashlib.sha256(body).hexdigest()


def list_headers(headers: object) -> list[tuple[str, str]]:
    """Headers of a Scrapy request or response as pairs of text."""
    return [
        (name.decode("latin-1"), value.decode("latin-1").replace("\r", " ").replace("\n", " "))
        for name, values in headers.items()  # type: ignore[attr-defined]
        for value in values
    ]


class CaptureMiddleware:
    """Sits nearest the wire (above HttpCompression on the way in), so that what is kept is what was sent."""

    def __init__(self, crawler: Crawler, path: Path):
        self.crawler = crawler
        self.file = path.open("wb", buffering=0)
        self.writer = WARCWriter(self.file, gzip=True)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "CaptureMiddleware":
        return cls(crawler, Path(crawler.settings["TARMAC_BUNDLE"]) / CAPTURES_FILE)

    def process_response(self, request: Request, response: Response) -> Response:
        fetched_at = clock.now()
        sha256 = hash_bytes(response.body)
        request.meta["capture"] = sha256
        request.meta["fetched_at"] = fetched_at
        self.write(request, response, fetched_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        content_type = response.headers.get("Content-Type")
        fetch = Fetch(
            url=request.url,
            fetched_at=fetched_at,
            status_code=response.status,
            content_type=content_type.decode("latin-1")[:200] if content_type else None,
            sha256=sha256,
            byte_count=len(response.body),
        )
        self.crawler.signals.send_catch_log(captured, fetch=fetch)
        return response

    def write(self, request: Request, response: Response, date: str) -> None:
        """Append the answer and the question that got it to the bundle's WARC file."""
        path = "/" + request.url.split("://", 1)[-1].partition("/")[2]
        answer = self.writer.create_warc_record(
            request.url,
            "response",
            payload=BytesIO(response.body),
            http_headers=StatusAndHeaders(f"{response.status}", list_headers(response.headers), protocol="HTTP/1.1"),
            warc_headers_dict={"WARC-Date": date},
        )
        question = self.writer.create_warc_record(
            request.url,
            "request",
            payload=BytesIO(b""),
            http_headers=StatusAndHeaders(
                f"{request.method} {path} HTTP/1.1", list_headers(request.headers), is_http_request=True
            ),
            warc_headers_dict={
                "WARC-Date": date,
                "WARC-Concurrent-To": answer.rec_headers.get_header("WARC-Record-ID"),
            },
        )
        self.writer.write_record(answer)
        self.writer.write_record(question)
