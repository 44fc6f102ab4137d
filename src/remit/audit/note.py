"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, Ed25519, as Go's checksum database reads them.

A note is text that ends in a newline, an empty line, and one signature line for each key. Any number of keys may sign,
so a key can be changed (old and new sign the same head) and a witness can add its own line.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from remit.audit.merkle import HASH_SIZE
from remit.kernel.errors import IntegrityError

ED25519 = b"\x01"
SIGNATURE_PREFIX = "— "
MAX_SIGNATURES = 100
SEED_SIZE = 32


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name."""

    name: str
    key: Ed25519PublicKey
    key_id: bytes

    @property
    def vkey(self) -> str:
        """``name+keyid+base64(0x01 || public key)``, what to hand to a verifier."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.key.public_bytes_raw()).decode()}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name. Its text form ``skey`` is secret."""

    name: str
    key: Ed25519PrivateKey
    verifier: Verifier

    def sign(self, text: str) -> str:
        """The signature line for ``text``."""
        mark = self.verifier.key_id + self.key.sign(text.encode())
        return f"{SIGNATURE_PREFIX}{self.name} {b64encode(mark).decode()}\n"

    @property
    def skey(self) -> str:
        """``PRIVATE+KEY+name+keyid+base64(0x01 || seed)``: the form Go's ``note.NewSigner`` reads."""
        seed = b64encode(ED25519 + self.key.private_bytes_raw()).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{seed}"

    def derive(self, purpose: str) -> bytes:
        """A 32-byte secret for another purpose; tells nothing of the key."""
        return sha256(b"remit " + purpose.encode() + b"\x00" + self.key.private_bytes_raw()).digest()


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def new_signer(name: str, rand: Callable[[int], bytes]) -> Signer:
    """A fresh key named ``name``; ``rand(32)`` must be unpredictable (``secrets.token_bytes``)."""
    return _signer(name, rand(SEED_SIZE))


def _signer(name: str, seed: bytes) -> Signer:
    if not name or "+" in name or any(c.isspace() for c in name):
        message = f"{name!r} cannot name a key: no spaces and no plus sign"
        raise IntegrityError(message, code="audit.key")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return Signer(name, key, _verifier(name, key.public_key()))


def _verifier(name: str, key: Ed25519PublicKey) -> Verifier:
    return Verifier(name, key, _key_id(name, key.public_bytes_raw()))


def parse_signer(skey: str) -> Signer:
    """Read a private key.

    Raises:
        IntegrityError: It is damaged, or its id is not that of its key. The message never quotes it.
    """
    private, kind, name, key_id, seed = _parts(skey.strip(), 5)
    if (private, kind) == ("PRIVATE", "KEY"):
        signer = _signer(name, _key_bytes(seed))
        if signer.verifier.key_id.hex() == key_id:
            return signer
    raise _bad_key()


def parse_verifier(vkey: str) -> Verifier:
    """Read a public key.

    Raises:
        IntegrityError: It is damaged, or its id is not that of its key.
    """
    name, key_id, public = _parts(vkey.strip(), 3)
    verifier = _verifier(name, Ed25519PublicKey.from_public_bytes(_key_bytes(public)))
    if verifier.key_id.hex() != key_id:
        raise _bad_key()
    return verifier


def _parts(text: str, count: int) -> list[str]:
    # The base64 at the end may itself hold plus signs.
    parts = text.split("+", count - 1)
    if len(parts) != count:
        raise _bad_key()
    return parts


def _key_bytes(text: str) -> bytes:
    raw = _strict_base64(text)
    if raw is None or len(raw) != 1 + SEED_SIZE or raw[:1] != ED25519:
        raise _bad_key()
    return raw[1:]


def _bad_key() -> IntegrityError:
    return IntegrityError(
        "The audit log's key is damaged: it is not a C2SP Ed25519 key whose id matches.",
        code="audit.key",
        hint="restore the key file from its backup, then: remit audit verify",
    )


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """``text`` with a signature line for each signer."""
    return text + "\n" + "".join(signer.sign(text) for signer in signers)


def open_note(note: str, verifiers: Sequence[Verifier], *, exact: bool = False) -> str:
    """The text of a note, once a known key is found to have signed it; see ``signed_note``."""
    return signed_note(note, verifiers, exact=exact)[0]


def signed_note(note: str, verifiers: Sequence[Verifier], *, exact: bool = False) -> tuple[str, frozenset[str]]:
    """The text of a note and the public keys (as ``vkey``) that are found to have signed it, at least one.

    Args:
        note: Text, empty line, signature lines.
        verifiers: The keys that are trusted.
        exact: Refuse lines by unknown keys too: the note must be byte for byte what the known keys signed.

    Raises:
        IntegrityError: Malformed, or a known key's signature is wrong, or no known key signed.
    """
    head, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise _bad_note("it has no signature block")
    text = head + "\n"
    if any(c < " " and c != "\n" for c in note):
        raise _bad_note("it holds control characters")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _bad_note("it has more than 100 signatures")
    known = {(v.name, v.key_id): v for v in verifiers}
    seen: set[tuple[str, bytes]] = set()
    for line in lines:
        name, key_id, mark = _signature_of(line)
        verifier = known.get((name, key_id))
        if verifier is None or (name, key_id) in seen:
            if exact:
                raise _bad_note(f"it carries a signature line of {name} that does not belong there")
            continue
        _check_signature(verifier, mark, text)
        seen.add((name, key_id))
    if not seen:
        raise _bad_note("no trusted key signed it")
    return text, frozenset(known[each].vkey for each in seen)


def _signature_of(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
    raw = _strict_base64(encoded)
    if not line.startswith(SIGNATURE_PREFIX) or not space or not name or raw is None or len(raw) <= 4:  # noqa: PLR2004 - key id
        raise _bad_note("a signature line is malformed")
    return name, raw[:4], raw[4:]


def _check_signature(verifier: Verifier, mark: bytes, text: str) -> None:
    try:
        verifier.key.verify(mark, text.encode())
    except InvalidSignature as error:
        raise _bad_note(f"the signature of {verifier.name} is wrong") from error


def _strict_base64(text: str) -> bytes | None:
    """Decode, or ``None``; a text that is not the one encoding of its bytes counts as damaged."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None


def _bad_note(why: str) -> IntegrityError:
    return IntegrityError(f"A signed checkpoint does not hold: {why}.", code="audit.note")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many entries, their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text of C2SP tlog-checkpoint."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text; extension lines after the third are left alone.

    Raises:
        IntegrityError: It is no checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:  # noqa: PLR2004 - origin, size, root, end
        raise _bad_note("its text is no checkpoint")
    origin, size, root = lines[:3]
    raw = _strict_base64(root)
    if not size.isascii() or not size.isdecimal() or str(int(size)) != size or raw is None or len(raw) != HASH_SIZE:
        raise _bad_note("its size or root is malformed")
    return Checkpoint(origin, int(size), raw)
