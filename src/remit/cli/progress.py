"""Live progress: a drawn plan on a terminal, plain lines elsewhere. Reads progress events, decides nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from remit.kernel.money import ZERO, Money
from remit.kernel.plain import plain

if TYPE_CHECKING:
    from rich.console import Group

SIGNS = {
    "pending": "·",
    "running": "▶",
    "succeeded": "✔",
    "skipped": "↷",
    "failed": "✘",
    "cancelled": "■",
    "rolled_back": "↶",
}


@dataclass(slots=True)
class Line:
    """One step as drawn."""

    name: str
    title: str
    weight: float
    status: str = "pending"
    attempts: int = 0
    note: str = ""
    started: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Board:
    """What is known of a mission while it runs."""

    mission: str
    lines: dict[str, Line] = field(default_factory=dict[str, Line])
    cost: Money = ZERO
    started: float = field(default_factory=time.monotonic)

    def spend(self, amount: Money) -> None:
        """Add what a step cost."""
        self.cost += amount

    def left(self) -> float:
        """Estimated seconds left: the weights of what is not done, scaled by how fast the done part went."""
        todo = sum(line.weight for line in self.lines.values() if line.status in {"pending", "running"})
        done = [line for line in self.lines.values() if line.status == "succeeded" and line.seconds > 0]
        planned = sum(line.weight for line in done)
        pace = sum(line.seconds for line in done) / planned if planned else 1.0
        return todo * min(max(pace, 0.05), 20.0)


class PlainProgress:
    """One line an event, on stderr."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def update(self, line: Line) -> None:
        """Tell what changed."""
        seconds = f" {line.seconds:.1f}s" if line.seconds else ""
        note = f" ({plain(line.note)})" if line.note else ""
        attempt = f" attempt {line.attempts}" if line.attempts > 1 else ""
        sys.stderr.write(f"{SIGNS.get(line.status, '?')} {line.name} {line.status}{attempt}{seconds}{note}\n")
        sys.stderr.flush()


class DrawnProgress:
    """A table that redraws in place, on a terminal."""

    def __init__(self, board: Board) -> None:
        from rich.console import Console
        from rich.live import Live

        self.board = board
        self._live = Live(get_renderable=self._drawing, console=Console(stderr=True), refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.refresh()
        self._live.stop()

    def update(self, line: Line) -> None:
        """The next refresh draws it."""
        del line

    def _drawing(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        board = self.board
        took = time.monotonic() - board.started
        table = Table(box=None, pad_edge=False, show_header=False)
        for _ in range(5):
            table.add_column(no_wrap=True)
        colours = {"succeeded": "green", "failed": "red", "running": "cyan", "pending": "dim"}
        for line in board.lines.values():
            seconds = line.seconds or (time.monotonic() - line.started if line.status == "running" else 0)
            colour = colours.get(line.status, "yellow")
            clock = f"{seconds:5.1f}s" if seconds else ""
            table.add_row(
                Text(SIGNS.get(line.status, "?"), colour), Text(line.name), clock, Text(line.title, "dim"), line.note
            )
        end = Text(f"{took:.0f} s so far, about {board.left():.0f} s left, {board.cost}", "dim")
        return Group(Text(f"mission {board.mission}", "bold"), table, end)


type Progress = PlainProgress | DrawnProgress


def progress(board: Board, *, terminal: Callable[[], bool] = sys.stderr.isatty) -> Progress:
    """The way to show progress here."""
    return DrawnProgress(board) if terminal() else PlainProgress(board)
