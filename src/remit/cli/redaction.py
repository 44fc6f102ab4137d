"""The command line's redactor: everything it writes to people passes it, log handlers first."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from remit.kernel.errors import InvalidInput
from remit.redact import logs
from remit.redact.redactor import Redactor

#: One for the process; `learn` registers the install's own secrets with it.
REDACTOR = Redactor(secrets.token_bytes(16))


def install(*, level: int = logging.WARNING) -> None:
    """Redacting handlers on everything that Python itself writes."""
    logs.install(REDACTOR, level=level)


def learn(key: Path) -> None:
    """Mask the audit log's signing keys from now on, should it ever stand in an error or a traceback."""
    with suppress(OSError, UnicodeDecodeError, InvalidInput):  # a key that can't be read can't be shown either
        for line in key.read_text(encoding="utf-8").split("\n"):
            if line.strip() and not line.startswith("retired "):
                REDACTOR.register(line.strip().removeprefix("pending "))
