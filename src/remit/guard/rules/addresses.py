"""Hosts of addresses, and in which list of a rule file they stand: a walk up the domains, never a list in CEL."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

type Lists = Mapping[str, frozenset[str]]

#: The lists that a rule file may fill, the one that decides first in front.
LISTS = ("fetch.deny", "fetch.sensitive", "fetch.allow")

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_V6 = re.compile(r"[0-9a-f:.]{2,45}")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\\s]")
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address that rules read."""

    scheme: str
    host: str
    port: int
    path: str


@functools.lru_cache(256)
def address_of(url: str) -> Address | None:
    """The parts of an address; ``None`` for one that programs could read in different ways.

    Refused are spaces, control characters and backslashes (browsers and libraries disagree on them) and hosts that are
    neither a name of DNS nor an IP address. A name in another script is read as DNS has it (IDNA).
    """
    if len(url) > _LONGEST or _UNFIT.search(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    name = None if host is None else host_name(host)
    scheme = parts.scheme.lower()
    if not name or (port is None and scheme not in _PORTS):
        return None
    return Address(scheme, name, _PORTS[scheme] if port is None else port, parts.path or "/")


def host_name(text: str) -> str | None:
    """A host as DNS has it: lower case, no dot at the end, other scripts encoded; ``None`` when it can't be one."""
    text = text.lower().removesuffix(".")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return None
    return text if _NAME.fullmatch(text) or (":" in text and _V6.fullmatch(text)) else None


def listed(host: str, lists: Lists) -> str:
    """``deny``, ``sensitive`` or ``allow``: the first list that names the host or a domain above it; else ``none``."""
    walk = list(_upwards(host))
    for name in LISTS:
        domains = lists.get(name)
        if domains and any(domain in domains for domain in walk):
            return name.removeprefix("fetch.")
    return "none"


def _upwards(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))]
