"""What was fetched, into a file that a person named."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from remit.kernel.errors import Unavailable


def write_page(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all, for the owner's eyes only (mode 0600).

    Raises:
        Unavailable: The file can't be written.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        aside.rename(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        message = f"The page can't be written to {path}: {error.strerror}."
        raise Unavailable(message, code="fetch.output", hint="remit fetch URL --output ANOTHER_FILE") from error
