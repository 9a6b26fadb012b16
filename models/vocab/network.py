"""Which addresses are on the public internet: one judgement for whoever asks publishers and whoever tells people."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

NAT64 = IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
COMPATIBLE = IPv6Network("::/96")  # deprecated ::a.b.c.d, which some kernels still route as IPv4


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the public internet, looking through every way to write IPv4 inside IPv6."""
    if isinstance(address, IPv6Address):
        if address.is_site_local or address.teredo or address in COMPATIBLE or address in LOCAL_NAT64:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )
