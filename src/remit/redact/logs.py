"""The first line of every entry point: from here on nothing that Python itself writes holds a secret.

What is masked is the *rendered* text: a secret in an argument, a cause, a note or a bytes repr is then as visible as
one in the message. Covered: every logging handler (present and later) that formats through ``logging.Handler.format``,
``logging.lastResort``, warnings, ``sys.excepthook``, ``threading.excepthook`` and ``sys.unraisablehook``; asyncio
reports through logging. Not covered: what a program prints, and handlers that override ``format`` itself.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType

from remit.redact.redactor import Redactor

UNSCANNED = "[unscanned]"

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def install(redactor: Redactor, *, level: int = logging.WARNING) -> Callable[[], None]:
    """Mask everything that logging, warnings and uncaught exceptions write; safe before any setting is read.

    A line that can't be scanned becomes ``[unscanned]``. The root logger gets a handler on stderr when it has none.

    Returns:
        A function that puts everything back (for tests).
    """

    def safe(render: Callable[[], str]) -> str:
        try:
            return redactor.mask(render())
        except Exception:  # noqa: BLE001 - whatever is wrong with a line, it must neither be shown nor stop the program
            return UNSCANNED

    undo = (_install_logging(safe, level), _install_warnings(safe), _install_hooks(safe))

    def uninstall() -> None:
        for each in reversed(undo):
            each()

    return uninstall


type _Safe = Callable[[Callable[[], str]], str]


def _install_logging(safe: _Safe, level: int) -> Callable[[], None]:
    plain = logging.Handler.format

    def masked(self: logging.Handler, record: logging.LogRecord) -> str:
        return safe(lambda: plain(self, record))

    logging.Handler.format = masked
    root = logging.getLogger()
    added: list[logging.Handler] = []
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_LINE))
        root.addHandler(handler)
        root.setLevel(level)
        added.append(handler)

    def undo() -> None:
        logging.Handler.format = plain
        for each in added:
            root.removeHandler(each)

    return undo


def _install_warnings(safe: _Safe) -> Callable[[], None]:
    plain = warnings.formatwarning

    def masked(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        return safe(lambda: plain(message, category, filename, lineno, line)).rstrip("\n") + "\n"

    warnings.formatwarning = masked

    def undo() -> None:
        warnings.formatwarning = plain

    return undo


def _install_hooks(safe: _Safe) -> Callable[[], None]:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def write(head: str, error: BaseException | None, kind: type[BaseException] | None) -> None:
        def render() -> str:
            told = traceback.format_exception(error) if error is not None else [f"{kind}\n"]
            return head + "".join(told)

        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] - None under pythonw
            sys.stderr.write(safe(render).rstrip("\n") + "\n")

    def uncaught(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        write("", error, kind)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "?"
            write(f"Exception in thread {name}:\n", args.exc_value, args.exc_type)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        write(f"{args.err_msg or 'Exception ignored'} in {args.object!r}:\n", args.exc_value, args.exc_type)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable

    def undo() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before

    return undo
