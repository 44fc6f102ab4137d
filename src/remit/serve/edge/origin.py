"""Where a request came from and what it asked for, behind the proxies that settings name, and behind no other.

A header that tells the client's address (``Forwarded``, RFC 7239, or ``X-Forwarded-For``) can be sent by anybody; it is
believed only as far as the chain of proxies that are configured reaches, from the connection outwards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from remit.kernel.addresses import Network
from remit.kernel.errors import InvalidInput

MOST_HOPS = 32
_PAIR = re.compile(r'([A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;,\s"]*)')
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from.

    Attributes:
        address: The client's address; empty when the server told none.
        scheme: ``http`` or ``https``, as the client spoke.
        host: The host (and port) that it asked for, in lower case.
    """

    address: str
    scheme: str
    host: str

    @property
    def url(self) -> str:
        """Scheme and host, as a browser's ``Origin`` has them."""
        return f"{self.scheme}://{self.host}"

    @property
    def bucket(self) -> str:
        """What is counted for the address: itself, or the /64 of an IPv6 address, which one customer has whole."""
        try:
            found = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if isinstance(found, ipaddress.IPv4Address):
            return self.address
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False).network_address)


class Origins:
    """Finds them.

    Args:
        proxies: The networks of the proxies that stand before this server.
        hosts: The names that this server goes by, in lower case, without ports; addresses always count.
    """

    def __init__(self, proxies: tuple[Network, ...], hosts: frozenset[str]) -> None:
        self._proxies = proxies
        self._hosts = hosts | {"localhost"}
        self._known: dict[str, bool] = {}

    def find(self, peer: str, scheme: str, headers: Mapping[bytes, bytes]) -> Origin:
        """Where a request came from.

        Args:
            peer: The address of the connection.
            scheme: What the connection speaks.
            headers: The request's.

        Raises:
            InvalidInput: It asks for a host that this server does not go by (a page of another name was pointed here).
        """
        found = self.asked(peer, scheme, headers)
        self._check(found.host)
        return found

    def asked(self, peer: str, scheme: str, headers: Mapping[bytes, bytes]) -> Origin:
        """Where a request came from, to a server that goes by any name: the host is as it was sent, and unchecked."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._proxies and self._trusted(peer):
            peer, scheme, host = self._behind(peer, scheme, host, headers)
        return Origin(peer, "https" if scheme in {"https", "wss"} else "http", host)

    def _behind(self, peer: str, scheme: str, host: str, headers: Mapping[bytes, bytes]) -> tuple[str, str, str]:
        forwarded = headers.get(b"forwarded", b"").decode("latin-1")
        if forwarded:
            hops = [_hop(part) for part in _elements(forwarded)[-MOST_HOPS:]]
        else:
            hops = [{"for": part} for part in _listed(headers, b"x-forwarded-for")[-MOST_HOPS:]]
            if hops:
                # Written by the proxy nearest to us, as that is the one whose word is taken.
                for name, key in ((b"x-forwarded-proto", "proto"), (b"x-forwarded-host", "host")):
                    if found := _listed(headers, name):
                        hops[-1][key] = found[-1]
        for hop in reversed(hops):
            address = _address(hop.get("for", ""))
            if not address:
                break  # hidden or broken: whoever is known last is who asks
            proto = hop.get("proto", "").lower()
            peer = address
            scheme = proto if proto in {"http", "https", "ws", "wss"} else scheme
            host = hop.get("host", "").lower() or host
            if not self._trusted(address):
                break
        return peer, scheme, host

    def _trusted(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) > 10_000:  # noqa: PLR2004 - addresses that are remembered
                self._known.clear()
            try:
                asked = ipaddress.ip_address(address)
            except ValueError:
                known = False
            else:
                if isinstance(asked, ipaddress.IPv6Address) and asked.ipv4_mapped is not None:
                    asked = asked.ipv4_mapped
                known = any(asked in network for network in self._proxies)
            self._known[address] = known
        return known

    def _check(self, host: str) -> None:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name in self._hosts or not host:
            return
        if _HOST.fullmatch(host) and _is_address(name.strip("[]")):
            return
        message = f"This server does not go by the name {host[:80]!r}."
        raise InvalidInput(message, code="api.host", hint="add it to the setting hosts, or set public_url")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _listed(headers: Mapping[bytes, bytes], name: bytes) -> list[str]:
    return [part.strip() for part in headers.get(name, b"").decode("latin-1").split(",") if part.strip()]


def _elements(text: str) -> list[str]:
    """The comma-separated elements of ``Forwarded``; commas inside quotes part nothing."""
    found: list[str] = []
    begun, quoted = 0, False
    for place, char in enumerate(text):
        if char == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        elif char == "," and not quoted:
            found.append(text[begun:place])
            begun = place + 1
    return [*found, text[begun:]]


def _hop(element: str) -> dict[str, str]:
    return {name.lower(): value.strip('"') for name, value in _PAIR.findall(element)}


def _address(text: str) -> str:
    """The address in ``192.0.2.1``, ``192.0.2.1:80``, ``[2001:db8::1]`` or ``[2001:db8::1]:80``; empty for none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
