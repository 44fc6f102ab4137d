"""Whether a site's robots.txt lets an agent fetch an address: RFC 9309 over bytes, without regular expressions.

The RFC and Google's published parser differ in how escapes compare, which misspelt keys count, and where a long line
ends. Each rule set is therefore read three times, and an address is allowed only if every reading allows it:

    Google        escapes of the rule in upper case, non-ASCII octets of the rule escaped, the address as it stands;
                  keys by their beginning, with its list of frequent misspellings, and without a colon
    RFC 9309      the three keys alone; section 2.2.2: reserved and non-ASCII octets escaped, escaped unreserved octets
                  of the address unescaped
    both sides    as RFC 9309, with the rule's unreserved octets unescaped too

Not taken over from Google: ``index.html`` standing for its folder (it only ever allows more).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

#: RFC 9309, section 2.5: a parser reads at least so much; what comes after is not read.
MOST_BYTES = 500 * 1024
#: Google's parser drops the rest of a line (2083 is a browser's longest address, times 8, less the final NUL).
_LONGEST_LINE = 2083 * 8 - 1
#: A longer address is refused whatever the rules say: nobody means one.
MOST_URL = 8 * 1024

_BOM = b"\xef\xbb\xbf"
_TOKEN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
_SPACE = b" \t\v\f"
_IMPLIED = b"/robots.txt"  # RFC 9309, section 2.2.2: implicitly allowed


def robots_allowed(robots_body: bytes, user_agent: str, url: str) -> bool:
    """Whether ``user_agent`` may fetch ``url`` by the rules of ``robots_body`` (RFC 9309).

    Never more permissive than the RFC or Google's parser: where they differ, the address is refused if either refuses.
    Time grows with the size of the body (at most 500 KiB are read) times the length of the address, in any case.

    Args:
        robots_body: The file as it came. Empty or unreadable bytes hold no rule, so they allow everything. What a
            status other than 200 means is the caller's: 4xx allows, 5xx refuses.
        user_agent: A product token (``RemitBot``) or a whole User-Agent header: its token is the name after
            ``compatible;``, else the leading one. Versions and letter case don't matter. A name that is no token
            (``Foo Bar``, ``bot9``) is held both to the group of its beginning and to the group of everybody.
        url: Absolute, or a path; the query counts, the fragment doesn't; no path is ``/``. Over 8 KiB is refused.
    """
    address = url.encode("utf-8", "surrogatepass")
    if len(address) > MOST_URL:
        return False
    target = path_of(address)
    if target == _IMPLIED:
        return True
    targets = dict.fromkeys((target, _without_dots(target)))
    names = _names(user_agent.encode("utf-8", "surrogatepass"))
    lines = {loose: tuple(_lines(robots_body, loose=loose)) for loose in (False, True)}
    return all(
        _allows(lines[reading.loose], name, reading.target(each), rule=reading.rule)
        for reading in _READINGS
        for name in names
        for each in targets
    )


def path_of(url: bytes) -> bytes:
    """Path, parameters and query of an address, as Google's parser cuts it: from the first ``/``, ``?`` or ``;``."""
    start = 2 if url.startswith(b"//") else 0
    scheme = url.find(b"://", start)
    early = _first_of(url, b"/?;", start)
    if scheme >= 0 and (early < 0 or scheme < early):
        start = scheme + 3
    begins = _first_of(url, b"/?;", start)
    ends = url.find(b"#")
    if begins < 0 or 0 <= ends < begins:
        return b"/"
    path = url[begins:] if ends < 0 else url[begins:ends]
    return path if path.startswith(b"/") else b"/" + path


def _first_of(text: bytes, marks: bytes, start: int) -> int:
    found = [at for mark in marks if (at := text.find(mark, start)) >= 0]
    return min(found, default=-1)


def _without_dots(target: bytes) -> bytes:
    """The path that a client asks for: ``/a/../b`` is ``/b`` (RFC 3986, section 5.2.4; browsers read %2e so too)."""
    path, mark, query = target.partition(b"?")
    if b"." not in path and b"%2" not in path:
        return target
    kept: list[bytes] = []
    parts = path.split(b"/")[1:]
    for number, part in enumerate(parts, 1):
        plain = part.replace(b"%2e", b".").replace(b"%2E", b".")
        if plain not in {b".", b".."}:
            kept.append(part)
            continue
        if plain == b".." and kept:
            kept.pop()
        if number == len(parts):
            kept.append(b"")
    return b"/" + b"/".join(kept) + mark + query


# ------------------------------------------------------------------------------------------------------------- agents


def _token(text: bytes) -> bytes:
    """The product token at the beginning: letters, ``_`` and ``-`` (RFC 9309, section 2.2.1)."""
    for at, octet in enumerate(text):
        if octet not in _TOKEN:
            return text[:at]
    return text


def _names(agent: bytes) -> tuple[bytes, ...]:
    """The tokens to hold an agent to, in lower case; ``b""`` is held to the groups of everybody."""
    agent = agent.strip(_SPACE)
    _, marked, named = agent.partition(b"compatible;")
    if marked and (name := _token(named.strip(_SPACE))):
        return (name.lower(),)
    name = _token(agent)
    rest = agent[len(name) :]
    if not rest or rest.startswith(b"/"):
        return (name.lower(),)
    return tuple(dict.fromkeys((name.lower(), b"")))


# -------------------------------------------------------------------------------------------------------------- lines


class _Key(StrEnum):
    AGENT = "user-agent"
    ALLOW = "allow"
    DISALLOW = "disallow"


