"""What a scan writes when a person asks for it: a baseline, and the hook that scans before each commit."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from pathlib import Path

from remit.adapters.scan.sources import hook_folder
from remit.kernel.errors import Conflict, Failed

_OURS = "# remit scan --install-hook"
_HOOK = f"""#!/bin/sh
{_OURS}
exec {shlex.quote(sys.executable)} -m remit.cli scan --staged "$@"
"""


def replace(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put ``text`` at ``path``, whole or not at all.

    Raises:
        Failed: It can't be written there (``scan.write``).
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"{path} can't be written: {error.strerror or error}."
        raise Failed(message, code="scan.write", hint="name a file in a folder that you may write") from error


def install_hook(folder: Path) -> Path:
    """Make the repository scan what is staged before each commit; its path. Harmless to repeat.

    Raises:
        Conflict: There is another pre-commit hook (``scan.hook``).
        InvalidInput: ``folder`` is in no repository.
        Failed: It can't be written.
    """
    place = hook_folder(folder) / "pre-commit"
    if place.exists() and _OURS not in place.read_text(encoding="utf-8", errors="replace"):
        message = f"The repository has a pre-commit hook of its own: {place}."
        raise Conflict(message, code="scan.hook", hint="add this line to it: remit scan --staged || exit 1")
    place.parent.mkdir(parents=True, exist_ok=True)
    replace(place, _HOOK, mode=0o755)
    return place
