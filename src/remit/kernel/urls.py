"""The one reading of web addresses: rules, limits and reach judge exactly the host that is connected to.

Programs disagree about URLs (RFC 3986, WHATWG, and what libraries make of either), and every disagreement is a way past
a check that reads one host while the connection goes to another. So an address that two of them could read differently
is refused; what has several harmless spellings (case, a final dot, IDNA, dot segments, a default port) is brought to
one, and only that one is judged, shown and asked for.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

LONGEST = 8192  # characters
PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?")
#: Spaces, controls, separators and backslashes: browsers drop, trim or turn them, libraries don't.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]")
_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # WHATWG's "ends in a number": read as an IPv4 address, in any notation
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_PORT = re.compile(r"[0-9]{1,5}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DOT = re.compile(r"%2[eE]")
_DOTS = "\u3002\uff0e\uff61\u2024\ufe52"  # full stops that become one: IDNA 2003 names three, NFKC two more
_MOST_PORT = 65_535


class UnreadableUrl(ValueError):
    """An address that is none, or that programs could read in different ways. The message says why, as a clause."""


@dataclass(frozen=True, slots=True)
class Url:
    """An address in its one spelling.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A name as DNS has it (lower case, ASCII, no dot at its end) or an IP address, IPv6 without brackets.
        port: The port, named or default.
        path: Begins with a slash, without dot segments, escaped.
        query: Without the question mark; empty: none.
        literal: Whether the host is an IP address.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    literal: bool = False

    @property
    def authority(self) -> str:
        """Host, and port unless it is the scheme's own: the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """``https://example.org``."""
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """Path and query: what is asked of the server."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        """The whole address."""
        return self.origin + self.target


@functools.lru_cache(512)
def known_url(text: str) -> Url | None:
    """As ``read_url``; ``None`` for an address that can't be read in one way."""
    try:
        return read_url(text)
    except UnreadableUrl:
        return None


def read_url(text: str) -> Url:
    """Read an absolute address with the scheme ``http`` or ``https``. A fragment is dropped: no server sees it.

    Raises:
        UnreadableUrl: It is none, or programs could read it in different ways.
    """
    if len(text) > LONGEST:
        raise UnreadableUrl(f"it is longer than {LONGEST} characters")
    unfit = _UNFIT.search(text)
    if unfit is not None:
        shown = f"U+{ord(unfit.group()):04X}"
        raise UnreadableUrl(
            f"it holds a space, control character or backslash ({shown}), which programs read differently"
        )
    parts = _URL.fullmatch(text)
    if parts is None:
        raise UnreadableUrl("it is no absolute address such as https://example.org/page")
    scheme = parts["scheme"].lower()
    if scheme not in PORTS:
        raise UnreadableUrl(f"the scheme {scheme[:20]!r} is neither http nor https")
    host, port, literal = _authority(parts["authority"], scheme)
    return Url(scheme, host, port, _path(parts["path"] or "/"), _escaped(parts["query"] or ""), literal)


def join_url(base: Url, location: str) -> Url:
    """The address that ``location``, found at ``base`` (a redirect, a link), means.

    Raises:
        UnreadableUrl: As ``read_url``.
    """
    if _UNFIT.search(location) or len(location) > LONGEST:
        return read_url(location)  # which says why not
    if _SCHEME.match(location):
        return read_url(location)
    if location.startswith("//"):
        return read_url(f"{base.scheme}:{location}")
    location = location.partition("#")[0]
    path, mark, query = location.partition("?")
    if path.startswith("/"):
        whole = location
    elif path:
        whole = f"{base.path.rpartition('/')[0]}/{location}"
    else:
        whole = f"{base.path}?{query}" if mark else base.target
    return read_url(base.origin + whole)


