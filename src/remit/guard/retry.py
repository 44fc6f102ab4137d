"""Tries inside one permit: for repeatable effects that leave the host, after errors that may pass, a few times.

Steps have retries of their own (``missions/step.py``), durable and much longer; these bridge a hiccup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.kernel.errors import RemitError, Unavailable


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long apart (seconds): the delay doubles up to the cap, and jitter takes off up to half."""

    tries: int = 3
    first_s: float = 1.0
    cap_s: float = 15.0


ONCE = Patience(tries=1)


def delay(error: BaseException, tried: int, *, patience: Patience, rand: Callable[[], float]) -> float | None:
    """Seconds until the next try after ``tried`` of them failed; ``None`` to give up.

    A service that says when to come back (Retry-After) is believed; when that is later than the cap, waiting is not
    ours to do and the error goes to the caller, who sees the time in it.
    """
    if tried >= patience.tries or not isinstance(error, RemitError) or not error.row.retryable:
        return None
    asked = error.retry_after if isinstance(error, Unavailable) else None
    if asked is not None:
        return max(asked, 0.0) if asked <= patience.cap_s else None
    return min(patience.first_s * 2.0 ** (tried - 1), patience.cap_s) * (1 - 0.5 * rand())
