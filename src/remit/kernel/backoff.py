"""How long to wait before something is tried again: exponential, capped, with jitter."""

from __future__ import annotations

import threading
from collections.abc import Callable

from remit.kernel.errors import Unavailable


def backoff(tried: int, *, first_s: float, cap_s: float, rand: Callable[[], float]) -> float:
    """Seconds to wait after ``tried`` tries (from 1) failed: doubling up to the cap, jitter takes off up to half.

    Half fixed, half random ("equal jitter", M. Brooker, "Exponential backoff and jitter", 2015): callers that failed
    together come back apart, and none at once.
    """
    return min(first_s * 2.0 ** min(tried - 1, 60), cap_s) * (1 - 0.5 * rand())


class Pace:
    """When the next attempt to connect may be made, whoever makes it. Any thread may use it.

    Args:
        monotonic: Seconds that never go back.
        rand: Numbers in [0, 1), for jitter.
        first_s: After the first failure.
        cap_s: At most, after many.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        rand: Callable[[], float],
        first_s: float = 0.1,
        cap_s: float = 5.0,
    ) -> None:
        self.monotonic = monotonic
        self.failures = 0
        self._rand = rand
        self._first_s = first_s
        self._cap_s = cap_s
        self._not_before = 0.0
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Seconds until the next attempt may be made; 0 when it may be made now."""
        return max(self._not_before - self.monotonic(), 0.0) if self.failures else 0.0

    def failed(self) -> None:
        """An attempt failed."""
        with self._lock:
            self.failures += 1
            pause = backoff(self.failures, first_s=self._first_s, cap_s=self._cap_s, rand=self._rand)
            self._not_before = self.monotonic() + pause

    def succeeded(self) -> None:
        """An attempt succeeded: the next loss starts anew."""
        self.failures = 0


def connecting[C](
    connect: Callable[[], C],
    pace: Pace,
    *,
    patience_s: float,
    sleep: Callable[[float], object],
    lost: Callable[[BaseException], bool],
) -> C:
    """A connection: tried again at ``pace`` for up to ``patience_s`` seconds, then given up until the pace allows more.

    Raises:
        Unavailable: The pace allows no attempt in time; ``retry_after`` says when it does.
        BaseException: What the last attempt failed with.
    """
    deadline = pace.monotonic() + patience_s
    while True:
        wait = pace.wait()
        if wait and pace.monotonic() + wait > deadline:
            raise too_soon(wait)
        if wait:
            sleep(wait)
        try:
            made = connect()
        except Exception as error:
            if not lost(error):
                raise
            pace.failed()
            if pace.monotonic() + pace.wait() > deadline:
                raise
        else:
            pace.succeeded()
            return made


def too_soon(wait: float) -> Unavailable:
    """The error of whoever asks for a connection between two attempts."""
    message = f"The connection is lost, and is tried again in {wait:.1f} s."
    return Unavailable(message, code="connection.lost", retry_after=wait)
