"""The key that signs checkpoints, in a file only its owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from remit.audit.note import Signer, new_signer, parse_signer
from remit.kernel.errors import NotFound, UserError


def create_key(path: Path, *, origin: str | None = None) -> Signer:
    """Make a key and write it with mode 0600; an existing one is kept and returned.

    Args:
        path: Where.
        origin: The log's name, without spaces or plus; random when left out.
    """
    if path.exists():
        return load_key(path)
    signer = new_signer(origin or f"remit.invalid/log/{secrets.token_hex(8)}", secrets.token_bytes)
    # Written aside and linked into place: nobody ever reads half a key, and of two processes one wins.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(signer.skey + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return load_key(path)
    finally:
        draft.unlink()
    return signer


def load_key(path: Path) -> Signer:
    """Read the key.

    Raises:
        NotFound: There is no such file.
        UserError: Others could read it.
        IntegrityError: It is damaged.
    """
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text()
    except FileNotFoundError as error:
        message = f"The audit log's key is missing: {path}."
        raise NotFound(message, code="audit.key", hint="restore the key from its backup") from error
    if mode & 0o077:
        message = f"The audit log's key {path} can be read by others (mode {mode:o})."
        raise UserError(message, code="audit.key_mode", hint=f"chmod 600 {path}")
    return parse_signer(text)
