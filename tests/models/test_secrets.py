"""A stolen database opens nothing, and a sealed value opens only where it was sealed."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.secrets import InstanceKey, KeyFileError, SealError, add_key, open_instance_key

PLACE = "channel.url_sealed.1"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "instance.key"


def test_key_is_made_once_and_for_its_owner_only(key_file: Path) -> None:
    sealed = open_instance_key(key_file).seal("ntfy://topic", context=PLACE)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert open_instance_key(key_file).unseal(sealed, context=PLACE) == "ntfy://topic"
    assert os.listdir(key_file.parent) == ["instance.key"]


def test_two_first_starts_agree_on_one_key(key_file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: open_instance_key(key_file), range(8)))
    sealed = keys[0].seal("x", context=PLACE)
    assert {key.unseal(sealed, context=PLACE) for key in keys} == {"x"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_others_may_read_is_refused(key_file: Path, mode: int) -> None:
    open_instance_key(key_file)
    key_file.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        open_instance_key(key_file)


@pytest.mark.parametrize("content", ["", "1 short", "one two three", "x" * 40, "1 " + "A" * 44 + "\nnonsense"])
def test_damaged_key_file_is_refused_without_showing_it(key_file: Path, content: str) -> None:
    open_instance_key(key_file)
    key_file.write_text(content)
    with pytest.raises(KeyFileError, match="not a key file") as caught:
        open_instance_key(key_file)
    assert not content or content not in str(caught.value)


def test_value_cannot_be_moved_to_another_row_or_changed(key_file: Path) -> None:
    key = open_instance_key(key_file)
    sealed = key.seal("secret", context=PLACE)
    with pytest.raises(SealError):
        key.unseal(sealed, context="channel.url_sealed.2")
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(SealError):
            key.unseal(bytes(damaged), context=PLACE)
    with pytest.raises(SealError):
        key.unseal(b"", context=PLACE)
    with pytest.raises(SealError):
        InstanceKey({1: bytes(32)}).unseal(sealed, context=PLACE)


def test_same_value_never_looks_the_same(key_file: Path) -> None:
    key = open_instance_key(key_file)
    assert len({key.seal("secret", context=PLACE) for _ in range(50)}) == 50


def test_after_rotation_old_values_open_and_new_ones_use_the_new_key(key_file: Path) -> None:
    old = open_instance_key(key_file)
    sealed = old.seal("secret", context=PLACE)
    new = add_key(key_file)
    assert new.unseal(sealed, context=PLACE) == "secret"
    assert not new.is_sealed_with_newest(sealed)
    resealed = new.seal("secret", context=PLACE)
    assert new.is_sealed_with_newest(resealed)
    with pytest.raises(SealError, match="key 2"):
        old.unseal(resealed, context=PLACE)


def test_key_is_never_shown(key_file: Path) -> None:
    key = open_instance_key(key_file)
    encoded = key_file.read_text().split()[1]
    assert encoded not in repr(key) + str(key) + f"{key!r}"
    assert not hasattr(key, "__dict__")
