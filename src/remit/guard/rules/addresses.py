"""Hosts of addresses, and in which list of a rule file they stand: a walk up the domains, never a list in CEL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.accounts.reach import suffixes_of
from remit.kernel.urls import UnreadableUrl, known_url, read_host

type Lists = Mapping[str, frozenset[str]]

#: The lists that say whether a host may be read, the one that decides first in front.
LISTS = ("fetch.deny", "fetch.sensitive", "fetch.allow")
#: Domains whose terms of service forbid that programs read them.
TERMS = "fetch.terms"
#: Every list that a rule file may fill.
NAMED = (*LISTS, TERMS)


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address that rules read."""

    scheme: str
    host: str
    port: int
    path: str


def address_of(url: str) -> Address | None:
    """The parts of an address as the fetcher reads it (``kernel.urls``); ``None`` for one that it refuses to read."""
    found = known_url(url)
    return None if found is None else Address(found.scheme, found.host, found.port, found.path)


def host_name(text: str) -> str | None:
    """A host as DNS has it: lower case, no dot at the end, other scripts encoded; ``None`` when it can't be one."""
    try:
        return read_host(f"[{text}]" if ":" in text and not text.startswith("[") else text)[0]
    except UnreadableUrl:
        return None


def listed(host: str, lists: Lists) -> str:
    """``deny``, ``sensitive`` or ``allow``: the first list that names the host or a domain above it; else ``none``."""
    return next((name.removeprefix("fetch.") for name in LISTS if within(host, lists.get(name))), "none")


def within(host: str, domains: frozenset[str] | None) -> bool:
    """Whether a list names the host or a domain above it."""
    return bool(domains) and any(domain in domains for domain in suffixes_of(host))
