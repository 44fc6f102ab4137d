"""The command line: translates words into use cases and their answers into lines, JSON and exit codes; no rules here."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of ``remit``: redacting log handlers first, then the command."""
    from remit.redact import logs  # noqa: PLC0415 - installed before anything else can log

    logs.install()
    from remit.cli.root import run  # noqa: PLC0415 - after the handlers

    sys.exit(run(sys.argv[1:]))
