"""RE2: patterns whose search is linear in the length of the text, whatever stands in it."""

# RE2 has no type stubs; everything below is typed where it leaves this module.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import cast

import re2

from remit.redact.confirm import Pattern
from remit.redact.pattern import parse, written

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1  # a byte is a character
_OPTIONS.log_errors = False


def compiled(pattern: str) -> Pattern:
    """A pattern in RE2 syntax, to be searched for in bytes."""
    return cast("Pattern", re2.compile(written(parse(pattern), end=r"\z").encode(), _OPTIONS))
