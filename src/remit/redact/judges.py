"""The last word on what a rule's pattern matched, where a pattern can't say it.

Every judge takes the whole text (one character for each byte) and the place of the secret in it. It answers with the
place to be masked, which may be narrower or reach further, or with ``None``: no secret. A judge reads a bounded part of
the text around the place, so that its cost doesn't grow with the text.
"""

from __future__ import annotations

import base64
import binascii
import re

from remit.redact import pem

type Place = tuple[int, int]

_SOME_DIGITS = 3
_UNBROKEN = 20


def random_key(text: str, start: int, end: int) -> Place | None:
    """Whether what follows ``sk-`` looks drawn at random; CSS classes and package names don't."""
    token = text[start:end]
    digits = sum(each.isdigit() for each in token)
    likely = digits >= _SOME_DIGITS or (digits > 0 and token != token.lower())
    return (start, end) if likely else None


def bearer(text: str, start: int, end: int) -> Place | None:
    """A digit, or a long word without a break: ``Bearer not-a-real-token`` is prose."""
    token = text[start:end]
    likely = any(each.isdigit() for each in token) or re.search(rf"[A-Za-z]{{{_UNBROKEN}}}", token) is not None
    return (start, end) if likely else None


def credentials(text: str, start: int, end: int) -> Place | None:
    """Whether it is the base64 of ``user:password`` (RFC 7617)."""
    bare = text[start:end].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    readable = all(byte >= 0x20 and byte != 0x7F for byte in plain)  # noqa: PLR2004 - ASCII controls
    return (start, end) if b":" in plain and readable else None


# A mask, or a hole to be filled, is no password.
_TEMPLATE = re.compile(
    r"\[REDACTED:|(?:\$?\{[^{}\s]{1,80}\}|\$\([^()]{1,80}\)|\$[A-Z_][A-Z0-9_]{0,80}"
    r"|%\(\w{1,80}\)s|%s|\*{2,80}|<[^<>\s]{1,80}>)@",
    re.ASCII,
)


def userinfo(text: str, start: int, end: int) -> Place | None:
    """Whether ``user:password`` of a URL holds a password, and not a hole to be filled (``${DB_PASSWORD}``)."""
    colon = text.index(":", start, end)
    return None if _TEMPLATE.match(text, colon + 1) else (start, end)


def private_key(text: str, start: int, end: int) -> Place | None:
    """From a BEGIN line of a PEM private key to its END line; an unclosed one to the end of the text. See ``pem``."""
    return pem.key(text, start, end)
