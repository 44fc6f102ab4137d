"""How a virtual key's token is written: ``rk_``, the kind of home, 32 random bytes in base 62, a checksum.

    rk_live_ 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg 2nS0pQ
    -------- ---------------------------------------------- ------
    word     43 digits of base 62: 256 random bits          CRC-32 of everything before it

The word and the first ten digits (59 bits) are the prefix: stored as they are, and shown, so that a key can be found
and told from others. 197 bits stay secret. Of the whole only the SHA-256 hash is stored. A slow hash, such as those
for passwords, makes guessing dear where what is guessed has little entropy; nobody guesses 197 random bits, and a slow
hash would cost every request. The checksum (as GitHub's tokens have one, https://github.blog/2021-04-05-behind-githubs-
new-authentication-token-formats/) tells a token from what only looks like one, without a look into the store.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from enum import StrEnum

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BYTES = 32
_SECRET = 43  # digits: 62 ** 43 > 2 ** 256
CHECK = 6  # digits: 62 ** 6 > 2 ** 32
_WORD = len("rk_live_")
PREFIX = _WORD + 10
LENGTH = _WORD + _SECRET + CHECK


class Word(StrEnum):
    """What kind of home made a token, so that one for trials is told from one that counts."""

    LIVE = "live"
    TEST = "test"


def new_token(rand: Callable[[int], bytes], *, word: Word = Word.LIVE) -> str:
    """A new token. ``rand`` gives so many random bytes, as ``secrets.token_bytes``."""
    number = int.from_bytes(rand(_BYTES), "big")
    begun = f"rk_{word.value}_{base62(number, _SECRET)}"
    return begun + checksum(begun)


def prefix_of(token: str) -> str:
    """What finds a token; empty for a text that is none (its length, its form or its checksum is wrong)."""
    if len(token) != LENGTH or not token.isascii() or not token.startswith(("rk_live_", "rk_test_")):
        return ""
    return token[:PREFIX] if token[-CHECK:] == checksum(token[:-CHECK]) else ""


def shown_of(prefix: str) -> str:
    """The ten digits by which people tell a token; with its word before them a scanner would take it for one."""
    return prefix[_WORD:]


def digest_of(token: str) -> str:
    """The hash that is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def checksum(begun: str) -> str:
    """Six digits by which a token is told from what only looks like one; no protection against anybody."""
    return base62(zlib.crc32(begun.encode()), CHECK)


def base62(number: int, digits: int) -> str:
    """A number in exactly so many digits of base 62."""
    found: list[str] = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found.append(_DIGITS[digit])
    return "".join(reversed(found))
