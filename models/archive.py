"""Keep captured bytes for ever under their own hash, so that any fact can be followed to what a publisher really sent.

An archive is any fsspec address: a folder, ``s3://…``, ``memory://``. A capture lies at ``sha256/ab/cd/abcd…``, is
written once and whole, and is checked against its name each time it is read.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from warcio.archiveiterator import ArchiveIterator  # type: ignore[import-untyped]
from warcio.exceptions import ArchiveLoadFailed  # type: ignore[import-untyped]

LARGEST_CAPTURE = 64 * 2**20
"""Bytes; twice what a crawl downloads at most."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class CaptureMissing(Exception):  # noqa: N818 - a state of the archive, not a mistake
    """The archive has no capture with this hash."""


class CaptureDamaged(Exception):  # noqa: N818 - a state of the archive, not a mistake
    """What the archive holds under this hash has another hash."""


class Archive:
    """Captures by hash, under one address."""

    def __init__(self, address: str) -> None:
        self._files, self._root = url_to_fs(address)
        self._is_local = "file" in self._files.protocol

    def keep(self, body: bytes) -> str:
        """Store bytes as received, if they are not there yet, and return their hash. Whole or not at all."""
        sha256 = hashlib.sha256(body).hexdigest()
        path = self._path(sha256)
        try:
            if self.read(sha256) == body:
                return sha256
        except (CaptureMissing, CaptureDamaged):
            pass
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        if self._is_local:
            _write_whole(Path(path), body)
        else:
            # Object stores make a put visible only when it is complete.
            self._files.pipe_file(path, body)
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes with this hash. Raises CaptureMissing or CaptureDamaged."""
        try:
            body = self._files.cat_file(self._path(sha256))
        except FileNotFoundError:
            raise CaptureMissing(sha256) from None
        assert isinstance(body, bytes)
        if hashlib.sha256(body).hexdigest() != sha256:
            raise CaptureDamaged(sha256)
        return body

    def _path(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise CaptureMissing("not a hash")
        return f"{self._root}/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


@dataclass(frozen=True)
class Captured:
    """One answer of a bundle's WARC file: its bytes as received and their hash; None for bytes that are too many."""

    url: str
    sha256: str
    body: bytes | None


def read_warc(file: BinaryIO) -> Iterator[Captured]:
    """The answers in a WARC file, one at a time, up to the first damaged record: a crawl may have been killed."""
    try:
        for record in ArchiveIterator(file):
            if record.rec_type != "response":
                continue
            # Not content_stream(): it would undo the Content-Encoding, and the hash is of the bytes as received.
            body = record.raw_stream.read(LARGEST_CAPTURE + 1)
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
            if len(body) > LARGEST_CAPTURE:
                yield Captured(url, hashlib.sha256(body).hexdigest(), None)
            elif record.raw_stream.limit:
                return  # the file ends before the record does
            else:
                yield Captured(url, hashlib.sha256(body).hexdigest(), body)
    except (ArchiveLoadFailed, EOFError, OSError, ValueError):
        return


def _write_whole(path: Path, body: bytes) -> None:
    """Write beside, flush to the disk, then rename: a reader sees the whole capture or none, also after a power cut."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