def read_host(text: str) -> tuple[str, bool]:
    """A host in its one spelling, and whether it is an IP address (IPv6 without brackets).

    Raises:
        UnreadableUrl: It is none, or could be read as another.
    """
    if text.startswith("[") or text.endswith("]"):
        return _ipv6(text), True
    name = text if text.isascii() else _ascii(text)
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise UnreadableUrl(f"{text[:80]!r} is no host name")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _ipv4(name), True
    return name, False


def _authority(text: str, scheme: str) -> tuple[str, int, bool]:
    if "@" in text:
        raise UnreadableUrl("it names a user before an @, which hides the host; credentials belong in a header")
    host, colon, port = text, "", ""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise UnreadableUrl("something other than a port follows the ]")
        colon, port = rest[:1], rest[1:]
    elif ":" in text:
        host, colon, port = text.partition(":")
    if not host:
        raise UnreadableUrl("it has no host")
    if colon and (not _PORT.fullmatch(port) or not 0 < int(port) <= _MOST_PORT):
        raise UnreadableUrl(f"{port[:20]!r} is no port")
    name, literal = read_host(host)
    return name, int(port) if colon else PORTS[scheme], literal


def _ipv4(name: str) -> str:
    """Only four decimal numbers: octal, hexadecimal, short and whole-number notations mean different addresses."""
    from ipaddress import IPv4Address  # noqa: PLC0415 - costs start-up time, and few addresses are numbers

    try:
        return str(IPv4Address(name))
    except ValueError:
        raise UnreadableUrl(f"{name[:60]!r} is a notation of an IPv4 address that programs read differently") from None


def _ipv6(text: str) -> str:
    from ipaddress import IPv6Address  # noqa: PLC0415 - as above

    inner = text[1:-1]
    if text[:1] != "[" or text[-1:] != "]" or not _IPV6.fullmatch(inner):
        raise UnreadableUrl(f"{text[:60]!r} is no IPv6 address in brackets (without a zone)")
    try:
        return str(IPv6Address(inner))
    except ValueError:
        raise UnreadableUrl(f"{text[:60]!r} is no IPv6 address") from None


def _ascii(text: str) -> str:
    """A name in another script as DNS has it, if every version of IDNA agrees.

    A label that only looks foreign (fullwidth letters, circled digits, other full stops) would turn into an ASCII name
    or number that nobody saw: refused, as is one that IDNA 2003 and IDNA 2008 (UTS 46) encode differently.
    """
    import idna  # noqa: PLC0415 - large tables, for names in other scripts only

    if any(dot in text for dot in _DOTS):
        raise UnreadableUrl("its host has a full stop of another script, which programs read differently")
    labels: list[str] = []
    for label in text.split("."):
        if label.isascii():
            labels.append(label)
            continue
        try:
            new = idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
            old = label.lower().encode("idna").decode("ascii")
        except UnicodeError as error:
            raise UnreadableUrl(f"{text[:60]!r} is no host name: {str(error)[:100]}") from None
        if new != old or not new.startswith("xn--"):
            raise UnreadableUrl(
                f"the label {label[:60]!r} is read differently by IDNA 2003 and 2008; write it as xn--…"
            )
        labels.append(new)
    return ".".join(labels)


def _escaped(text: str) -> str:
    """Characters that an address can't hold, as %XX of their UTF-8."""
    if _BROKEN_ESCAPE.search(text):
        raise UnreadableUrl("it has a % without two hexadecimal digits; a percent sign itself is written %25")
    return _ESCAPED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), text)


def _path(text: str) -> str:
    """Escaped, without ``.`` and ``..`` (RFC 3986, section 5.2.4), also where those are escaped (WHATWG)."""
    kept: list[str] = []
    parts = _escaped(text).split("/")[1:]
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        plain = _DOT.sub(".", part) if len(part) <= len("%2e%2e") else part
        if plain == "..":
            if kept:
                kept.pop()
            if last:
                kept.append("")
        elif plain == ".":
            if last:
                kept.append("")
        else:
            kept.append(part)
    return "/" + "/".join(kept)
