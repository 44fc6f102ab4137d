"""The key that signs checkpoints, in a file only its owner can read."""

from __future__ import annotations

import binascii
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path

from remit.audit.keyring import KEY_SIZE
from remit.audit.note import Signer, new_signer, parse_signer
from remit.kernel.errors import IntegrityError, NotFound, UserError


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
    """Read the key.

    Raises:
        NotFound: There is no such file.
        UserError: Others could read it.
        IntegrityError: It is damaged.
    """
    return parse_signer(_read_private(path, "audit log's key", code="audit.key"))


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
