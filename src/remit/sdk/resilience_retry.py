"""Retries by profile as a decorator and as a function; stamina makes them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import cast

import stamina

from remit.guard.retry import PROFILES, Patience, Profile, RetryBudget, retry_after, transient

#: The budget of whoever gives none: one for this process, counted by function.
SHARED = RetryBudget(time.monotonic)


class Retrying:
    """Calls a function again after errors that may pass, as patiently as a profile says.

    Delays double from the profile's first to its cap, with up to half of the first added at random; Retry-After is
    honoured up to the cap, beyond that the error is the caller's at once. Retries take from ``budget``: at most a tenth
    more calls than were asked for. Each is logged by stamina with the function's name and its number; in tests
    ``stamina.set_testing(True)`` makes all of them one try.

    Args:
        profile: A named profile, or a patience of your own.
        on: Which errors may pass; those that ``transient`` names when left out.
        budget: Where retries are counted; one for the process when left out.
        name: What they are counted under; the function's own name when left out.
    """

    def __init__(
        self,
        profile: Profile | Patience = Profile.GENERIC,
        *,
        on: Callable[[BaseException], bool] = transient,
        budget: RetryBudget | None = None,
        name: str = "",
    ) -> None:
        self.patience = PROFILES[profile] if isinstance(profile, Profile) else profile
        self._on = on
        self._budget = SHARED if budget is None else budget
        self._name = name

    def __call__[**P, R](self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, sync or async."""
        name = self._name or f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
        patience = self.patience

        def on(error: Exception) -> bool | float:
            asked = retry_after(error)
            if not self._on(error) or (asked is not None and asked > patience.cap_s) or not self._budget.grant(name):
                return False
            return True if asked is None else max(asked, 0.0)

        retried = stamina.retry(
            on=on,
            attempts=patience.tries,
            timeout=None,
            wait_initial=patience.first_s,
            wait_max=patience.cap_s,
            wait_jitter=patience.first_s / 2,
        )(function)
        if inspect.iscoroutinefunction(function):
            later = cast("Callable[P, Awaitable[object]]", retried)

            @wraps(function)
            async def again(*args: P.args, **kwargs: P.kwargs) -> object:
                self._budget.called(name)
                try:
                    done = await later(*args, **kwargs)
                except Exception as error:
                    self._failed(name, error)
                    raise
                self._budget.worked(name)
                return done

            return cast("Callable[P, R]", again)

        @wraps(function)
        def at_once(*args: P.args, **kwargs: P.kwargs) -> R:
            self._budget.called(name)
            try:
                done = retried(*args, **kwargs)
            except Exception as error:
                self._failed(name, error)
                raise
            self._budget.worked(name)
            return done

        return at_once

    def call[**P, R](self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function once, with its retries; what an async one gives is still to be awaited."""
        return self(function)(*args, **kwargs)

    def _failed(self, name: str, error: Exception) -> None:
        if self._on(error):
            self._budget.in_vain(name, self.patience.cooldown_s)


def retrying(
    profile: Profile | Patience = Profile.GENERIC,
    *,
    on: Callable[[BaseException], bool] = transient,
    budget: RetryBudget | None = None,
    name: str = "",
) -> Retrying:
    """A decorator that retries; see ``Retrying`` for what it promises."""
    return Retrying(profile, on=on, budget=budget, name=name)


def retry_call[**P, R](
    profile: Profile | Patience, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call ``function`` with a profile's retries; what an async one gives is still to be awaited."""
    return Retrying(profile).call(function, *args, **kwargs)
