"""The first line of every entry point: from here on nothing that Python itself writes holds a secret.

Two nets, because either alone has holes. *Records*: every record is replaced by a masked copy (``redact.records``)
before a handler sees it, so that a handler may override ``format``, cache, pickle or send it as it likes. *Output*:
whatever a handler formats is masked once more, as rendered, which covers what formatters add of their own and handlers
that are called directly. ``hooks`` does the same for uncaught exceptions, warnings and, for a command line, print.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from remit.kernel import correlation
from remit.redact import hooks, records, sinks
from remit.redact.redactor import Redactor
from remit.redact.sinks import UNSCANNED

__all__ = ["UNSCANNED", "Plain", "install", "use"]

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_WRAPPED = "_remit_format"

_ours: list[logging.Handler] = []


class Plain(logging.Formatter):
    """A line for people; the ids that are known stand at the end of its first line, ``[mission=... step=...]``."""

    def __init__(self) -> None:
        super().__init__(_LINE)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        """The message's line, with the ids."""
        known = [(name, record.__dict__.get(name)) for name in correlation.FIELDS]
        told = " ".join(f"{name}={value}" for name, value in known if value and name != "trace_id")
        return super().formatMessage(record) + (f" [{told}]" if told else "")


def install(redactor: Redactor, *, level: int = logging.WARNING, streams: bool = False) -> Callable[[], None]:
    """Mask everything that logging, warnings and uncaught exceptions write; safe before any setting is read.

    A line that can't be scanned becomes ``[unscanned]``. The root logger gets a handler on stderr when it has none.

    Args:
        redactor: What the entry point knows; those of open homes join in (``sinks``).
        level: The root logger's, when it had no handler.
        streams: Mask what is printed too (``sys.stdout``, ``sys.stderr``).

    Returns:
        A function that puts everything back (for tests).
    """
    sinks.install(redactor)
    undo = [lambda: sinks.uninstall(redactor), _install_logging(level), hooks.install()]
    if streams:
        undo.append(hooks.install_streams())

    def uninstall() -> None:
        for each in reversed(undo):
            each()

    return uninstall


def use(formatter: logging.Formatter) -> None:
    """How the handlers that ``install`` added write from now on."""
    for handler in _ours:
        handler.setFormatter(formatter)


def _install_logging(level: int) -> Callable[[], None]:
    format_, handle, failed = logging.Handler.format, logging.Handler.handle, logging.Handler.handleError
    call = logging.Logger.callHandlers

    def masked_format(self: logging.Handler, record: logging.LogRecord) -> str:
        return _shown(lambda: format_(self, records.masked(record)), self)

    def masked_handle(self: logging.Handler, record: logging.LogRecord) -> bool:
        _wrap(self, masked_format)
        return handle(self, records.masked(record))

    def masked_call(self: logging.Logger, record: logging.LogRecord) -> None:
        call(self, records.masked(record))

    logging.Handler.format = masked_format
    logging.Handler.handle = masked_handle
    logging.Handler.handleError = _failed
    logging.Logger.callHandlers = masked_call
    root = logging.getLogger()
    added: list[logging.Handler] = []
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(Plain())
        root.addHandler(handler)
        root.setLevel(level)
        added.append(handler)
        _ours.extend(added)

    def undo() -> None:
        logging.Handler.format, logging.Handler.handle, logging.Handler.handleError = format_, handle, failed
        logging.Logger.callHandlers = call
        for each in added:
            root.removeHandler(each)
            _ours.remove(each)

    return undo


def _shown(render: Callable[[], str], handler: logging.Handler) -> str:
    """What a handler formatted, masked; a formatter that writes JSON says how a line looks that can't be shown."""
    repaired = getattr(handler.formatter, "repaired", None)
    try:
        told = render()
        shown = sinks.mask_likely(told)
        return shown if shown == told or repaired is None else str(repaired(shown))
    except Exception:  # noqa: BLE001 - whatever is wrong with a line, it must neither be shown nor stop the program
        return UNSCANNED if repaired is None else str(repaired(UNSCANNED))


def _wrap(handler: logging.Handler, ours: Callable[[logging.Handler, logging.LogRecord], str]) -> None:
    """A handler whose class overrides ``format`` has its output masked all the same."""
    own = handler.format
    if getattr(own, "__func__", None) is ours or getattr(own, _WRAPPED, False):
        return

    def masked(record: logging.LogRecord) -> str:
        return _shown(lambda: own(records.masked(record)), handler)

    setattr(masked, _WRAPPED, True)
    with suppress(AttributeError):  # it has slots: its records are masked, and that must do
        handler.format = masked


def _failed(self: logging.Handler, record: logging.LogRecord) -> None:
    """What the standard library tells of a record that a handler could not write, masked."""
    if logging.raiseExceptions and sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] - None under pythonw

        def render() -> str:
            seen = records.masked(record)
            head = f"--- Logging error in {type(self).__name__} ---\n{traceback.format_exc()}"
            return f"{head}Message: {seen.msg!r}\nArguments: {seen.args!r}"

        with suppress(OSError, ValueError):  # stderr itself is broken or closed
            sys.stderr.write(records.safe(render) + "\n")
