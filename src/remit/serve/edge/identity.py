"""Who asks: from the cookie, token or key that a request brings to one ``Caller``, which everything behind reads.

Nothing here decides what somebody may do: that is ``accounts.access.require``, asked in each order's own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal, Protocol, cast

from remit.accounts.key_tokens import prefix_of
from remit.accounts.keys import Keys
from remit.accounts.roles import Permission
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Unauthenticated

type Via = Literal["session", "token", "key", "none"]

#: The cookie of a console session. Browsers keep ``__Host-`` cookies for exactly this host, over HTTPS only.
SESSION_COOKIE = "__Host-remit_session"
#: The same where the console is spoken to in plain HTTP, on this machine alone (development).
PLAIN_SESSION_COOKIE = "remit_session"

BEARER = b"bearer "
NOBODY = Principal(ActorKind.SYSTEM, "nobody")
#: What opens whatever its holder may do. Agents' keys have it, so that the order itself refuses them, on record.
EVERY_SCOPE = frozenset(permission.value for permission in Permission)


class Known(Protocol):
    """What sign-in says of a session, token or key that counts."""

    @property
    def principal(self) -> Principal:
        """Who it is."""
        ...

    @property
    def workspace(self) -> str:
        """Where they act."""
        ...

    @property
    def scopes(self) -> frozenset[str]:
        """What it opens: names of permissions (``accounts.roles``)."""
        ...

    @property
    def session(self) -> str:
        """Which session, token family or key: an id, no secret."""
        ...


class SignIn(Protocol):
    """Who knows sessions, tokens and keys. What it knows is at most 250 ms old; it fails closed.

    Each raises ``Unavailable`` when nobody can be known now, and ``RateLimited`` for an address that tries too often.
    """

    async def session(self, token: str, *, address: str) -> Known | None:
        """Whose console session this is, if it counts."""
        ...

    async def key(self, token: str, *, address: str) -> Known | None:
        """Whose API key this is, if it counts and may be shown from ``address``."""
        ...

    async def access(self, token: str, *, address: str) -> Known | None:
        """Whose access token this is, if it counts."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        principal: A person, an agent (by its virtual key), or nobody.
        workspace: Where they act; empty for nobody.
        via: What they showed.
        scopes: What it opens: names of permissions.
        session: The id of the session, token family or key.
        csrf: The token that this session's forms carry; empty without a session.
        address: Where the request came from, behind the proxies that settings name.
    """

    principal: Principal
    workspace: str
    via: Via
    scopes: frozenset[str]
    session: str
    csrf: str
    address: str

    @property
    def known(self) -> bool:
        """Whether anybody is."""
        return self.via != "none"

    def opens(self, scope: str) -> bool:
        """Whether what they showed opens this."""
        return scope in self.scopes


def nobody(address: str) -> Caller:
    """Who shows nothing."""
    return Caller(NOBODY, "", "none", frozenset(), "", "", address)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request brings: at most one of each. ``bearer`` is a token or a key."""

    session: str = ""
    bearer: str = ""


def shown(headers: Mapping[bytes, bytes], *, production: bool) -> Shown:
    """What a request brings. A header counts before a cookie: a program that sends one means it."""
    authorization = headers.get(b"authorization", b"")
    if authorization:
        if authorization[:7].lower() != BEARER:
            return Shown(bearer="?")  # of a kind that nobody here knows
        return Shown(bearer=authorization[7:].strip().decode("latin-1") or "?")
    key = headers.get(b"x-api-key", b"").strip()
    if key:
        return Shown(bearer=key.decode("latin-1"))
    cookie = headers.get(b"cookie", b"")
    return Shown(session=cookie_in(cookie, production=production)) if cookie else Shown()


def cookie_in(header: bytes, *, production: bool) -> str:
    """The session's token in a ``Cookie`` header; empty when there is none.

    In production only the ``__Host-`` name counts: another one may have been planted from a sister domain.
    """
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header.decode("latin-1"))
    except CookieError:
        return ""
    for name in (SESSION_COOKIE,) if production else (SESSION_COOKIE, PLAIN_SESSION_COOKIE):
        if name in jar:
            return jar[name].value
    return ""


class Identity:
    """Turns what is shown into a caller.

    Args:
        sign_in: Who knows sessions, tokens and keys.
        keys: Who knows agents' virtual keys.
        production: Which cookies count.
    """

    def __init__(self, sign_in: SignIn, keys: Keys, *, production: bool) -> None:
        self._sign_in = sign_in
        self._keys = keys
        self._production = production

    async def caller(self, headers: Mapping[bytes, bytes], address: str) -> Caller:
        """Who asks; nobody when nothing is shown.

        A session that does not count any more is nobody's: its page must still be able to show a sign-in. A token or
        key that does not count is an error: no program means to go on as nobody.

        Raises:
            Unauthenticated: A token or key that does not count. Never says why.
            Unavailable: Nobody can be known now.
        """
        found = shown(headers, production=self._production)
        if found.bearer:
            return await self._bearer(found.bearer, address)
        if found.session:
            known = await self._sign_in.session(found.session, address=address)
            if known is not None:
                return _caller(known, "session", address)
        return nobody(address)

    async def _bearer(self, token: str, address: str) -> Caller:
        virtual = prefix_of(token)
        if virtual:
            key = self._keys.known(token, address=address) or await self._keys.find(token, address=address)
            if key is not None:
                return Caller(key.principal, key.workspace, "key", EVERY_SCOPE, key.id, "", address)
        else:
            signed = token.count(".") == 2  # noqa: PLR2004 - header, payload, signature: a JSON web token
            known = await (self._sign_in.access if signed else self._sign_in.key)(token, address=address)
            if known is not None:
                return _caller(known, "token" if signed else "key", address)
        message = "There is no such token or key, or it does not count any more."
        hint = "remit keys list" if virtual else "remit apikeys list"
        raise Unauthenticated(message, code="api.credential", hint=hint)


def _caller(known: Known, via: Via, address: str) -> Caller:
    return Caller(known.principal, known.workspace, via, known.scopes, known.session, "", address)


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """The caller of a request that came through the edge; nobody of one that did not."""
    state = cast("Mapping[str, Any]", scope.get("state") or {})
    found = state.get("caller")
    return found if isinstance(found, Caller) else nobody("")
