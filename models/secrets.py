"""Seal the few values whose leak would harm people, so that the database alone names nobody.

AES-256-GCM with the instance key, which lies outside the database in a file only its owner may read. A sealed value is
``version(1) | key id(2) | nonce(12) | ciphertext | tag(16)``. Its context (``table.column.row-id``) is authenticated,
so that a value cannot be moved to another row or column.
"""

import base64
import os
import secrets
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
HEADER_BYTES = 3
ANYONE_ELSE = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(Exception):
    """The key file cannot be used; says the path and never its content."""


class SealError(Exception):
    """A sealed value does not open: wrong key, wrong place, or changed bytes."""


class InstanceKey:
    """The keys of one installation: the newest seals, all of them open."""

    __slots__ = ("_ciphers",)

    def __init__(self, keys: dict[int, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def __repr__(self) -> str:
        return f"InstanceKey(ids={sorted(self._ciphers)})"

    def seal(self, value: str, *, context: str) -> bytes:
        """Encrypt ``value`` for one place, ``table.column.row-id``. Never twice the same bytes."""
        key_id = max(self._ciphers)
        header = bytes([VERSION]) + key_id.to_bytes(2, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return header + nonce + self._ciphers[key_id].encrypt(nonce, value.encode(), header + context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> str:
        """Decrypt what ``seal`` made for the same place. Raises SealError."""
        header, nonce = sealed[:HEADER_BYTES], sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        if len(nonce) < NONCE_BYTES or header[0] != VERSION:
            raise SealError("not a sealed value of this version")
        key_id = int.from_bytes(header[1:], "big")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError(f"sealed with key {key_id}, which is not in the key file")
        try:
            value = cipher.decrypt(nonce, sealed[HEADER_BYTES + NONCE_BYTES :], header + context.encode())
        except InvalidTag:
            raise SealError("sealed for another place, or damaged") from None
        return value.decode()

    def is_sealed_with_newest(self, sealed: bytes) -> bool:
        """Whether a value needs no re-sealing after the keys were rotated."""
        return int.from_bytes(sealed[1:HEADER_BYTES], "big") == max(self._ciphers)


def open_instance_key(path: Path) -> InstanceKey:
    """Read the key file, and make it (mode 0600) when there is none yet.

    Each line is ``id base64-key``; the highest id seals. Raises KeyFileError when others may read it, or it is none.
    """
    if not path.exists():
        _make(path)
    try:
        mode = path.stat().st_mode
        content = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the key file {path} ({type(error).__name__})") from None
    if mode & ANYONE_ELSE:
        raise KeyFileError(f"others may read the key file {path}: chmod 600 it")
    return InstanceKey(_parse(content, path))


def add_key(path: Path) -> InstanceKey:
    """Put a new key into the key file: it seals from now on, the old ones still open what they sealed."""
    open_instance_key(path)
    content = path.read_text("ascii")
    _write(path, content + _line(max(_parse(content, path)) + 1))
    return open_instance_key(path)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(path, _line(1), unless_exists=True)


def _line(key_id: int) -> str:
    return f"{key_id} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"


def _parse(content: str, path: Path) -> dict[int, bytes]:
    keys = {}
    try:
        for line in content.splitlines():
            key_id, encoded = line.split()
            keys[int(key_id)] = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise KeyFileError(f"{path} is not a key file") from None
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise KeyFileError(f"{path} is not a key file")
    return keys


def _write(path: Path, content: str, *, unless_exists: bool = False) -> None:
    """Write the file whole or not at all, and never readable by others, not even for a moment."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if unless_exists:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return  # another process was first; its key is the key
        else:
            os.rename(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
