"""The key that signs checkpoints, in a file only its owner can read."""

from __future__ import annotations

import binascii
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from remit.audit.keyring import KEY_SIZE
from remit.audit.note import Signer, Verifier, new_signer, parse_signer, parse_verifier
from remit.kernel.errors import IntegrityError, NotFound, UserError

_RETIRED = "retired "
_PENDING = "pending "


def create_payload_key(path: Path) -> bytes:
    """The key that wraps the payloads' data keys: 32 bytes in a file of mode 0600, made when it is missing."""
    if not path.exists():
        _write_new(path, b64encode(secrets.token_bytes(KEY_SIZE)).decode() + "\n")
    return load_payload_key(path)


def load_payload_key(path: Path) -> bytes:
    """Read it.

    Raises:
        NotFound: There is no such file.
        UserError: Others could read it.
        IntegrityError: It is damaged.
    """
    return parse_payload_key(_read_private(path, "key of the audit log's payloads", code="audit.payload_key"))


def parse_payload_key(text: str) -> bytes:
    """The key in its text form, base64 of 32 bytes.

    Raises:
        IntegrityError: It is damaged.
    """
    try:
        raw = b64decode(text.strip(), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_SIZE:
        message = "The key of the audit log's payloads is damaged: it must be 32 bytes in base64."
        raise IntegrityError(message, code="audit.payload_key", hint="restore payload.key from its backup")
    return raw


def create_key(path: Path, *, origin: str | None = None) -> Signer:
    """Make a key and write it with mode 0600; an existing one is kept and returned.

    Args:
        path: Where.
        origin: The log's name, without spaces or plus; random when left out.
    """
    if path.exists():
        return load_key(path)
    signer = new_signer(origin or f"remit.invalid/log/{secrets.token_hex(8)}", secrets.token_bytes)
    return signer if _write_new(path, signer.skey + "\n") else load_key(path)


def _write_new(path: Path, text: str) -> bool:
    """Write a private file unless there is one; whether this process did.

    Written aside and linked into place: nobody ever reads half a key, and of two processes one wins.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def load_key(path: Path) -> Signer:
    """Read the key that signs now.

    Raises:
        NotFound: There is no such file.
        UserError: Others could read it.
        IntegrityError: It is damaged.
    """
    return KeyFile(path).read().signers[0]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's keys: those that sign (two while the key is being changed) and the public halves of retired ones.

    ``pending`` is the key of the code over entries that wait to be numbered (Postgres); it outlives a change of key.
    """

    signers: tuple[Signer, ...]
    retired: tuple[Verifier, ...]
    pending: bytes

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """Every public key, the current one first."""
        return (*(signer.verifier for signer in self.signers), *self.retired)

    def text(self) -> str:
        """The file's lines."""
        lines = [signer.skey for signer in self.signers]
        lines += [f"{_RETIRED}{verifier.vkey}" for verifier in self.retired]
        return "\n".join((*lines, _PENDING + b64encode(self.pending).decode())) + "\n"


class KeyFile:
    """``audit.key``: a private key a line, then ``retired`` public keys. A process sees a change before it signs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: LogKeys | None = None

    def read(self) -> LogKeys:
        """The keys as the file has them now; parsed again only when it changed.

        Raises:
            NotFound, UserError, IntegrityError: As ``load_key``.
        """
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
        except FileNotFoundError:
            stamp = None
        if self._keys is None or stamp is None or stamp != self._stamp:
            self._keys = _parse(_read_private(self.path, "audit log's key", code="audit.key"))
            self._stamp = stamp
        return self._keys

    def replace(self, keys: LogKeys) -> None:
        """Put other keys in the file, whole or not at all."""
        aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        _write_new(aside, keys.text())
        aside.replace(self.path)


def _parse(text: str) -> LogKeys:
    signers: list[Signer] = []
    retired: list[Verifier] = []
    pending = b""
    for line in text.split("\n"):
        if line.startswith(_RETIRED):
            retired.append(parse_verifier(line.removeprefix(_RETIRED)))
        elif line.startswith(_PENDING):
            pending = b64decode(line.removeprefix(_PENDING))
        elif line.strip() or not signers:
            signers.append(parse_signer(line))
    return LogKeys(tuple(signers), tuple(retired), pending or signers[0].derive("audit pending"))


def _read_private(path: Path, what: str, *, code: str) -> str:
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text()
    except FileNotFoundError as error:
        message = f"The {what} is missing: {path}."
        raise NotFound(message, code=code, hint="restore the key from its backup") from error
    if mode & 0o077:
        message = f"The {what} {path} can be read by others (mode {mode:o})."
        raise UserError(message, code=f"{code}_mode", hint=f"chmod 600 {path}")
    return text
