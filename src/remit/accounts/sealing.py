"""Sealing what must be read again: AES-256-GCM under keys derived from the home's, so that the store tells nothing."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from remit.kernel.canonical import Json, canonical
from remit.kernel.entropy import random_bytes
from remit.kernel.errors import IntegrityError

_KEY, _NONCE = 32, 12


def derived(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF, RFC 5869), from the home's own."""
    return HKDF(SHA256(), _KEY, salt=None, info=f"remit: {purpose}, version 1".encode()).derive(key)


class Box:
    """Seals and opens for one purpose; what else belongs to the value is authenticated with it.

    Args:
        key: The home's key, 32 bytes.
        purpose: What for: a box opens nothing that another one's purpose sealed.
        rand: Source of unpredictable bytes.
    """

    def __init__(self, key: bytes, purpose: str, *, rand: Callable[[int], bytes] = random_bytes) -> None:
        self._cipher = AESGCM(derived(key, purpose))
        self._rand = rand

    def seal(self, data: bytes, *bound: str) -> bytes:
        """Nonce and ciphertext. ``bound`` (whose it is) must be given again to open it."""
        nonce = self._rand(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, canonical(list(bound)))

    def open(self, sealed: bytes, *bound: str) -> bytes:
        """What was sealed.

        Raises:
            IntegrityError: It was changed, is somebody else's, or was sealed under another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], canonical(list(bound)))
        except (InvalidTag, ValueError) as error:
            message = "A sealed value of an account was changed, or sealed under another key."
            hint = "restore the database and payload.key from one backup"
            raise IntegrityError(message, code="accounts.sealed", hint=hint) from error

    def wrap(self, value: Mapping[str, Json], *, until_us: int) -> str:
        """A text that somebody else carries for us until then: they can neither read nor change it."""
        sealed = self.seal(canonical({**value, "until_us": until_us}))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def unwrap(self, text: str, *, now_us: int) -> Mapping[str, Json] | None:
        """What ``wrap`` was given; ``None`` when it is too old, or no text of ours."""
        try:
            sealed = base64.urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))
            value = orjson.loads(self.open(sealed))
        except (IntegrityError, binascii.Error, ValueError):
            return None
        return value if value["until_us"] > now_us else None


def tag(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts, told apart by their lengths."""
    told = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key, told, "sha256")
