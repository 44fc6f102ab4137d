"""A unified diff, line by line, as the macro ``diff`` shows it."""

from __future__ import annotations

from dataclasses import dataclass

MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line. ``kind``: ``add``, ``del``, ``at`` (a hunk's or file's head) or empty."""

    kind: str
    text: str


def diff_lines(diff: str) -> tuple[DiffLine, ...]:
    """The lines of a unified diff; of a very long one the first 2000 and how many are left out."""
    lines = diff.removesuffix("\n").split("\n") if diff else []
    shown = [DiffLine(_kind(line), line or " ") for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(DiffLine("at", f"… {len(lines) - MOST_LINES} more lines"))
    return tuple(shown)


def changed(lines: tuple[DiffLine, ...]) -> tuple[int, int]:
    """How many lines are added and taken away."""
    return sum(line.kind == "add" for line in lines), sum(line.kind == "del" for line in lines)


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "@@", "diff ", "index ")):
        return "at"
    return {"+": "add", "-": "del"}.get(line[:1], "")