#: Beginnings of keys that Google's parser takes, its frequent misspellings among them.
_LOOSE: tuple[tuple[tuple[bytes, ...], _Key], ...] = (
    ((b"user-agent", b"useragent", b"user agent"), _Key.AGENT),
    ((b"allow",), _Key.ALLOW),
    ((b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"), _Key.DISALLOW),
)
_STRICT = {key.value.encode(): key for key in _Key}

type _Lines = tuple[tuple[_Key, bytes], ...]


def _lines(body: bytes, *, loose: bool) -> Iterator[tuple[_Key, bytes]]:
    """The lines that mean something: key and value. Whatever else stands there is passed over and ends no group."""
    whole = len(body) <= MOST_BYTES
    read = body[:MOST_BYTES].removeprefix(_BOM).replace(b"\r", b"\n").split(b"\n")
    for number, line in enumerate(read, 1):
        found = _line(line, loose=loose)
        # A line that the cap cut in two: a shortened Disallow refuses more, a shortened Allow would allow more.
        cut = number == len(read) and not whole
        if found is not None and not (cut and found[0] is not _Key.DISALLOW):
            yield found


def _line(line: bytes, *, loose: bool) -> tuple[_Key, bytes] | None:
    if loose:
        line = line[:_LONGEST_LINE].partition(b"\0")[0]
    line = line.partition(b"#")[0].strip(_SPACE)
    key, colon, value = line.partition(b":")
    if not colon and loose:
        words = line.split()
        if len(words) != 2:  # noqa: PLR2004 - without a colon: exactly a key and a value
            return None
        key, value = words
    elif not colon:
        return None
    key, value = key.strip(_SPACE).lower(), value.strip(_SPACE)
    if not loose:
        return (_STRICT[key], value) if key in _STRICT else None
    return next(((kind, value) for begins, kind in _LOOSE if key.startswith(begins)), None)


# -------------------------------------------------------------------------------------------------------------- rules


def _allows(lines: _Lines, name: bytes, target: bytes, *, rule: Callable[[bytes], bytes]) -> bool:
    """The longest rule that matches decides; of two equally long ones the one that allows; none allows."""
    best = {False: (0, 0), True: (0, 0)}  # by "names this agent": longest Allow, longest Disallow
    known = mine = everybody = ruled = False
    for key, value in lines:
        if key is _Key.AGENT:
            if ruled:
                mine = everybody = ruled = False
            if value == b"*" or (value[:1] == b"*" and value[1:2].isspace()):
                everybody = True
            elif name and _token(value).lower() == name:
                mine = known = True
            continue
        ruled = True
        if not (mine or everybody):
            continue
        pattern = rule(value)
        allowed, refused = best[mine]
        if len(pattern) <= (allowed if key is _Key.ALLOW else refused) or not matches(pattern, target):
            continue
        best[mine] = (len(pattern), refused) if key is _Key.ALLOW else (allowed, len(pattern))
    allowed, refused = best[known]
    return allowed >= refused


def matches(pattern: bytes, target: bytes) -> bool:
    """Whether ``pattern`` matches the beginning of ``target``: ``*`` is any octets, a final ``$`` the end.

    Each part between stars is taken where it first stands, so that the target is walked once.
    """
    anchored = pattern.endswith(b"$")
    first, *rest = (pattern[:-1] if anchored else pattern).split(b"*")
    if not target.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not anchored or at == len(target)
    last = rest.pop() if anchored else b""
    for part in rest:
        at = target.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return not anchored or (len(target) - len(last) >= at and target.endswith(last))


# ----------------------------------------------------------------------------------------------------------- readings

_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_HIGH = re.compile(rb"[\x80-\xff]")
#: Reserved (RFC 3986, section 2.2), but for what gives path and query their shape, and what a rule means by * and $.
_IN_PATH = re.compile(rb"[\x80-\xff:#\[\]@!'()+,;]")
_IN_QUERY = re.compile(rb"[\x80-\xff:#\[\]@!'()+,;/?]")


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _upper(found: re.Match[bytes]) -> bytes:
    return found[0].upper()


def _unescape(found: re.Match[bytes]) -> bytes:
    octet = int(found[0][1:], 16)
    return bytes((octet,)) if octet in _UNRESERVED else found[0].upper()


def _google_rule(value: bytes) -> bytes:
    """Escapes in upper case, non-ASCII octets escaped."""
    if value.isascii() and b"%" not in value:
        return value
    return _HIGH.sub(_escape, _ESCAPE.sub(_upper, value))


def _escaped(value: bytes) -> bytes:
    path, mark, query = value.partition(b"?")
    return _IN_PATH.sub(_escape, path) + mark + _IN_QUERY.sub(_escape, query)


def _rfc_rule(value: bytes) -> bytes:
    """Reserved and non-ASCII octets escaped; a ``$`` that isn't the last octet stands for itself."""
    body, end = (value[:-1], b"$") if value.endswith(b"$") else (value, b"")
    return _escaped(_ESCAPE.sub(_upper, body)).replace(b"$", b"%24") + end


def _rfc_target(target: bytes) -> bytes:
    """Reserved and non-ASCII octets escaped, escaped unreserved ones unescaped; ``*`` and ``$`` are octets here."""
    return _escaped(_ESCAPE.sub(_unescape, target)).replace(b"*", b"%2A").replace(b"$", b"%24")


def _both_rule(value: bytes) -> bytes:
    return _rfc_rule(_ESCAPE.sub(_unescape, value))


def _as_it_stands(target: bytes) -> bytes:
    return target


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to understand rules and addresses."""

    loose: bool
    rule: Callable[[bytes], bytes]
    target: Callable[[bytes], bytes]


_READINGS = (
    _Reading(loose=True, rule=_google_rule, target=_as_it_stands),
    _Reading(loose=False, rule=_rfc_rule, target=_rfc_target),
    _Reading(loose=False, rule=_both_rule, target=_rfc_target),
)
