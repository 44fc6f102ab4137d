"""Witness cosignatures (C2SP tlog-cosignature, v1): somebody else signs that they saw a head, when, and its history.

A witness remembers the last head it saw and signs the next only with a consistency proof, so a log that showed two
people different histories would need the witness's help.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from remit.audit.note import SIGNATURE_PREFIX
from remit.kernel.errors import IntegrityError

COSIGNATURE = b"\x04"
_TIME_SIZE = 8
_ID_SIZE = 4
_PUBLIC_SIZE = 32


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's public key with its name."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, 0x04, public key)."""
        return sha256(self.name.encode() + b"\n" + COSIGNATURE + self.key.public_bytes_raw()).digest()[:_ID_SIZE]

    @property
    def vkey(self) -> str:
        """``name+keyid+base64(0x04 || public key)``."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(COSIGNATURE + self.key.public_bytes_raw()).decode()}"


def parse_witness(vkey: str) -> Witness:
    """Read a witness's public key.

    Raises:
        IntegrityError: It is damaged, or its id is not that of its key.
    """
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if name and len(raw) == 1 + _PUBLIC_SIZE and raw[:1] == COSIGNATURE:
        found = Witness(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        if found.key_id.hex() == key_id:
            return found
    message = "The witness's key is damaged: it is not a C2SP cosignature key (0x04) whose id matches."
    raise IntegrityError(message, code="audit.witness_key", hint="ask the witness for its key")


def cosign(name: str, key: Ed25519PrivateKey, text: str, *, time_s: int) -> str:
    """A witness's signature line over a checkpoint's text, at a time in seconds since the epoch."""
    witness = Witness(name, key.public_key())
    mark = witness.key_id + time_s.to_bytes(_TIME_SIZE, "big") + key.sign(_signed(text, time_s))
    return f"{SIGNATURE_PREFIX}{name} {b64encode(mark).decode()}\n"


def cosigned_at(line: str, text: str, witness: Witness) -> int:
    """When the witness cosigned a checkpoint's text, in seconds since the epoch.

    Raises:
        IntegrityError: The line is not this witness's signature over this text.
    """
    name, _, encoded = line.removesuffix("\n").removeprefix(SIGNATURE_PREFIX).partition(" ")
    try:
        raw = b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    head = _ID_SIZE + _TIME_SIZE
    if name != witness.name or raw[:_ID_SIZE] != witness.key_id or len(raw) != head + 64:
        message = f"This is no cosignature of the witness {witness.name}."
        raise IntegrityError(message, code="audit.witness")
    time_s = int.from_bytes(raw[_ID_SIZE:head], "big")
    try:
        witness.key.verify(raw[head:], _signed(text, time_s))
    except InvalidSignature as error:
        message = f"The cosignature of the witness {witness.name} does not hold."
        raise IntegrityError(message, code="audit.witness") from error
    return time_s


def request(old: int, proof: Sequence[bytes], note: str) -> str:
    """The body of C2SP tlog-witness's ``add-checkpoint``: the size the witness knows, the proof from it, the head."""
    lines = [f"old {old}", *(b64encode(node).decode() for node in proof)]
    return "\n".join(lines) + "\n\n" + note


def _signed(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
