"""Sealing retired values: AES-256-GCM under a key derived from the home's, so that the store alone tells nothing."""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from remit.kernel.errors import IntegrityError

_PURPOSE = b"remit: retired secrets, version 1"
_KEY, _NONCE = 32, 12


class Sealer:
    """Seals and opens values; workspace and name are authenticated with each.

    Args:
        key: The home's key, 32 bytes.
        rand: Source of unpredictable bytes.
    """

    def __init__(self, key: bytes, *, rand: Callable[[int], bytes] = os.urandom) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), _KEY, salt=None, info=_PURPOSE).derive(key))
        self._rand = rand

    def seal(self, workspace: str, name: str, text: str) -> bytes:
        """Nonce and ciphertext."""
        nonce = self._rand(_NONCE)
        bound = f"{workspace}\n{name}".encode()
        return nonce + self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), bound)

    def open(self, workspace: str, name: str, sealed: bytes) -> str:
        """The value.

        Raises:
            IntegrityError: It was changed, or sealed under another key.
        """
        try:
            bound = f"{workspace}\n{name}".encode()
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError) as error:
            message = f"A retired value of the secret {name!r} was changed, or sealed under another key."
            hint = "restore the database and payload.key from one backup"
            raise IntegrityError(message, code="secrets.sealed", hint=hint) from error
