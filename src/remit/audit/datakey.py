"""A data key: what one subject's payloads are encrypted under."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_SIZE = 12


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, ready to use. ``id`` stands in the header of every entry whose payload is under it."""

    id: str
    cipher: AESGCM


def open_body(key: DataKey, workspace: str, pd: str, body: bytes) -> bytes | None:
    """Salt and payload as they were hashed; ``None`` when the bytes are not what was sealed for this entry."""
    try:
        return key.cipher.decrypt(body[:NONCE_SIZE], body[NONCE_SIZE:], f"{workspace}\n{pd}".encode())
    except (InvalidTag, ValueError, TypeError):
        return None
