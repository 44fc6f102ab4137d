"""Which IP addresses may be reached: public unicast, and private networks that the operator opened by name.

Everything in IANA's special-purpose registries is refused (``special_purpose.csv``), and what they leave out:
multicast, IPv4 inside IPv6 in every known form, unallocated space, and the metadata and platform addresses of clouds,
some of which lie in public space. ``ipaddress.is_global`` is asked as well and never alone: its tables follow the
Python version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

REGISTRY = "special_purpose.csv"

#: Where clouds answer with credentials and settings to whoever asks from inside, or run services of the platform. Never
#: opened. Sources: the providers' documentation of their metadata services.
PLATFORMS: Mapping[str, str] = MappingProxyType(
    {
        "169.254.169.254/32": "cloud metadata",
        "169.254.170.0/24": "AWS task and pod credentials",
        "fd00:ec2::/32": "AWS metadata",
        "fd20:ce::/32": "Google Cloud metadata",
        "100.100.100.200/32": "Alibaba Cloud metadata",
        "192.0.0.192/32": "Oracle Cloud metadata",
        "168.63.129.16/32": "Azure platform",
        "192.80.8.124/32": "Equinix metadata",
        "161.26.0.0/16": "IBM Cloud private services",
        "166.8.0.0/14": "IBM Cloud private endpoints",
    }
)

#: IPv4 inside IPv6, and other transitions: what is connected to in the end is not what stands there. Never opened.
EMBEDDING: Mapping[str, str] = MappingProxyType(
    {
        "::ffff:0:0/96": "IPv4-mapped",
        "::/96": "IPv4-compatible, loopback or unspecified",
        "::ffff:0:0:0/96": "IPv4-translated",
        "64:ff9b::/96": "NAT64",
        "64:ff9b:1::/48": "local NAT64",
        "2001::/32": "Teredo",
        "2002::/16": "6to4",
    }
)

#: What no setting opens beside those.
CLOSED: Mapping[str, str] = MappingProxyType(
    {
        "0.0.0.0/8": "this network",
        "169.254.0.0/16": "link local",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        "fe80::/10": "link local",
        "fec0::/10": "site local",
        "ff00::/8": "multicast",
    }
)

#: What may be opened, whole or in parts.
OPENABLE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/15"),
    *("::1/128", "fc00::/7"),
)

_UNICAST = IPv6Network("2000::/3")  # all of IPv6 that IANA gives out
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214: the interface id holds an IPv4 address
_LOOPBACK6 = IPv6Address("::1")


def judge_address(address: str, opened: Iterable[Network] = ()) -> str:
    """Why ``address`` must not be reached, as a noun (``loopback``); empty when it may be.

    Args:
        address: An IP address as the resolver gave it. Anything else is refused.
        opened: Private networks that may be reached all the same, as ``read_networks`` made them.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return "no IP address"
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return "scoped to one interface"
    opened = tuple(opened)
    if not (found == _LOOPBACK6 and _within(found, opened)):
        for table in (_networks(PLATFORMS), _networks(EMBEDDING), _networks(CLOSED)):
            name = _name(found, table)
            if name:
                return name
    if _within(found, opened):
        return ""
    return _name(found, _registry()) or _unallocated(found)


def read_networks(text: str) -> tuple[Network, ...]:
    """``10.1.2.0/24, fd12::/16`` as networks that may be opened.

    Raises:
        ValueError: Not networks, or not inside what may be opened at all.
    """
    found: list[Network] = []
    for word in (part.strip() for part in text.split(",")):
        if not word:
            continue
        network = ip_network(word)
        if not any(_inside(network, ip_network(block)) for block in OPENABLE):
            message = f"{word} is not private: only networks within {', '.join(OPENABLE)} can be opened"
            raise ValueError(message)
        found.append(network)
    return tuple(found)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _inside(network: Network, block: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(block, IPv4Network) and network.subnet_of(block)
    return isinstance(block, IPv6Network) and network.subnet_of(block)


def _name(address: Address, table: Iterable[tuple[Network, str]]) -> str:
    return next((name for network, name in table if address in network), "")


def _unallocated(address: Address) -> str:
    if isinstance(address, IPv6Address):
        if address not in _UNICAST:
            return "outside global unicast"
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return "ISATAP"
    if address.is_multicast:
        return "multicast"
    return "" if address.is_global and not address.is_reserved else "not global"


def _networks(table: Mapping[str, str]) -> tuple[tuple[Network, str], ...]:
    return _read(tuple(table.items()))


@lru_cache(8)
def _read(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[Network, str], ...]:
    return tuple((ip_network(block), name) for block, name in rows)


@lru_cache(1)
def _registry() -> tuple[tuple[Network, str], ...]:
    text = resources.files("remit.kernel").joinpath(REGISTRY).read_text("utf-8")
    rows = (line.partition(",") for line in text.splitlines() if line and not line.startswith("#"))
    return _read(tuple((block, name) for block, _, name in rows))
