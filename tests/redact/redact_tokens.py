"""Tokens in the shapes vendors publish, drawn at run time: none stands in the tree."""

import base64
import json
import random
import string
from collections.abc import Callable

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"


def draw(rng: random.Random, alphabet: str, size: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: random.Random, claims: int = 3) -> str:
    head = json.dumps({"alg": "HS256", "typ": "JWT"}).encode()
    body = json.dumps({draw(rng, ALNUM, 5): draw(rng, ALNUM, 20) for _ in range(claims)}).encode()
    return f"{_b64(head)}.{_b64(body)}.{_b64(rng.randbytes(32))}"


def pem(rng: random.Random, name: str = "RSA PRIVATE KEY", lines: int = 12) -> str:
    body = base64.b64encode(rng.randbytes(48 * lines)).decode()
    text = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {name}-----\n{text}\n-----END {name}-----"


def password(rng: random.Random) -> str:
    return draw(rng, ALNUM + "!$%^&*-_=+.,", rng.randint(8, 30))


def basic(rng: random.Random) -> str:
    return base64.b64encode(f"{draw(rng, ALNUM, 8)}:{password(rng)}".encode()).decode()


#: kind -> makers of (secret, text that holds it)
type Maker = Callable[[random.Random], tuple[str, str]]


def _bare(make: Callable[[random.Random], str]) -> Maker:
    def maker(rng: random.Random) -> tuple[str, str]:
        token = make(rng)
        return token, f'{{"value": "{token}", "n": 1}}'

    return maker


def _url(scheme: str, user: str = "app") -> Maker:
    def maker(rng: random.Random) -> tuple[str, str]:
        secret = password(rng)
        return secret, f"DATABASE_URL={scheme}://{user}:{secret}@db.internal:5432/app"

    return maker


def _header(scheme: str, make: Callable[[random.Random], str]) -> Maker:
    def maker(rng: random.Random) -> tuple[str, str]:
        token = make(rng)
        return token, f"Authorization: {scheme} {token}\r\nAccept: */*"

    return maker


MAKERS: dict[str, list[Maker]] = {
    "api-key": [
        _bare(lambda rng: "sk-" + draw(rng, ALNUM, 48)),
        _bare(lambda rng: "sk-" + "ant-api03-" + draw(rng, URLSAFE, 80) + draw(rng, ALNUM, 15)),
        _bare(lambda rng: "sk_" + "live_" + draw(rng, ALNUM, 24)),
        _bare(lambda rng: "AI" + "za" + draw(rng, ALNUM, 35)),
        _bare(lambda rng: "xo" + "xb-" + draw(rng, string.digits, 12) + "-" + draw(rng, ALNUM, 24)),
        _bare(lambda rng: "gl" + "pat-" + draw(rng, ALNUM, 20)),
        _bare(lambda rng: "np" + "m_" + draw(rng, ALNUM, 36)),
        _bare(lambda rng: "SG" + "." + draw(rng, URLSAFE, 22) + "." + draw(rng, URLSAFE, 43)),
    ],
    "aws-access-key": [
        _bare(lambda rng: "AK" + "IA" + draw(rng, string.ascii_uppercase + "234567", 16)),
        _bare(lambda rng: "AS" + "IA" + draw(rng, string.ascii_uppercase + "234567", 16)),
    ],
    "aws-secret-key": [
        lambda rng: (
            token := draw(rng, ALNUM + "/+", 39) + draw(rng, ALNUM, 1),
            f"aws_secret_access_key = {token}\n",
        )
    ],
    "jwt": [_bare(jwt), _bare(lambda rng: jwt(rng, claims=60))],
    "github-token": [
        *(_bare(lambda rng, letter=letter: f"gh{letter}_" + draw(rng, ALNUM, 36)) for letter in "pousr"),
        _bare(lambda rng: "github_" + "pat_" + draw(rng, ALNUM, 22) + "_" + draw(rng, ALNUM, 59)),
    ],
    "bearer-token": [
        _header("Bearer", lambda rng: draw(rng, URLSAFE, 39) + draw(rng, string.digits, 1)),
        _header("bearer", lambda rng: draw(rng, string.ascii_lowercase, 32)),
    ],
    "basic-auth": [_header("Basic", basic), _url("https")],
    "connection-string": [
        _url("postgresql"),
        _url("postgres"),
        _url("postgresql+psycopg"),
        _url("mysql"),
        _url("mongodb+srv"),
        _url("mongodb", user=""),
    ],
    "private-key": [
        lambda rng: (key := pem(rng), f"key: |\n{key}\nend"),
        lambda rng: (key := pem(rng, "PRIVATE KEY"), key),
        lambda rng: (key := pem(rng, "OPENSSH PRIVATE KEY"), f"x {key} y"),
        lambda rng: (key := pem(rng, "EC PRIVATE KEY").replace("\n", "\\n"), f'{{"private_key": "{key}\\n"}}'),
        lambda rng: (key := pem(rng)[: rng.randint(60, 700)], f"cut: {key}"),
    ],
}

#: Texts that hold no secret.
BENIGN = [
    "d41d8cd98f00b204e9800998ecf8427e",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "0190f5fe-7c00-7a00-8000-0123456789ab",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "class='sk-folding-cube sk-chasing-dot-before'",
    "a task-1234567890abcdef and a risk-0123456789abcdef",
    "use Bearer authentication, not Basic authentication",
    'headers={"Authorization": "Bearer not-a-real-token"}',
    'f"Bearer {token}" and "Bearer " + settings.access_token',
    'f"postgresql://{user}:{password}@{host}/app"',
    "postgresql://app:${DB_PASSWORD}@db/app",
    "postgresql://localhost:5432/app",
    "postgresql+psycopg://db.internal/app",
    "https://example.com:8443/path?x=a@b",
    "git@github.com:owner/name.git",
    'if text.startswith("-----BEGIN PRIVATE KEY-----"): raise ValueError("a private key")',
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA",
    "the Asian market, ASIA PACIFIC REGION",
    '"integrity": "sha512-x8Gm3pFTB/lI2w0yKtEwFpWfDSBzJBXQ=="',
    "eyJhbGciOiJIUzI1NiJ9",
]
