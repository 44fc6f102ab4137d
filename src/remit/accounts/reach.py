"""What agents may reach: models, tools by exact name or prefix, hosts by suffix. What isn't listed is out of reach."""

from __future__ import annotations

import re

from remit.kernel.urls import known_url

ANY = "*"

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,126}/?\*?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(r"\[[0-9a-f:.]+\]")


def model_problem(pattern: str) -> str:
    """What is wrong with a pattern of models; empty when nothing is.

    ``provider/model`` is one model, ``provider/*`` and ``provider/prefix*`` all that begin so, ``*`` every model.
    """
    if pattern == ANY or (_MODEL.fullmatch(pattern) and "/" in pattern):
        return ""
    return f"{pattern[:60]!r} is no pattern of models: provider/model, provider/prefix* or *"


def domain_problem(suffix: str) -> str:
    """What is wrong with a host suffix; empty when nothing is. ``example.com`` covers its subdomains as well."""
    if suffix == ANY or _DOMAIN.fullmatch(suffix) or _ADDRESS.fullmatch(suffix):
        return ""
    known = "example.com, 192.0.2.1, [2001:db8::1] or *"
    return f"{suffix[:60]!r} is no host: {known}; lower case, without scheme, port or path"


def reaches_model(patterns: frozenset[str], model: str) -> bool:
    """Whether ``model`` (``provider/model``) is one of ``patterns``."""
    if ANY in patterns or model in patterns:
        return True
    return any(pattern.endswith("*") and model.startswith(pattern[:-1]) for pattern in patterns)


def reaches_tool(patterns: frozenset[str], tool: str) -> bool:
    """Whether ``tool`` (``server/tool``, or a name alone) is one of ``patterns``.

    ``server/tool`` is one tool, ``server/*`` all of a server, ``server/prefix*`` those that begin so, ``*`` every tool.
    A pattern that ends in ``*`` covers more than itself only after a slash: ``read*`` is a tool of that name.
    """
    if ANY in patterns or tool in patterns:
        return True
    return any(pattern.endswith("*") and "/" in pattern and tool.startswith(pattern[:-1]) for pattern in patterns)


def reaches_host(suffixes: frozenset[str], host: str | None) -> bool:
    """Whether ``host`` (as ``host_of`` gives it) is one of ``suffixes``, or under one."""
    if ANY in suffixes:
        return True
    return host is not None and any(suffix in suffixes for suffix in suffixes_of(host))


def suffixes_of(host: str) -> list[str]:
    """A host and every domain above it: ``a.b.c``, ``b.c``, ``c``. An address stands alone."""
    if ":" in host or host.replace(".", "").isdecimal():
        return [host]
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def host_of(url: str) -> str | None:
    """The host that a URL asks, as DNS has it; ``None`` when that can't be told for certain (``kernel.urls``)."""
    found = known_url(url)
    if found is None:
        return None
    return f"[{found.host}]" if ":" in found.host else found.host
