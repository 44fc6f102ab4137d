"""The command line: translates words into use cases, answers into lines, JSON and exit codes; no rules here."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of ``remit``: redacting log handlers first, then the command."""
    from remit.cli import redaction

    redaction.install()
    from remit.cli.root import run

    sys.exit(run(sys.argv[1:]))
