"""Tracebacks as rich draws them: without locals, messages and notes masked before they are laid out.

Drawn, a long value is cut off or goes over several lines, and no mask finds its parts any more. So rich is changed
where it collects what it will draw, at the moment when somebody imports that part of it; nothing here imports rich.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from remit.redact import sinks
from remit.redact.sinks import UNSCANNED

_MODULE = "rich.traceback"


def install() -> Callable[[], None]:
    """Change rich now if it is there, else when it is imported; a function that takes the waiting back."""
    known = sys.modules.get(_MODULE)
    if known is not None:
        guard(known)
        return lambda: None
    finder = _WhenImported()
    sys.meta_path.insert(0, finder)

    def undo() -> None:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)

    return undo


class _WhenImported:
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> Any:  # noqa: ANN401 - a module's spec
        """Find that one module as everybody does, and have it changed once it has run."""
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_guard(module: ModuleType) -> None:
                run(module)
                guard(module)

            loader.exec_module = run_and_guard
        return spec


def guard(module: ModuleType) -> None:
    """Change rich's collecting of a traceback, once."""
    traceback: Any = vars(module)["Traceback"]
    plain = traceback.extract.__func__
    if getattr(plain, "_remit", False):
        return

    def extract(cls: type, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - rich's own
        return _masked(plain(cls, *args, **{**options, "show_locals": False}))

    extract._remit = True  # type: ignore[attr-defined]  # noqa: SLF001  # pyright: ignore[reportFunctionMemberAccess]
    traceback.extract = classmethod(extract)


def _masked(trace: Any) -> Any:  # noqa: ANN401 - rich's own
    for stack in trace.stacks:
        stack.exc_type, stack.exc_value = _text(stack.exc_type), _text(stack.exc_value)
        stack.notes = [_text(note) for note in getattr(stack, "notes", ())]
        if stack.syntax_error is not None:
            stack.syntax_error.line, stack.syntax_error.msg = (
                _text(stack.syntax_error.line),
                _text(stack.syntax_error.msg),
            )
        for inner in getattr(stack, "exceptions", ()):
            _masked(inner)
    return trace


def _text(text: str) -> str:
    try:
        return sinks.mask_likely(text)
    except Exception:  # noqa: BLE001 - what can't be scanned isn't shown
        return UNSCANNED
