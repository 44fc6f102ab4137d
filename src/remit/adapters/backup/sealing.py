"""Encryption of an archive, a chunk at a time, so that one of any size fits in memory and none can be cut unnoticed.

AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance", 2015): the nonce of a chunk is a random prefix, its number, and whether it is the last,
so chunks can be neither reordered nor left out at the end. The header is authenticated with every chunk.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from remit.kernel.errors import IntegrityError, InvalidInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"REMIT-SEALED-1\n"
CHUNK = 1 << 20
TAG = 16
_PREFIX = 7
_MOST_CHUNKS = 1 << 32
_MOST_HEADER = 4096
#: OWASP's password storage cheat sheet: scrypt with N = 2^17, r = 8, p = 1; 128 MiB.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 17, 8, 1
_SCRYPT_MEMORY = 192 << 20
_PURPOSE = b"remit: backup archive, version 1"
SHORTEST_PASSPHRASE = 12


@dataclass(frozen=True, slots=True)
class Lock:
    """What an archive is encrypted with: a passphrase, or 32 random bytes."""

    passphrase: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"Lock({'passphrase' if self.passphrase else 'key'})"

    def __post_init__(self) -> None:
        if self.passphrase and len(self.passphrase) < SHORTEST_PASSPHRASE:
            message = f"The passphrase has fewer than {SHORTEST_PASSPHRASE} bytes."
            raise InvalidInput(message, code="backup.passphrase", hint="take a longer one")

    @property
    def kind(self) -> str:
        """As the archive's header names it."""
        return "scrypt" if self.passphrase else "hkdf"

    def open(self, kind: str, salt: bytes) -> AESGCM:
        """The cipher of one archive.

        Raises:
            IntegrityError: The archive was encrypted with the other kind.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if kind != self.kind:
            needed = "--passphrase-file" if kind == "scrypt" else "--key-file"
            message = f"The backup was encrypted in another way: it needs {needed}."
            raise InvalidInput(message, code="backup.lock", hint=f"remit restore FILE {needed} FILE --home NEW")
        if self.passphrase:
            made = hashlib.scrypt(
                self.passphrase, salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=_SCRYPT_MEMORY, dklen=32
            )
            return AESGCM(made)
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=_PURPOSE).derive(self.key))


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    if number >= _MOST_CHUNKS:
        raise OverflowError
    return prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


class SealingWriter:
    """A binary file to write to; what is written arrives encrypted in ``target``. ``close`` writes the last chunk."""

    def __init__(self, target: IO[bytes], lock: Lock) -> None:
        salt, self._prefix = secrets.token_bytes(16), secrets.token_bytes(_PREFIX)
        fields = {"kdf": lock.kind, "salt": b64encode(salt).decode(), "prefix": b64encode(self._prefix).decode()}
        self._header = MAGIC + json.dumps(fields).encode() + b"\n"
        self._cipher = lock.open(lock.kind, salt)
        self._target = target
        self._held = bytearray()
        self._number = 0
        target.write(self._header)

    def write(self, data: bytes) -> int:
        """Take more."""
        self._held += data
        while len(self._held) > CHUNK:  # more than one: the last chunk is never empty unless everything is
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing: a chunk leaves when it is full."""

    def close(self) -> None:
        """Write what is left, marked as the last."""
        self._put(bytes(self._held), last=True)
        self._held.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._target.write(self._cipher.encrypt(nonce, chunk, self._header))
        self._number += 1


class OpeningReader:
    """A binary file to read from; what ``source`` holds arrives decrypted.

    Raises:
        InvalidInput: The lock is of another kind.
        IntegrityError: While reading: another key, or a byte was changed, or the end is missing.
    """

    def __init__(self, source: IO[bytes], lock: Lock) -> None:
        magic, line = source.read(len(MAGIC)), source.readline(_MOST_HEADER)
        try:
            fields = json.loads(line)
            salt, self._prefix = b64decode(fields["salt"]), b64decode(fields["prefix"])
            kind = str(fields["kdf"])
        except (ValueError, KeyError, TypeError) as error:
            raise _unfit("its header can't be read") from error
        self._header = magic + line
        self._cipher = lock.open(kind, salt)
        self._source = source
        self._next = source.read(CHUNK + TAG)
        self._number = 0
        self._plain: bytes = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; everything that is left when it is negative."""
        parts: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted and (self._plain or self._fill()):
            part, self._plain = self._plain[:wanted], self._plain[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        from cryptography.exceptions import InvalidTag

        if self._ended:
            return False
        chunk, self._next = self._next, self._source.read(CHUNK + TAG)
        self._ended = not self._next
        nonce = _nonce(self._prefix, self._number, last=self._ended)
        self._number += 1
        try:
            self._plain = self._cipher.decrypt(nonce, chunk, self._header)
        except InvalidTag as error:
            raise _unfit("another key, or the file was changed or cut") from error
        return bool(self._plain) or not self._ended


def _unfit(why: str) -> IntegrityError:
    message = f"The encrypted backup can't be opened: {why}."
    return IntegrityError(message, code="backup.sealed", hint="give the key or passphrase that it was made with")
