"""The secret that signs access tokens: which one is in force, and that a production install has a good one."""

from __future__ import annotations

import math
import zlib
from collections import Counter

from remit.accounts.sealing import derived
from remit.kernel.errors import InvalidInput
from remit.settings import Settings

LEAST_BYTES = 32
LEAST_BITS = 128.0

_MAKE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def bits_of(secret: str) -> float:
    """How much a text can tell at most, in bits: by how often each of its characters stands in it (Shannon).

    Characters that follow from the one before (``abcd``, ``4321``, ``aaaa``) tell nothing, and no more is counted than
    the text has left when it was compressed (less what the container of an empty one takes).
    """
    kept = "".join(now for now, before in zip(secret, " " + secret, strict=False) if abs(ord(now) - ord(before)) > 1)
    counts = Counter(kept)
    shannon = -sum(number * math.log2(number / len(kept)) for number in counts.values()) if kept else 0.0
    left = len(zlib.compress(kept.encode("utf-8", "replace"), 9)) - len(zlib.compress(b"", 9))
    return min(shannon, 8.0 * left)


def weakness(secret: str) -> str:
    """Why ``secret`` must not sign anything; empty when it may."""
    size = len(secret.encode("utf-8", "replace"))
    if size < LEAST_BYTES:
        return f"it has {size} bytes and needs {LEAST_BYTES}"
    if bits_of(secret) < LEAST_BITS:
        return "it could be guessed: it repeats itself, counts, or is made of few different characters"
    return ""


def check_signing(settings: Settings) -> None:
    """Refuse to start a server of a production install without a signing secret that nobody guesses.

    Whoever knows it signs access tokens for anybody. A development install without one has one of its own, made from
    its home's key; a weak one is refused everywhere.

    Raises:
        InvalidInput: It is missing (production), too short or too simple. The message never holds it.
    """
    if not settings.signing_secret:
        if settings.production:
            message = "A production install needs a signing secret, and none is set."
            raise InvalidInput(
                message, code="sign_in.secret", hint=f'export REMIT_SIGNING_SECRET="$({_MAKE})", and keep it'
            )
        return
    why = weakness(settings.signing_secret)
    if why:
        message = f"The signing secret is no good: {why}."
        raise InvalidInput(message, code="sign_in.secret", hint=f"make another one: {_MAKE}")


def signing_key(settings: Settings, *, home_key: bytes) -> bytes:
    """The key that access tokens are signed with: of the setting ``signing_secret``, or the home's own.

    Commands that serve nobody need none, so it is not checked here: whoever starts a server calls ``check_signing``.
    """
    if settings.signing_secret:
        return derived(settings.signing_secret.encode("utf-8", "replace"), "access tokens")
    return derived(home_key, "access tokens of a development install")
