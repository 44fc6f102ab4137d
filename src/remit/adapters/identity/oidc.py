"""An OpenID provider, asked for who somebody is: authorization code with PKCE (OpenID Connect Core 1.0, RFC 9700).

The provider's own metadata is believed where it is the named issuer's; its keys are fetched again when it signs with
one that is not known (rotation). An ID token counts only when an asymmetric algorithm of our list signed it and issuer,
audience, times, nonce and the hash of the access token are right. No redirect is followed, answers are bounded, and
whatever is wrong is one refusal.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpcore
import orjson

from remit.accounts.provider import Departure, Verified
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import InvalidAnswer, RemitError, Unauthenticated, Unavailable

#: Asymmetric ones alone: with ``none`` or a shared secret a client could make tokens itself (RFC 8725, 3.1).
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
#: Ways of having asked for a second factor (RFC 8176).
STRONG = frozenset({"mfa", "otp", "hwk", "swk", "sc"})
SCOPE = "openid email profile"
TIME_S = 10.0
MOST_BYTES = 1 << 20
#: How old metadata and keys may be, and how soon unknown keys are asked for again. Seconds.
KEEP_S, AGAIN_S = 3600.0, 5.0
LEEWAY_S = 30

_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError)


class OpenIdProvider:
    """``accounts.provider.Provider``.

    Args:
        issuer: Its address, exactly as it names itself.
        client_id: This install's name there.
        secret: This install's secret there, or what gives it, asked each time that it is needed (it may block); empty
            for a public client.
        clock: Wall and monotonic time.
        trust: Certificates; the system's when left out.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        secret: str | Callable[[], str],
        clock: Clock,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._issuer = issuer
        self._client = client_id
        self._secret = secret
        self._clock = clock
        self._trust = trust
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Any] | None = None

    async def address(self, departure: Departure, *, redirect: str) -> str:
        """See ``Provider``."""
        from authlib.oauth2.rfc6749 import parameters
        from authlib.oauth2.rfc7636 import challenge

        # The library has no types; these are its functions as they are documented.
        prepare: Callable[..., str] = parameters.prepare_grant_uri  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        hashed: Callable[[str], str] = challenge.create_s256_code_challenge  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        metadata = await self._described()
        return prepare(
            metadata["authorization_endpoint"],
            self._client,
            "code",
            redirect_uri=redirect,
            scope=SCOPE,
            state=departure.state,
            nonce=departure.nonce,
            code_challenge=hashed(departure.verifier),
            code_challenge_method="S256",
        )

    async def verify(self, code: str, departure: Departure, *, redirect: str) -> Verified:
        """See ``Provider``."""
        answer = await self._exchange(code, departure, redirect)
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str) or not isinstance(access, str):
            raise _refused()
        claims = await self._claims(token, access, departure.nonce)
        email = claims.get("email")
        return Verified(
            issuer=self._issuer,
            subject=str(claims["sub"])[:255],
            email=email if isinstance(email, str) else "",
            email_verified=claims.get("email_verified") is True,
            name=str(claims.get("name") or "")[:200],
            strong=bool(STRONG & {str(each) for each in claims.get("amr") or ()}),
        )

    # ----------------------------------------------------------------------------------------------------- the protocol

    async def _exchange(self, code: str, departure: Departure, redirect: str) -> Mapping[str, Any]:
        metadata = await self._described()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": departure.verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secret = self._secret if isinstance(self._secret, str) else await asyncio.to_thread(self._secret)
        if secret:
            pair = f"{quote(self._client, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = self._client
        status, body = await self._ask("POST", str(metadata["token_endpoint"]), headers, urlencode(form).encode())
        if status != 200:  # noqa: PLR2004 - HTTP
            raise _refused()
        return _object(body)

    async def _claims(self, token: str, access: str, nonce: str) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        known = self._keys
        for fresh in (False, True):
            if fresh and known is not None and self._clock.monotonic() - known[0] < AGAIN_S:
                break
            keys = await self._signers(fresh=fresh)
            try:
                found = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # once more with the keys that it has now: it may have changed them
            now = micros_of(self._clock.now()) // 1_000_000
            try:
                claims = CodeIDToken(
                    found.claims,
                    found.header,
                    {
                        "iss": {"essential": True, "value": self._issuer},
                        "aud": {"essential": True, "value": self._client},
                    },
                    {"nonce": nonce, "client_id": self._client, "access_token": access},
                )
                claims.validate(now=now, leeway=LEEWAY_S)  # pyright: ignore[reportUnknownMemberType] - no types
            except (JoseError, ValueError, TypeError) as error:
                raise _refused() from error
            if not isinstance(claims.get("sub"), str) or not claims["sub"]:
                raise _refused()
            return claims
        raise _refused()

    async def _described(self) -> Mapping[str, Any]:
        known = self._metadata
        if known is not None and self._clock.monotonic() - known[0] < KEEP_S:
            return known[1]
        status, body = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration", {}, b"")
        found = _object(body) if status == 200 else {}  # noqa: PLR2004 - HTTP
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self._issuer or not all(self._safe(found.get(name)) for name in wanted):
            message = "The OpenID provider does not describe itself as the configured issuer."
            raise InvalidAnswer(message, code="sign_in.provider", hint="correct the setting oidc_issuer")
        self._metadata = (self._clock.monotonic(), found)
        return found

    async def _signers(self, *, fresh: bool) -> Any:
        from joserfc.jwk import KeySet

        known = self._keys
        if known is not None and not fresh and self._clock.monotonic() - known[0] < KEEP_S:
            return known[1]
        metadata = await self._described()
        status, body = await self._ask("GET", str(metadata["jwks_uri"]), {}, b"")
        try:
            keys = KeySet.import_key_set(_object(body) if status == 200 else {"keys": []})  # type: ignore[arg-type] # noqa: PLR2004 - HTTP
        except (ValueError, KeyError, TypeError) as error:
            message = "The OpenID provider's keys can't be read."
            raise InvalidAnswer(message, code="sign_in.provider", hint="remit doctor") from error
        self._keys = (self._clock.monotonic(), keys)
        return keys

    def _safe(self, address: object) -> bool:
        """Whether an address that the provider names may be asked: https, or plain where the issuer itself is."""
        if not isinstance(address, str):
            return False
        there, issuer = urlsplit(address), urlsplit(self._issuer)
        if there.scheme == "https":
            return bool(there.hostname)
        return there.scheme == "http" == issuer.scheme and there.netloc == issuer.netloc

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """One request over a connection of its own; a redirect is an answer like any other."""
        try:
            async with asyncio.timeout(TIME_S):
                trust = self._trust or await asyncio.to_thread(ssl.create_default_context)
                async with httpcore.AsyncConnectionPool(ssl_context=trust, retries=0) as pool:
                    sent = {
                        "accept": "application/json",
                        "user-agent": "Remit",
                        "accept-encoding": "identity",
                        **headers,
                    }
                    async with pool.stream(method, url, headers=list(sent.items()), content=body) as answer:
                        parts: list[bytes] = []
                        size = 0
                        async for part in answer.aiter_stream():
                            size += len(part)
                            if size > MOST_BYTES:
                                message = "The OpenID provider's answer is too large."
                                raise InvalidAnswer(message, code="sign_in.provider", hint="remit doctor")
                            parts.append(part)
                        return answer.status, b"".join(parts)
        except (*_FAILURES, TimeoutError, httpcore.TimeoutException) as error:
            message = "The OpenID provider does not answer."
            raise Unavailable(
                message, code="sign_in.provider", hint="try again, or sign in with your password"
            ) from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        message = "The OpenID provider answers something that is no JSON object."
        raise InvalidAnswer(message, code="sign_in.provider", hint="correct the setting oidc_issuer")
    return found  # pyright: ignore[reportUnknownVariableType] - JSON


def _refused() -> RemitError:
    message = "What the OpenID provider says of this sign-in does not hold."
    return Unauthenticated(message, code="sign_in.provider_refused", hint="begin again")
