"""How long to wait before something is tried again: exponential, capped, with jitter."""

from __future__ import annotations

from collections.abc import Callable


def backoff(tried: int, *, first_s: float, cap_s: float, rand: Callable[[], float]) -> float:
    """Seconds to wait after ``tried`` tries (from 1) failed: doubling up to the cap, jitter takes off up to half.

    Half fixed, half random ("equal jitter", M. Brooker, "Exponential backoff and jitter", 2015): callers that failed
    together come back apart, and none at once.
    """
    return min(first_s * 2.0 ** min(tried - 1, 60), cap_s) * (1 - 0.5 * rand())
