"""What is shown once: a token in the answer to the order that made it, past every sink that masks."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from remit.redact.hooks import Masked


def tell_once(value: Mapping[str, object], text: str, *, as_json: bool) -> int:
    """Show it, for whoever ordered it, as JSON or as text; the exit code."""
    out = (sys.__stdout__ or sys.stdout) if isinstance(sys.stdout, Masked) else sys.stdout
    out.write((json.dumps(value) if as_json else text) + "\n")
    out.flush()
    return 0
