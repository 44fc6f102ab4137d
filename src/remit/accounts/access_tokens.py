"""Access tokens: JWTs that hold for minutes, and only while the session that they belong to does (RFC 7519, RFC 9068).

A token says who and for which session; that the session still holds is asked of the store with each request, so
nothing outlives a sign-out or a removed account. Read with exactly the algorithm and the claims that they are issued
with: another algorithm (``none`` among them), type, issuer or audience is no token of ours (RFC 8725).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.accounts.known import scopes_of
from remit.kernel.clock import Clock, micros_of
from remit.kernel.ids import is_id, new_id

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

ALGORITHM = "HS256"
TYPE = "at+jwt"
AUDIENCE = "remit-api"
LONGEST = 2048  # characters; one of ours has under 700
_LEEWAY_S = 5
_TEXTS = ("sid", "sub", "workspace", "scope", "jti")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says."""

    session: str
    person: str
    workspace: str
    scopes: frozenset[str]
    expires_us: int
    id: str


class AccessTokens:
    """Issues and reads them.

    Args:
        key: Signs them, 32 bytes, see ``signing``.
        clock: Wall time.
        issuer: Which install: a token of another one is refused, even under the same key.
        seconds: How long one holds.
    """

    def __init__(self, key: bytes, *, clock: Clock, issuer: str, seconds: float) -> None:
        self._bytes = key
        self._clock = clock
        self._issuer = issuer
        self._seconds = seconds
        self._made: OctKey | None = None

    def _key(self) -> OctKey:
        if self._made is None:
            from joserfc.jwk import OctKey  # noqa: PLC0415 - commands that read no token don't pay for it

            self._made = OctKey.import_key(self._bytes)
        return self._made

    def issue(self, *, session: str, person: str, workspace: str, scopes: frozenset[str]) -> tuple[str, int]:
        """A token for a session, and until when it holds (microseconds)."""
        from joserfc import jwt  # noqa: PLC0415 - as above

        now = micros_of(self._clock.now()) // 1_000_000
        expires = now + round(self._seconds)
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": person,
            "workspace": workspace,
            "sid": session,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": expires,
            "jti": new_id(),
        }
        token = jwt.encode({"alg": ALGORITHM, "typ": TYPE}, claims, self._key(), algorithms=[ALGORITHM])
        return token, expires * 1_000_000

    def read(self, token: str) -> Claims | None:
        """What it says, if it is ours and holds now; ``None`` for every other reason."""
        from joserfc import jwt  # noqa: PLC0415 - as above
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above

        if not 0 < len(token) <= LONGEST or not token.isascii():
            return None
        try:
            found = jwt.decode(token, self._key(), algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return self._judge(found.header, found.claims)

    def _judge(self, header: Mapping[str, object], claims: Mapping[str, object]) -> Claims | None:
        if dict(header) != {"alg": ALGORITHM, "typ": TYPE}:
            return None  # no key, certificate or address of a key is ever taken from a token
        if claims.get("iss") != self._issuer or claims.get("aud") != AUDIENCE:
            return None
        texts = [text for name in _TEXTS if isinstance(text := claims.get(name), str)]
        times = [time for name in ("iat", "exp") if type(time := claims.get(name)) is int]
        if len(texts) != len(_TEXTS) or len(times) != 2:  # noqa: PLR2004 - as asked for in the line before
            return None
        session, person, workspace, scope, jti = texts
        issued, expires = times
        now = micros_of(self._clock.now()) // 1_000_000
        if not is_id(session) or not issued - _LEEWAY_S <= now < expires:
            return None
        return Claims(session, person, workspace, scopes_of(scope.split()), expires * 1_000_000, jti)
