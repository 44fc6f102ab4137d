"""An OpenID provider on loopback, as real ones speak (discovery, authorization, token, keys), that errs when told to.

``with issuer() as provider``: its ``address`` is the issuer; ``people`` maps what is typed at it (here: the query
parameter ``login_hint``, or the one person there is) to claims. ``fault`` names what it does wrong with the next token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey


class Fault(StrEnum):
    """What it does wrong."""

    NONE = "none"
    NONCE = "wrong nonce"
    NO_NONCE = "no nonce"
    AUDIENCE = "wrong audience"
    SECOND_AUDIENCE = "a second audience without azp"
    ISSUER = "wrong issuer"
    EXPIRED = "expired"
    ALG_NONE = "alg none"
    ALG_HMAC = "signed with the client's secret"
    AT_HASH = "wrong at_hash"
    KEY = "signed with a key that it does not publish"
    NO_SUBJECT = "no subject"
    NO_ID_TOKEN = "no ID token"  # noqa: S105 - a word
    REDIRECT = "redirects the token request"
    HUGE = "a huge answer"
    ERROR = "refuses the code"


@dataclass
class Issuer:
    """The provider.

    Attributes:
        client_id: The client that it knows.
        client_secret: Its secret; empty: a public client.
        people: Claims by login.
        fault: What it does wrong next, until changed.
        address: Its issuer.
        asked: Every request, as ``METHOD path``.
    """

    client_id: str = "remit"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    people: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    fault: Fault = Fault.NONE
    address: str = ""
    asked: list[str] = field(default_factory=list[str])
    now: Any = time.time
    _key: ECKey = field(default_factory=lambda: _new_key())  # noqa: PLW0108 - it stands below
    _codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def rotate(self) -> None:
        """Sign with another key from now on, and publish only that."""
        self._key = _new_key()

    def metadata(self) -> dict[str, Any]:
        """Discovery."""
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """Somebody has signed in here and goes back with a code; status and where they go."""
        wrong = (
            query.get("client_id") != self.client_id
            or query.get("response_type") != "code"
            or query.get("code_challenge_method") != "S256"
            or "openid" not in query.get("scope", "").split()
            or not query.get("nonce")
        )
        if wrong:
            return 400, ""
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return 302, query["redirect_uri"] + "?" + urlencode(
            {"code": code, "state": query["state"], "iss": self.address}
        )

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The code's worth, once."""
        query = self._codes.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        refused = 400, {"error": "invalid_grant"}
        if query is None or self.fault is Fault.ERROR or query["redirect_uri"] != form.get("redirect_uri"):
            return refused
        if proof.rstrip(b"=").decode() != query["code_challenge"]:
            return refused
        if self.client_secret:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            if [unquote(part) for part in pair.split(":")] != [self.client_id, self.client_secret]:
                return 401, {"error": "invalid_client"}
        access = secrets.token_urlsafe(24)
        body: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        if self.fault is not Fault.NO_ID_TOKEN:
            body["id_token"] = self._id_token(query, access)
        return 200, body

    def _id_token(self, query: dict[str, str], access: str) -> str:
        login = query.get("login_hint") or next(iter(self.people))
        now = int(self.now())
        half = hashlib.sha256((access + "x" * (self.fault is Fault.AT_HASH)).encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.address,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": query["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **self.people[login],
        }
        match self.fault:
            case Fault.NONCE:
                claims["nonce"] = "another"
            case Fault.NO_NONCE:
                del claims["nonce"]
            case Fault.AUDIENCE:
                claims["aud"] = "another"
            case Fault.SECOND_AUDIENCE:
                claims["aud"] = [self.client_id, "another"]
            case Fault.ISSUER:
                claims["iss"] = "https://another.example"
            case Fault.EXPIRED:
                claims |= {"iat": now - 900, "exp": now - 600}
            case Fault.NO_SUBJECT:
                del claims["sub"]
            case _:
                pass
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.fault is Fault.ALG_NONE:
            return f"{_part({'alg': 'none'})}.{_part(claims)}."
        if self.fault is Fault.ALG_HMAC:
            key = OctKey.import_key((self.client_secret or "x" * 32).encode())
            return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
        key = _new_key() if self.fault is Fault.KEY else self._key
        return jwt.encode({"alg": "ES256", "kid": key.kid or ""}, claims, key, algorithms=["ES256"])

    def keys(self) -> dict[str, Any]:
        """What it signs with, the public part."""
        return {"keys": [self._key.as_dict(private=False)]}


@contextmanager
def issuer(**more: Any) -> Generator[Issuer]:  # noqa: ANN401 - fields of ``Issuer``
    """A running provider."""
    made = Issuer(**more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(made: Issuer) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one small branch for each endpoint
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

        def _answer(self, status: int, value: object = None, *, place: str = "") -> None:
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            if place:
                self.send_header("Location", place)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            made.asked.append(f"GET {parts.path}")
            match parts.path:
                case "/.well-known/openid-configuration":
                    self._answer(200, made.metadata())
                case "/jwks":
                    self._answer(200, made.keys())
                case "/authorize":
                    status, place = made.authorize({name: value[0] for name, value in parse_qs(parts.query).items()})
                    self._answer(status, place=place)
                case _:
                    self._answer(404, {"error": "not_found"})

        def do_POST(self) -> None:
            made.asked.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            if made.fault is Fault.REDIRECT:
                self._answer(307, place=f"{made.address}/elsewhere")
            elif made.fault is Fault.HUGE:
                self._answer(200, {"id_token": "x" * (2 << 20)})
            else:
                form = {name: value[0] for name, value in parse_qs(body).items()}
                status, value = made.token(form, self.headers.get("Authorization", ""))
                self._answer(status, value)

    return Handler


def _new_key() -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": secrets.token_hex(4), "use": "sig"}, private=True)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
