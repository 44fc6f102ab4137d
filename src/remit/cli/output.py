"""How commands answer: lines for people, one JSON object for programs, three lines for an error."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import click

from remit.cli.redaction import REDACTOR
from remit.kernel.errors import BudgetExceeded, InternalError, InvalidInput, RateLimited, RemitError, row_of


def common[F: Callable[..., Any]](function: F) -> F:
    """The options that every command takes, anywhere after ``remit COMMAND``."""
    for option in (
        click.option("--debug", is_flag=True, help="Show the traceback of an error."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
        click.option("--home", type=click.Path(file_okay=False), default=None, help="Where state lives."),
    ):
        function = option(function)
    return function


def emit(value: Mapping[str, object]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json.dumps(value, indent=None, sort_keys=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for the reader on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def hint(text: str) -> None:
    """A line beside the answer, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def report_error(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell an error on stderr (and as JSON on stdout when asked); its exit code."""
    if debug:
        sys.stderr.write(REDACTOR.mask("".join(traceback.format_exception(error))))
    if not isinstance(error, RemitError):
        error = InternalError(
            f"{type(error).__name__}: {error}", hint="run the command again with --debug and report it"
        )
    row = row_of(type(error))
    if as_json:
        body: dict[str, object] = {"code": error.code, "message": REDACTOR.mask(error.message), "hint": error.hint}
        if error.place:
            body["place"] = error.place
        if isinstance(error, InvalidInput):
            body["problems"] = [REDACTOR.mask(problem) for problem in error.problems]
        if isinstance(error, RateLimited | BudgetExceeded):
            body |= error.told
        decision = getattr(error, "decision_id", None)
        if decision:
            body["decision"] = decision
        emit({"error": body})
    place = f"{error.place}: " if error.place else ""
    lines = [f"error: {place}{error.message}"]
    if isinstance(error, InvalidInput) and len(error.problems) > 1:
        lines += [f"  - {problem}" for problem in error.problems]
    lines.append(f"why:   {error.code} ({row.code}, exit code {row.exit})")
    lines.append(f"hint:  {error.hint}")
    sys.stderr.write(REDACTOR.mask("\n".join(lines)) + "\n")
    return row.exit


def table(rows: list[tuple[str, ...]], *, head: tuple[str, ...]) -> str:
    """Rows as aligned columns of plain text."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )
