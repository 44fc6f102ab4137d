"""What is wrong with a rule file: every fault with file, line, column, a caret under the place, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never

from remit.kernel.errors import InvalidInput

_WIDEST = 110
_MOST = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Line and column count from 1."""

    what: str
    fix: str
    line: int
    column: int

    def told(self, source: str, *, name: str) -> str:
        """The fault with its line of the file and a caret."""
        lines = source.splitlines()
        shown = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        start = max(0, self.column - 80)
        caret = f"\n  {shown[start : start + _WIDEST]}\n  {' ' * (self.column - 1 - start)}^" if shown.strip() else ""
        return f"{name}:{self.line}:{self.column}: {self.what}{caret}\n  fix: {self.fix}"


def refuse(faults: Sequence[Fault], source: str, *, name: str) -> Never:
    """Raise the faults as one error, the first in front.

    Raises:
        InvalidInput: Always.
    """
    found = sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.column))
    told = tuple(fault.told(source, name=name) for fault in found[:_MOST])
    first = found[0]
    more = f" It has {len(found)} faults." if len(found) > 1 else ""
    raise InvalidInput(
        f"The rules can't be used: {first.what}.{more}\n{told[0]}",
        code="rules.invalid",
        hint=first.fix,
        place=f"{name}:{first.line}:{first.column}",
        problems=told,
    )
