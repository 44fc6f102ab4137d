"""What a fetch may be, before anything is asked of anybody: address, port, method, headers; and how it is shown.

The names are judged here, in the guard's check ``authorise`` and again at every hop. The addresses that they lead to
are judged where the connection is made (``adapters/fetch``), by ``kernel.addresses``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from remit.kernel.effects import Fetch
from remit.kernel.urls import UnreadableUrl, Url, read_url

if TYPE_CHECKING:  # ipaddress costs start-up time, and most commands judge no address
    from remit.kernel.addresses import Network

METHODS = frozenset({"GET", "HEAD"})
#: Product token of robots.txt, and what the User-Agent header begins with.
AGENT = "Remit"
MOST_HEADERS = 32
LONGEST_HEADER = 8192  # characters of a value, before references are resolved

#: Names of headers that carry credentials: never literally, only by reference.
_CREDENTIAL = re.compile(r"(?i)auth|cookie|token|secret|passw|credential|api-?key|session|jwt|signature")
#: Headers that the fetcher sets itself, that frame a message, or that speak for somebody else.
_RESERVED = frozenset(
    {
        *("host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer", "upgrade"),
        *("keep-alive", "expect", "accept-encoding", "user-agent", "via", "forwarded", "x-real-ip", "x-original-url"),
        *("x-rewrite-url", "x-http-method-override", "x-method-override", "range", "if-range"),
        *("metadata", "metadata-flavor", "x-google-metadata-request"),  # what a cloud's metadata service asks for
    }
)
_RESERVED_BEGINNINGS = ("proxy-", "sec-", "x-forwarded-", "x-aws-ec2-metadata-", "x-metadata-", ":")

#: Names of metadata services: refused whatever they lead to.
_METADATA = frozenset(
    {
        *("metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"),
        *("metadata.azure.internal", "metadata.azure.com", "metadata.tencentyun.com", "metadata.packet.net"),
        *("metadata.platformequinix.com", "metadata.udhcpc.internal", "api.metadata.cloud.ibm.com"),
    }
)

#: A whole value, or what comes after one word (``Bearer secret://NAME``).
REFERENCE = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]{0,31} )?secret://[A-Za-z0-9_][A-Za-z0-9_.#/-]{0,199}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_SECRET_NAME = re.compile(
    r"(?i)pass|pwd|secret|token|sig|auth|credential|session|jwt|otp|key|^(?:code|state|nonce|sid|ticket|hmac|hash)$"
)
_OPAQUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_=.~-]{24,}")
_USER = re.compile(r"(?<=//)[^/?#@]*@")
_HIDDEN = "[REDACTED:query]"


@dataclass(frozen=True, slots=True)
class FetchTerms:
    """How this install fetches.

    Attributes:
        ports: Ports that may be asked.
        opened: Private networks that may be reached.
        user_agent: The User-Agent header; its product token is what robots.txt is asked for.
        timeout_s: Seconds for all of a fetch: names, connections, robots.txt, redirects, bodies.
        most_bytes: Bytes of a page, compressed or not.
        ca_file: A file of certificate authorities (PEM) that are trusted beside the system's; empty: none.
    """

    ports: frozenset[int] = frozenset({80, 443})
    opened: tuple[Network, ...] = ()
    user_agent: str = AGENT
    timeout_s: float = 10.0
    most_bytes: int = 5 << 20
    ca_file: str = ""

    @property
    def agent(self) -> str:
        """The product token."""
        return self.user_agent.partition("/")[0].partition(" ")[0]


SHIPPED_TERMS = FetchTerms()


def effect_problem(effect: Fetch, terms: FetchTerms) -> str:
    """Why nothing like this is fetched, as a sentence with what to do; empty when it may be."""
    try:
        url = read_url(effect.url)
    except UnreadableUrl as error:
        return f"The address can't be fetched: {error}."
    if effect.method.upper() not in METHODS:
        return f"The method {effect.method[:20]!r} is none of reading: a fetch is GET or HEAD."
    return url_problem(url, terms) or _headers_problem(effect.headers, url)


def url_problem(url: Url, terms: FetchTerms) -> str:
    """Why this address is never asked, whoever asks, as a sentence; empty when it may be."""
    problem = address_problem(url.host, url.host, terms) if url.literal else _name_problem(url, terms)
    if not problem and url.port not in terms.ports:
        known = ", ".join(map(str, sorted(terms.ports)))
        problem = f"The port {url.port} is not allowed (the setting fetch_ports allows {known})."
    return problem


def _name_problem(url: Url, terms: FetchTerms) -> str:
    if url.host in _METADATA:
        return f"The host {url.host} is a cloud's metadata service, which is never fetched from."
    local = url.host == "localhost" or url.host.endswith(".localhost")
    if local and _opens_loopback(terms):
        return ""
    if local or "." not in url.host:
        why = "means this machine" if local else "has no dot, so every network reads it in its own way"
        return f"The host {url.host} {why}; use a full public name, or open a network with the setting fetch_private."
    return ""


def address_problem(address: str, host: str, terms: FetchTerms) -> str:
    """Why a connection to ``address``, where ``host`` lies, is refused, as a sentence; empty when it may be made."""
    from remit.kernel.addresses import judge_address  # noqa: PLC0415 - see above

    why = judge_address(address, terms.opened)
    if not why:
        return ""
    where = address if address == host else f"{host} lies at {address}, which"
    return f"{where} is no public address ({why}), so nothing is fetched from it."


def _opens_loopback(terms: FetchTerms) -> bool:
    return any(network.is_loopback for network in terms.opened)


def _headers_problem(headers: Mapping[str, str], url: Url) -> str:
    if len(headers) > MOST_HEADERS:
        return f"It has {len(headers)} headers; at most {MOST_HEADERS} are sent."
    names = [name.lower() for name in headers]
    if len(set(names)) != len(names):
        return "A header stands there twice, in different letters."
    told = (_header_problem(name, value, url) for name, value in headers.items())
    return next((problem for problem in told if problem), "")


def _header_problem(name: str, value: str, url: Url) -> str:
    lowered = name.lower()
    if not _TOKEN.fullmatch(name):
        return f"{name[:60]!r} is no name of a header."
    if lowered in _RESERVED or lowered.startswith(_RESERVED_BEGINNINGS):
        return f"The header {name[:60]} can't be set: the fetcher sets it itself, or nobody may."
    if len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value):
        return f"The value of the header {name[:60]} is no line of printable ASCII."
    return _credential_problem(name, value, url)


def _credential_problem(name: str, value: str, url: Url) -> str:
    refers = REFERENCE.fullmatch(value) is not None
    if "secret://" in value and not refers:
        return f"The header {name[:60]} refers to a secret in the middle: write secret://NAME, or Bearer secret://NAME."
    if _CREDENTIAL.search(name) and not refers:
        return f"The header {name[:60]} holds a credential: refer to it as secret://NAME."
    if refers and url.scheme != "https":
        return f"The header {name[:60]} holds a secret, which goes over https only."
    return ""


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What of an effect's headers still goes along when a redirect leaves the origin: what any reader might send."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() in {"accept", "accept-language"} and not REFERENCE.fullmatch(value)
    }


def shown_url(text: str, mask: Callable[[str], str]) -> str:
    """An address as it is logged and shown: secrets masked, users and query values that look like secrets left out."""
    head, mark, rest = text.partition("?")
    head = _USER.sub("[REDACTED:user]@", head)
    if mark:
        query, fragment, tail = rest.partition("#")
        head += mark + "&".join(map(_pair, query.split("&"))) + fragment + tail
    return mask(head)


def _pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    plain = unquote_plus(value)
    if equals and plain and (_SECRET_NAME.search(unquote_plus(name)) or _OPAQUE.search(plain)):
        return f"{name}={_HIDDEN}"
    return f"{_HIDDEN}" if not equals and _OPAQUE.fullmatch(unquote_plus(name)) else pair
