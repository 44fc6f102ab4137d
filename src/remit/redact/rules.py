"""The token kinds that are secrets by their form (SEC-1), as data.

A rule runs only on a text that holds one of its keywords. Its pattern is compiled when first needed, so that importing
this module costs nothing. Every pattern is linear in the length of the text: tests hold it to a time budget on hostile
repeats. A bare run of hexadecimal digits is not a rule: hashes and UUIDs are no secrets.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

type Found = Iterator[tuple[int, int]]

# A mask, or a hole to be filled, is no password.
_TEMPLATE = (
    r"(?!\[REDACTED:|(?:\$?\{[^{}\s]{1,80}\}|\$\([^()]{1,80}\)|\$[A-Z_][A-Z0-9_]{0,80}"
    r"|%\(\w{1,80}\)s|%s|\*{2,80}|<[^<>\s]{1,80}>)@)"
)
_USERINFO = (
    rf"[^\s:/@\[\]\"'<>`]{{0,200}}+:{_TEMPLATE}[^\s/@\"'<>`]{{1,300}}+(?:@[^\s/@?#\"'<>`]{{1,300}}+(?=@)){{0,4}}"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of token.

    ``keywords``: at least one must occur; in any case when ``folded``. ``pattern``: its group ``s``, when it has one,
    is what gets masked. ``judge``: a last word on the matched secret.
    """

    kind: str
    keywords: tuple[str, ...]
    pattern: str
    folded: bool = False
    judge: Callable[[str], bool] | None = None
    finder: Callable[[str], Found] | None = None

    def find(self, text: str) -> Found:
        """Where this kind of token lies in ``text``."""
        if self.finder is not None:
            yield from self.finder(text)
            return
        compiled = _compiled(self.pattern)
        group = "s" if "s" in compiled.groupindex else 0
        for match in compiled.finditer(text):
            if self.judge is None or self.judge(match[group]):
                yield match.span(group)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_SOME_DIGITS = 3
_UNBROKEN = 20


def _random_key(token: str) -> bool:
    """Whether what follows ``sk-`` looks drawn at random; CSS classes and package names don't."""
    digits = sum(each.isdigit() for each in token)
    return digits >= _SOME_DIGITS or (digits > 0 and token != token.lower())


def _bearer(token: str) -> bool:
    """A digit, or a long word without a break: ``Bearer not-a-real-token`` is prose."""
    return any(each.isdigit() for each in token) or re.search(rf"[A-Za-z]{{{_UNBROKEN}}}", token) is not None


def _credentials(token: str) -> bool:
    """Whether ``token`` is the base64 of ``user:password`` (RFC 7617)."""
    bare = token.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and all(byte >= 0x20 and byte != 0x7F for byte in plain)  # noqa: PLR2004 - ASCII controls


_JWT_TAIL = r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+"
_JWT_RUN = r"[A-Za-z0-9_-]*+"


def _jwts(text: str) -> Found:
    """Tokens of three base64url parts (RFC 7519). A run that fails is skipped whole: each character is read once."""
    at = text.find("eyJ")
    while at >= 0:
        match = _compiled(_JWT_TAIL).match(text, at)
        if match is not None:
            yield match.span()
        else:
            match = _compiled(_JWT_RUN).match(text, at)
        at = text.find("eyJ", match.end() if match is not None else at + 3)


_KEY_NAME = r"(?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_KEY_OPEN = rf"-----BEGIN {_KEY_NAME}"
_KEY_CLOSE = rf"-----END {_KEY_NAME}"
# What may stand between the BEGIN line and the key: line ends (also escaped, \\n), quotes, indentation.
_KEY_BODY = r"(?:\\++[nrt]?+|[^A-Za-z0-9<\\]){0,80}+(?:[A-Za-z0-9+/]{16}|Proc-Type|DEK-Info|Version|Comment)"
_KEY_WHOLE = rf"[A-Za-z0-9+/=\s\\:,.]{{1,20000}}+{_KEY_CLOSE}"


def _private_keys(text: str) -> Found:
    """PEM private keys (RFC 7468): to their END line; an unclosed one to the end of the text.

    A BEGIN line with neither key material nor an END line after it is a mention, not a key.
    """
    at = 0
    while (opened := _compiled(_KEY_OPEN).search(text, at)) is not None:
        at = opened.end()
        if not (_compiled(_KEY_BODY).match(text, at) or _compiled(_KEY_WHOLE).match(text, at)):
            continue
        closed = _compiled(_KEY_CLOSE).search(text, at)
        at = len(text) if closed is None else closed.end()
        yield opened.start(), at


RULES: tuple[Rule, ...] = (
    Rule("api-key", ("sk-",), r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}+", judge=_random_key),
    Rule("api-key", ("k_live_", "k_test_"), r"(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16,}+"),
    Rule("api-key", ("rmt_live_",), r"(?<![A-Za-z0-9])rmt_live_[A-Za-z0-9_-]{20,}+"),
    Rule("api-key", ("AIza",), r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    Rule("api-key", ("xox",), r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}+"),
    Rule("api-key", ("glpat-",), r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,}+"),
    Rule("api-key", ("npm_",), r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    Rule("api-key", ("pypi-AgE",), r"(?<![A-Za-z0-9])pypi-AgE[A-Za-z0-9_-]{40,}+"),
    Rule("api-key", ("hf_",), r"(?<![A-Za-z0-9])hf_[A-Za-z]{34}(?![A-Za-z])"),
    Rule("api-key", ("SG.",), r"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Rule(
        "aws-access-key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    Rule(
        "aws-secret-key",
        ("secret_access_key", "secretaccesskey"),
        r"(?i:secret_?access_?key)[\"']?\s{0,4}[:=]>?\s{0,4}[\"']?(?P<s>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        folded=True,
    ),
    Rule("jwt", ("eyJ",), "", finder=_jwts),
    Rule(
        "github-token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{30,}+)",
    ),
    Rule(
        "bearer-token",
        ("bearer",),
        r"(?i:(?<![a-z0-9])bearer)[\s:]{1,4}(?P<s>[A-Za-z0-9._~+/-]{16,}+={0,2})",
        folded=True,
        judge=_bearer,
    ),
    Rule(
        "basic-auth",
        ("basic",),
        r"(?i:(?<![a-z0-9])basic)\s{1,4}(?P<s>[A-Za-z0-9+/_-]{8,}+={0,2})",
        folded=True,
        judge=_credentials,
    ),
    Rule("basic-auth", ("http://", "https://"), rf"(?i:https?)://(?P<s>{_USERINFO})@", folded=True),
    Rule(
        "connection-string",
        ("postgres", "mysql", "mariadb", "mongodb"),
        rf"(?i:postgres(?:ql)?|mysql|mariadb|mongodb)(?:\+[A-Za-z0-9]{{1,20}})?://(?P<s>{_USERINFO})@",
        folded=True,
    ),
    Rule("private-key", ("PRIVATE KEY",), "", finder=_private_keys),
)

KINDS: tuple[str, ...] = tuple(dict.fromkeys(rule.kind for rule in RULES))
