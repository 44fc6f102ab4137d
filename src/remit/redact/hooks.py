"""Uncaught exceptions, warnings and print: what Python writes beside logging, masked.

``faulthandler`` writes frames (file, line, function) and no value, from a signal handler in which nothing can be
scanned: it is left alone.
"""

from __future__ import annotations

import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ClassVar, TextIO, cast

from remit.redact import sinks, tracebacks
from remit.redact.records import safe
from remit.redact.sinks import UNSCANNED


def install() -> Callable[[], None]:
    """Mask warnings and uncaught exceptions of every thread; a function that puts everything back."""
    undo = (_install_warnings(), _install_hooks(), tracebacks.install())

    def uninstall() -> None:
        for each in reversed(undo):
            each()

    return uninstall


def install_streams() -> Callable[[], None]:
    """Mask what anything prints to ``sys.stdout`` and ``sys.stderr``, write by write."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_stream(each) for each in before)

    def undo() -> None:
        sys.stdout, sys.stderr = before

    return undo


@contextmanager
def own_words() -> Generator[None]:
    """What is printed meanwhile stands in this program's own text (help), so that nothing need be scanned for it."""
    Masked.passing = True
    try:
        yield
    finally:
        Masked.passing = False


def _stream(stream: TextIO) -> TextIO:
    return stream if stream is None else cast("TextIO", Masked(stream))  # pyright: ignore[reportUnnecessaryComparison] - None under pythonw


class Masked:
    """A text stream that masks each write; everything else is the stream's own.

    A secret that is printed in parts, by several writes, is not found: whoever has all of it prints it at once.
    """

    passing: ClassVar[bool] = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    def __iter__(self) -> Any:  # noqa: ANN401 - as above
        return iter(self._stream)

    @property
    def buffer(self) -> Any:  # noqa: ANN401 - as above
        """The stream's bytes, masked likewise."""
        return _MaskedBytes(self._stream.buffer)

    def write(self, text: str) -> int:
        """Write it masked; how many characters were given."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - click asks this way whether it takes bytes
            message = f"write() argument must be str, not {type(text).__name__}"
            raise TypeError(message)
        self._stream.write(text if self.passing else _masked(text))
        return len(text)

    def writelines(self, lines: Any) -> None:  # noqa: ANN401 - as above
        """Write them masked."""
        self.write("".join(lines))


class _MaskedBytes:
    def __init__(self, buffer: Any) -> None:  # noqa: ANN401 - a raw or buffered writer
        self._buffer = buffer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
        return getattr(self._buffer, name)

    def write(self, data: bytes) -> int:
        text = bytes(data).decode("latin-1")
        self._buffer.write(_masked(text).encode("latin-1"))
        return len(data)


def _masked(text: str) -> str:
    try:
        return sinks.mask(text)
    except Exception:  # noqa: BLE001 - what can't be scanned isn't shown
        return f"{UNSCANNED}\n"


def _install_warnings() -> Callable[[], None]:
    plain = warnings.formatwarning

    def masked(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        return safe(lambda: plain(message, category, filename, lineno, line)).rstrip("\n") + "\n"

    warnings.formatwarning = masked

    def undo() -> None:
        warnings.formatwarning = plain

    return undo


def _install_hooks() -> Callable[[], None]:
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
