"""What was captured stays as it was received, under its own hash, or is found to be damaged."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.archive import Archive, CaptureDamaged, CaptureMissing

BODY = b"\x1f\x8b\x00 as received"
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(params=["folder", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive") if request.param == "folder" else f"memory://{tmp_path.name}/archive")


def test_bytes_come_back_as_they_were_received(archive: Archive) -> None:
    assert archive.keep(BODY) == SHA256
    assert archive.keep(BODY) == SHA256
    assert archive.read(SHA256) == BODY
    assert archive.read(archive.keep(b"")) == b""


def test_capture_that_was_never_kept_is_missing(archive: Archive) -> None:
    for name in (SHA256, "../../etc/passwd", "", SHA256.upper()):
        with pytest.raises(CaptureMissing):
            archive.read(name)


def test_damage_is_noticed_and_healed_by_the_next_crawl_that_brings_the_bytes(tmp_path: Path) -> None:
    archive = Archive(f"file://{tmp_path}")
    archive.keep(BODY)
    path = tmp_path / "sha256" / SHA256[:2] / SHA256[2:4] / SHA256
    path.write_bytes(BODY[:-1])
    with pytest.raises(CaptureDamaged):
        archive.read(SHA256)
    archive.keep(BODY)
    assert archive.read(SHA256) == BODY


def test_several_loaders_may_keep_the_same_bytes_at_once(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "archive"))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: archive.keep(BODY), range(32))) == {SHA256}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [SHA256]
