"""An optional cache: answers kept for a while, an old one rather than none, and no harm when the cache is down."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from typing import Protocol, cast

from remit.guard.retry import transient

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept answer and its age in seconds."""

    value: object
    age_s: float


class Cache(Protocol):
    """Where answers are kept. Any error of it counts as "nothing there"."""

    def get(self, key: Hashable) -> Kept | None:
        """What is kept under a key, however old it is."""
        ...

    def put(self, key: Hashable, value: object, *, keep_s: float) -> None:
        """Keep a value for at least ``keep_s`` seconds, room permitting."""
        ...


class MemoryCache:
    """The newest ``most`` answers of this process; any thread may use it."""

    def __init__(self, *, most: int = 1024, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, tuple[float, float, object]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Kept | None:
        """What is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            at, until, value = found
            now = self._monotonic()
            if until <= now:
                del self._kept[key]
                return None
            return Kept(value, now - at)

    def put(self, key: Hashable, value: object, *, keep_s: float) -> None:
        """Keep a value for ``keep_s`` seconds, or until so many newer ones are kept."""
        with self._lock:
            now = self._monotonic()
            self._kept[key] = (now, now + keep_s, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def cached[**P, R](
    keep_s: float,
    *,
    stale_s: float = 0.0,
    cache: Cache | None = None,
    key: Callable[P, Hashable] | None = None,
    on: Callable[[BaseException], bool] = transient,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: an answer to the same arguments that is at most ``keep_s`` seconds old is given again.

    For functions that read and change nothing. When the function fails in a way that may pass, an answer of up to
    ``stale_s`` seconds is better than none. A cache that fails is as good as an empty one: the function is called.

    Args:
        keep_s: Seconds for which an answer is as good as new.
        stale_s: Seconds for which it is better than an error.
        cache: Where answers are kept; in this process's memory, for this function alone, when left out.
        key: What distinguishes calls; their arguments (which must then be hashable) when left out.
        on: After which errors an old answer will do.
    """
    kept_in: Cache = MemoryCache() if cache is None else cache
    oldest = max(keep_s, stale_s)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"

        def named(*args: P.args, **kwargs: P.kwargs) -> Hashable:
            told = (args, tuple(sorted(kwargs.items()))) if key is None else key(*args, **kwargs)
            return (name, told)

        if inspect.iscoroutinefunction(function):
            later = cast("Callable[P, Awaitable[object]]", function)

            @wraps(function)
            async def kept_later(*args: P.args, **kwargs: P.kwargs) -> object:
                which = named(*args, **kwargs)
                kept = _get(kept_in, which)
                if kept is not None and kept.age_s <= keep_s:
                    return kept.value
                try:
                    value = await later(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - judged by "on" below
                    return _stale(kept, error, stale_s=stale_s, on=on)
                _put(kept_in, which, value, keep_s=oldest)
                return value

            return cast("Callable[P, R]", kept_later)

        @wraps(function)
        def kept_now(*args: P.args, **kwargs: P.kwargs) -> R:
            which = named(*args, **kwargs)
            kept = _get(kept_in, which)
            if kept is not None and kept.age_s <= keep_s:
                return cast("R", kept.value)
            try:
                value = function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - judged by "on" below
                return cast("R", _stale(kept, error, stale_s=stale_s, on=on))
            _put(kept_in, which, value, keep_s=oldest)
            return value

        return kept_now

    return decorate


def _get(cache: Cache, key: Hashable) -> Kept | None:
    try:
        return cache.get(key)
    except Exception as error:  # noqa: BLE001 - whatever ails the cache, the function is called
        _log.warning("the cache can't be read: %s", type(error).__name__)
        return None


def _put(cache: Cache, key: Hashable, value: object, *, keep_s: float) -> None:
    try:
        cache.put(key, value, keep_s=keep_s)
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("the cache can't be written: %s", type(error).__name__)


def _stale(kept: Kept | None, error: Exception, *, stale_s: float, on: Callable[[BaseException], bool]) -> object:
    """An old answer instead of an error; raises the error when there is none, or it is of another kind."""
    if kept is None or kept.age_s > stale_s or not on(error):
        raise error
    _log.warning("an answer that is %.0f s old is given (%s)", kept.age_s, type(error).__name__)
    return kept.value
