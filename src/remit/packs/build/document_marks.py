"""Where in a file each value of a document stands."""

from dataclasses import dataclass

from remit.packs.build.problem import DocumentPath, Problem

MAX_BYTES = 1_048_576
"""Largest document in bytes: 60 features take a tenth of it."""

MAX_DEPTH = 32
"""Deepest nesting; the deepest place an intake has is 13."""

MAX_NODES = 100_000
"""Most values, aliases counted as often as they stand for something."""

DOCUMENT: DocumentPath = ()


@dataclass(slots=True)
class Mark:
    """A value's first character (line and column from 1) and the marks of what it holds.

    `items` maps a mapping's key to the key's own line and column and its value's mark, or lists the marks of a list.
    """

    line: int
    column: int
    items: "dict[str, tuple[int, int, Mark]] | list[Mark] | None" = None


class Malformed(Exception):
    """The text is no document; `line` and `column` from 1."""

    def __init__(self, problem: Problem, line: int, column: int) -> None:
        super().__init__(problem.what)
        self.problem = problem
        self.line = line
        self.column = column


def malformed(code: str, what: str, hint: str, *, at: tuple[int, int], path: DocumentPath = DOCUMENT) -> Malformed:
    """A `Malformed` for a place that has no path yet, or whose path is not all that matters."""
    return Malformed(Problem(code, path, what, hint), *at)


def locate(root: Mark, path: DocumentPath, *, at_key: bool = False) -> tuple[int, int]:
    """Line and column of the value at a path, or of its key; of the last known part where the path leaves the text."""
    mark, place = root, (root.line, root.column)
    for depth, part in enumerate(path):
        items = mark.items
        if isinstance(items, dict) and part in items:
            line, column, mark = items[str(part)]
            last = depth == len(path) - 1
            place = (line, column) if at_key and last else (mark.line, mark.column)
        elif isinstance(items, list) and isinstance(part, int) and part < len(items):
            mark = items[part]
            place = (mark.line, mark.column)
        else:
            break
    return place
