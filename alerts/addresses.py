"""Channel addresses under seal: a dump of the database without the key reaches nobody."""

from uuid import UUID

from models.secrets import InstanceKey


def seal_address(key: InstanceKey, channel_id: UUID, url: str) -> bytes:
    """Seal an address for one channel's row; it opens nowhere else."""
    return key.seal(url, context=_context(channel_id))


def unseal_address(key: InstanceKey, channel_id: UUID, sealed: bytes) -> str:
    """Open the address of a channel. Raises SealError."""
    return key.unseal(sealed, context=_context(channel_id))


def _context(channel_id: UUID) -> str:
    return f"channel.url_sealed.{channel_id}"
