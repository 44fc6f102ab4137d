"""How commands answer: lines for people, one JSON object for programs, three lines for an error."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import click

from remit.kernel import correlation
from remit.kernel.errors import BudgetExceeded, InternalError, InvalidInput, RateLimited, RemitError, row_of
from remit.kernel.plain import harmless
from remit.redact import sinks

_log = logging.getLogger(__name__)


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
    """One JSON object on stdout, masked."""
    sys.stdout.write(_masked_json(value) + "\n")
    sys.stdout.flush()


def _masked_json(value: Mapping[str, object]) -> str:
    """One line of JSON without secrets: text by text first, then as a whole, for what only shows beside its key."""
    text = json.dumps(value, indent=None, sort_keys=False, default=str)
    if sinks.mask(text) == text:
        return text
    text = json.dumps(sinks.mask_tree(json.loads(text), names=False))
    masked = sinks.mask(text)
    try:
        json.loads(masked)
    except ValueError:  # a mask took a quote with it
        told = "The answer holds a secret where it can't be masked, so it is not shown."
        return json.dumps({"error": {"code": "redact.answer", "message": told, "hint": "run it without --json"}})
    return masked


def say(text: str = "") -> None:
    """A line for the reader on stdout, masked; nothing in it controls the terminal, whoever wrote it."""
    sys.stdout.write(harmless(sinks.mask(text)) + "\n")
    sys.stdout.flush()


def hint(text: str) -> None:
    """A line beside the answer, on stderr, as ``say``."""
    sys.stderr.write(harmless(sinks.mask(text)) + "\n")
    sys.stderr.flush()


def report_error(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell an error on stderr (and as JSON on stdout when asked), masked, with the request's id; its exit code."""
    request_id = correlation.current().request_id
    if debug:
        sys.stderr.write(harmless(sinks.mask_likely("".join(traceback.format_exception(error)))))
    known = isinstance(error, RemitError)
    _log.info("the command failed (%s)", error.code if known else "internal", exc_info=None if known else error)
    if not isinstance(error, RemitError):
        error = InternalError(
            f"{type(error).__name__}: {error}", hint="run the command again with --debug and report it"
        )
    row = row_of(type(error))
    if as_json:
        mask = sinks.mask_likely
        body: dict[str, object] = {"code": error.code, "message": mask(error.message), "hint": mask(error.hint)}
        if error.place:
            body["place"] = mask(error.place)
        if isinstance(error, InvalidInput):
            body["problems"] = [mask(problem) for problem in error.problems]
        if isinstance(error, RateLimited | BudgetExceeded):
            body |= error.told
        decision = getattr(error, "decision_id", None)
        if decision:
            body["decision"] = decision
        if request_id:
            body["request_id"] = request_id
        emit({"error": body})
    place = f"{error.place}: " if error.place else ""
    lines = [f"error: {place}{error.message}"]
    if isinstance(error, InvalidInput) and len(error.problems) > 1:
        lines += [f"  - {problem}" for problem in error.problems]
    lines.append(f"why:   {error.code} ({row.code}, exit code {row.exit})")
    lines.append(f"hint:  {error.hint}")
    sys.stderr.write(harmless(sinks.mask_likely("\n".join(lines))) + "\n")
    refer()
    return row.exit


def refer() -> None:
    """The line that says under which id this request's log lines and audit entries are found."""
    request_id = correlation.current().request_id
    if request_id:
        hint(f"ref:   {request_id}")


def table(rows: list[tuple[str, ...]], *, head: tuple[str, ...]) -> str:
    """Rows as aligned columns of plain text."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )
