"""How what people's browsers and programs show is written: ``rmt_``, a word for what it is, random digits, a checksum.

    rmt_live_ 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg 2nS0pQ     an API key
    rmt_sid_ ...                                                     a console session (its cookie)
    rmt_link_ ...                                                    a one-time link
    rmt_ref_ ...                                                     a refresh token, see ``refresh_tokens``

43 digits of base 62 are 256 random bits; of each only the SHA-256 hash is stored, for the reasons that ``key_tokens``
gives. The word makes them findable for scanners, Remit's own among them (``redact/data/own.toml``).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from remit.accounts.key_tokens import CHECK, base62, checksum, digest_of

__all__ = ["API_KEYS", "API_PREFIX", "TokenWord", "api_prefix_of", "digest_of", "new_token", "well_formed"]

_BYTES = 32
_SECRET = 43  # digits: 62 ** 43 > 2 ** 256
_SHOWN = 10  # digits of an API key by which people tell it

#: So much of an API key is stored as it is, to find it by and to show.
API_PREFIX = len("rmt_live_") + _SHOWN


class TokenWord(StrEnum):
    """What a token is."""

    SESSION = "sid"
    LINK = "link"
    LIVE = "live"  # an API key of a production install
    TEST = "test"  # an API key of any other


API_KEYS = (TokenWord.LIVE, TokenWord.TEST)


def new_token(word: TokenWord, rand: Callable[[int], bytes]) -> str:
    """A new token. ``rand`` gives so many random bytes, as ``secrets.token_bytes``."""
    begun = f"rmt_{word.value}_{base62(int.from_bytes(rand(_BYTES)), _SECRET)}"
    return begun + checksum(begun)


def well_formed(token: str, *words: TokenWord) -> bool:
    """Whether it looks like a token of one of these kinds: what does not is turned away without a look at the store."""
    if not token.isascii() or not any(token.startswith(f"rmt_{word.value}_") for word in words):
        return False
    length = token.index("_", len("rmt_")) + 1 + _SECRET + CHECK
    return len(token) == length and token[-CHECK:] == checksum(token[:-CHECK])


def api_prefix_of(token: str) -> str:
    """What finds an API key; empty for a text that is none."""
    return token[:API_PREFIX] if well_formed(token, *API_KEYS) else ""
