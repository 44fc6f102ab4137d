"""The command line's redactor: everything it writes to people passes it, log handlers first."""

from __future__ import annotations

import logging
import secrets

from remit.redact import logs
from remit.redact.redactor import Redactor

#: One for the process; the runtime registers the install's secrets with it.
REDACTOR = Redactor(secrets.token_bytes(16))


def install(*, level: int = logging.WARNING) -> None:
    """Redacting handlers on everything that Python itself writes."""
    logs.install(REDACTOR, level=level)
