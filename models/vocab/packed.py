"""Unpack gzip from strangers up to a limit, so that a small file cannot fill the memory."""

import zlib

MAGIC = b"\x1f\x8b"


class PackedError(ValueError):
    """Bytes that cannot be unpacked; the message is one line."""


def unpack(content: bytes, largest: int) -> bytes:
    """The bytes themselves, unpacked when they are gzip. Raises PackedError when damaged, cut short or too large."""
    unpacked = bytearray()
    rest = content
    while rest.startswith(MAGIC):  # rotated logs are several streams in a row
        unpacker = zlib.decompressobj(wbits=31)
        try:
            unpacked += unpacker.decompress(rest, largest + 1 - len(unpacked))
        except zlib.error as error:
            raise PackedError(f"damaged gzip: {' '.join(str(error).split())}") from None
        if len(unpacked) > largest:
            raise PackedError(f"gzip that unpacks to more than {largest // 2**20} MiB")
        if not unpacker.eof:
            raise PackedError("truncated gzip")
        rest = unpacker.unused_data
    return content if rest is content else bytes(unpacked)
