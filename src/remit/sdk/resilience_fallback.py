"""Graceful degradation: other functions that answer when the first can't."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import cast

from remit.guard.retry import transient

_log = logging.getLogger(__name__)


def fallback[**P, R](
    *alternatives: Callable[P, R], on: Callable[[BaseException], bool] = transient
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: when the function fails in a way that may pass (an open circuit too), the next one is asked.

    They get the same arguments, in the order given, each once. Of an async function the alternatives are async too.
    When all fail, the first error is raised, with a note for each alternative's; another kind of error (``on`` says no)
    ends it at once, whoever raises it.

    Args:
        alternatives: At least one; the last may simply return a default.
        on: After which errors the next is asked.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def degraded(*args: P.args, **kwargs: P.kwargs) -> object:
                first: Exception | None = None
                for each in (function, *alternatives):
                    try:
                        return await cast("Awaitable[object]", each(*args, **kwargs))
                    except Exception as error:  # noqa: BLE001 - judged by "on" below
                        first = _next(first, error, each, on=on)
                assert first is not None  # noqa: S101 - nothing answered
                raise first

            return cast("Callable[P, R]", degraded)

        @wraps(function)
        def degraded_now(*args: P.args, **kwargs: P.kwargs) -> R:
            first: Exception | None = None
            for each in (function, *alternatives):
                try:
                    return each(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - judged by "on" below
                    first = _next(first, error, each, on=on)
            assert first is not None  # noqa: S101 - nothing answered
            raise first

        return degraded_now

    return decorate


def _next(
    first: Exception | None, error: Exception, whose: Callable[..., object], *, on: Callable[[BaseException], bool]
) -> Exception:
    """The error to raise in the end, after another one; raises what ends it at once."""
    if not on(error):
        raise error
    name = getattr(whose, "__qualname__", repr(whose))
    _log.warning("%s failed (%s): the next alternative is asked", name, type(error).__name__)
    if first is None:
        return error
    first.add_note(f"The alternative {name} failed: {type(error).__name__}: {error}")
    return first
