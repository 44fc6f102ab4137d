"""E-mail addresses (RFC 5321, 6531) and IP addresses. Nothing is looked up anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remit.redact.personal.kinds import STRENGTH, Kind, Personal

LONGEST_LOCAL, LONGEST_DOMAIN = 64, 253
_LOCAL = re.compile(
    r"(?:\"(?:[^\"\\\r\n]|\\[^\r\n]){1,62}\"|[^\W_][\w.!#$%&'*+~^-]*|[_+!#$%&*~^.-]+[\w.!#$%&'*+~^-]*)\Z"
)
_DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?[.\u3002]){1,20}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})", re.IGNORECASE
)
_LITERAL = re.compile(r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
#: Ends of file names that are no top-level domain: ``icon@2x.png``.
_FILES = frozenset(
    [
        *(
            "avif",
            "bmp",
            "cfg",
            "conf",
            "css",
            "csv",
            "dll",
            "exe",
            "gif",
            "gz",
            "html",
            "ico",
            "ini",
            "jpeg",
            "jpg",
            "js",
        ),
        *("json", "jsx", "lock", "log", "pdf", "png", "scss", "svg", "tar", "tgz", "tmp", "toml", "ts", "tsx", "txt"),
        *("vue", "webp", "whl", "xml", "yaml", "yml"),
    ]
)
_AT = re.compile("@|%40|\uff20")


def emails(text: str) -> Iterator[Personal]:
    """Addresses, with quoted and international local parts, international domains and address literals.

    Not: the remote of a repository (``git@host:path``), a file (``icon@2x.png``), a matrix product in code.
    """
    done = 0
    for sign in _AT.finditer(text):
        at = sign.start()
        if at < done:
            continue
        floor = max(done, at - LONGEST_LOCAL)
        local = _LOCAL.search(text, floor, at)
        if local is None or text[max(0, local.start() - 2) : local.start()] == "//":
            continue
        domain = _LITERAL.match(text, sign.end()) or _DOMAIN.match(text, sign.end())
        if domain is None or domain.end() - domain.start() > LONGEST_DOMAIN:
            continue
        if not _address(text, local.start(), at, domain.end()):
            continue
        done = domain.end()
        yield Personal(Kind.EMAIL, local.start(), done, STRENGTH[Kind.EMAIL])


def _address(text: str, start: int, at: int, end: int) -> bool:
    """Whether what surrounds it lets it be an address."""
    last = text[end - 1]
    if last != "]" and text[start:end].rsplit(".", 1)[-1].lower() in _FILES:
        return False
    follows = text[end : end + 2]
    if follows[:1] in {"(", "["} and last != "]":
        return False  # code: a @ b.sum()
    if text[start:at] in {"git", "hg"} and follows[:1] in {":", "/"}:
        return False
    return not (follows[:1] == ":" and follows[1:].isalpha() and "/" in text[end + 1 : end + 80].split(maxsplit=1)[0])


IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_VERSIONED = re.compile(
    r"(?:\b(?:version|versions|ver|v|release|rev|revision|build|firmware|sdk|upgrade[ds]?|driver|kernel|patch|update|"
    r"assemblyversion|fileversion|schema)[\"']?\s{0,2}[:=]?\s{0,2}[\"'(]?|[=~^<>!]{1,2}[=>]?\s?|[A-Za-z)]/|-)\Z",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:ip|addr|address|host|server|from|to|src|dst|client|remote|peer)\w*[\"']?\s?[:=(]?\s?[\"']?\Z", re.IGNORECASE
)
_OCTET = 255
_HEX = frozenset("0123456789abcdefABCDEF")
#: Ranges in use, from IANA's registry of the IPv6 address space.
_RANGES = ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96", "::ffff:0:0/96")
#: Anchored on two colons with at most one group between them; the group before is looked for behind.
IPV6 = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*(?:\.[0-9]{1,3}){0,3}")


def addresses(text: str) -> Iterator[Personal]:
    """IPv4 addresses that are no version, and IPv6 addresses of a range that is in use.

    Not: loopback and unspecified addresses and masks, which belong to nobody.
    """
    for match in IPV4.finditer(text):
        start, end = match.span()
        parts = match[0].split(".")
        if any(int(each) > _OCTET or (len(each) > 1 and each[0] == "0") for each in parts):
            continue
        if int(parts[0]) in {0, 127, 255} or _part(text, start, end) or _version(text, start, end):
            continue
        yield Personal(Kind.IP, start, end, STRENGTH[Kind.IP])
    for match in IPV6.finditer(text):
        start = match.start()
        while start > match.start() - 5 and start and text[start - 1] in _HEX:
            start -= 1
        yield from _ipv6(text, start, match.end())


def _part(text: str, start: int, end: int) -> bool:
    """Whether it is a part of something longer: a word, five numbers with points."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    return (
        before.isalnum()
        or before in {".", "_"}
        or after[:1].isalnum()
        or after[:1] == "_"
        or (after[:1] == "." and after[1:].isdigit())
    )


def _version(text: str, start: int, end: int) -> bool:
    """Whether four numbers with points are a version."""
    before = text[max(0, start - 24) : start]
    found = _VERSIONED.search(before)
    if found is not None and found[0].strip() not in {"=", "<", ">"} and _NAMED.search(before) is None:
        return True
    return re.match(r"-[A-Za-z]|\+[0-9A-Za-z]", text[end : end + 2]) is not None


def _ipv6(text: str, start: int, end: int) -> Iterator[Personal]:
    if start and (text[start - 1].isalnum() or text[start - 1] in "_.:"):
        return
    raw = text[start:end]
    spelled = raw.rstrip(":") if not raw.endswith("::") else raw
    end = start + len(spelled)
    if text[end : end + 1].isalnum() or text[end : end + 1] == "_":
        return
    if _in_use(spelled):
        zone = re.match(r"%[A-Za-z][\w.-]{0,15}", text[end : end + 17])
        yield Personal(Kind.IP, start, end + (zone.end() if zone else 0), STRENGTH[Kind.IP])


def _in_use(spelled: str) -> bool:
    import ipaddress  # noqa: PLC0415 - only when something has the colons of an IPv6 address

    try:
        found = ipaddress.IPv6Address(spelled)
    except ValueError:
        return False
    return any(found in ipaddress.IPv6Network(each) for each in _RANGES)
