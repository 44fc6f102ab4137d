"""That a write with a console session was meant: the signed double submit, and where the browser says it came from.

A browser sends a session's cookie along with whatever any page makes it ask. So a write that shows a cookie must also
bring a token that no other page can know: in a cookie of its own *and* in a header (or a form's field), both the same,
signed for this session (OWASP's signed double submit: HMAC over the session and a value that nobody knows). It is the
same for as long as the session is, so that pages that are open side by side do not undo each other. Before that, what
the browser says of the page that asks (``Sec-Fetch-Site``, ``Origin``) must not be another site; that holds for sign-in
as well, when there is no session yet. Programs that show a token or key send no cookie: none of this is asked of them.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from remit.kernel.errors import Denied
from remit.serve.edge.asgi import Message, Receive
from remit.serve.edge.cors import Cors
from remit.serve.edge.origin import Origin

HEADER = b"x-csrf-token"
FIELD = "csrf"
_TOKEN = f"{FIELD}=".encode()
COOKIE, PLAIN_COOKIE = "__Host-remit_csrf", "remit_csrf"
MOST_TOKEN = 4096  # bytes of that field
MOST_FORM = 1 << 20  # bytes of a form that is looked into for its token
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_RANDOM = 24
_SERIALISED = re.compile(r"https?://[^\s/?#@]+", re.IGNORECASE)
_PORTS = (("https://", ":443"), ("http://", ":80"))
_FORM = b"application/x-www-form-urlencoded"


class Forms:
    """Makes tokens and checks them.

    Args:
        key: Signs them, 32 bytes.
        production: Whether cookies travel over HTTPS only.
    """

    def __init__(self, key: bytes, *, production: bool) -> None:
        self._key = key
        self._name = COOKIE if production else PLAIN_COOKIE
        self._production = production

    def token(self, session: str) -> str:
        """The token of a session, by its id."""
        named = session.encode("utf-8", "replace")
        random = hmac.digest(self._key, b"value!" + named, "sha256")[:_RANDOM]
        mark = hmac.digest(self._key, b"%d!%b!%b" % (len(named), named, random), "sha256")
        return f"{_text(random)}.{_text(mark)}"

    def in_cookie(self, headers: Mapping[bytes, bytes]) -> str:
        """The token in the request's cookie; empty when there is none."""
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return ""
        return jar[self._name].value if self._name in jar else ""

    def cookie(self, token: str) -> tuple[bytes, bytes]:
        """The header that sets the cookie."""
        more = "; Secure" if self._production else ""
        return b"set-cookie", f"{self._name}={token}; Path=/; HttpOnly; SameSite=Lax{more}".encode()

    def check(self, session: str, headers: Mapping[bytes, bytes], brought: str) -> None:
        """Refuse a write with a session that no page of ours made.

        Raises:
            Denied: It brings no token, or not the one of its cookie, or one that was made for another session.
        """
        own = self.token(session).encode()
        cookie = self.in_cookie(headers).encode("utf-8", "replace")
        if not (hmac.compare_digest(own, cookie) & hmac.compare_digest(own, brought.encode("utf-8", "replace"))):
            message = "The write does not bring the token of its session, so another page may have sent it."
            raise Denied(message, code="api.csrf", hint="GET /api/v1/csrf, and send its token as X-CSRF-Token")


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def check_site(method: str, headers: Mapping[bytes, bytes], origin: Origin, cors: Cors, own: str) -> None:
    """Refuse a write that a browser says a page of another site asked for.

    Args:
        method: The request's.
        headers: The request's.
        origin: Where it came from.
        cors: Which other origins may ask.
        own: The address that people reach this server at, beside the one that was asked for; may be empty.

    Raises:
        Denied: Another site's page asks.
    """
    if method in SAFE:
        return
    said = headers.get(b"origin", b"")
    if said and cors.allows(said):
        return
    site = headers.get(b"sec-fetch-site", b"same-origin")
    foreign = bool(said) and not own_page(headers, origin, own)
    if foreign or site not in {b"same-origin", b"none"}:
        message = f"A page of another site ({plain_origin(said.decode('latin-1').lower())}) asked for this."
        raise Denied(message, code="api.origin", hint="add its origin to the setting cors_origins, if it is yours")


def own_page(headers: Mapping[bytes, bytes], origin: Origin, own: str) -> bool:
    """Whether the browser says that a page of ours asks: of the address that was asked for, or of ``public_url``.

    Names are compared without case, ports with each scheme's own left out (RFC 6454, 6.2). A page without an origin
    (``null``: a sandboxed frame, a file) is never ours.
    """
    said = headers.get(b"origin", b"").decode("latin-1")
    return _SERIALISED.fullmatch(said) is not None and _bare(said) in {_bare(origin.url), _bare(own)}


def _bare(url: str) -> str:
    """Scheme, host and port as browsers write them."""
    url = url.lower().rstrip("/")
    for scheme, port in _PORTS:
        if url.startswith(scheme):
            return url.removesuffix(port)
    return url


def plain_origin(text: str) -> str:
    """An origin, fit to be shown."""
    return text[:100].encode("ascii", "replace").decode() if text.isprintable() and text else "unknown"


async def form_token(headers: Mapping[bytes, bytes], receive: Receive) -> tuple[str, Receive]:
    """The token in a form's field, and a ``receive`` that gives the body again; empty when it is no such form."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != _FORM:
        return "", receive
    kept: list[Message] = []
    body = b""
    while len(body) <= MOST_FORM:
        message = await receive()
        kept.append(message)
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break

    async def again() -> Message:
        return kept.pop(0) if kept else await receive()

    return _token(body[:MOST_FORM]), again


def _token(body: bytes) -> str:
    """The token's field of a form with however many others; only that one is read."""
    at = body.find(b"&" + _TOKEN) + 1
    if not at and not body.startswith(_TOKEN):
        return ""
    pair = body[at : at + MOST_TOKEN].partition(b"&")[0]
    return parse_qs(pair.decode("utf-8", "replace")).get(FIELD, [""])[0]
