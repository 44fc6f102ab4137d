"""Tries inside one permit: for repeatable effects that leave the host, after errors that may pass, a few times.

Steps have retries of their own (``missions/step.py``), durable and much longer; these bridge a hiccup. Three bounds
hold a service up that is already in trouble: few tries for each call (``Patience``), at most a tenth more calls than
were asked for (``RetryBudget``), and the circuit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum

from remit.kernel.backoff import backoff
from remit.kernel.errors import RemitError

#: What a service answers when it is there but can't now (RFC 9110, RFC 6585; 529 is one provider's "overloaded").
TRANSIENT_STATUS = frozenset({429, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long apart (seconds): the delay doubles up to the cap, and jitter takes off up to half.

    When all tries of a call were in vain, calls of the same operation are tried once each for ``cooldown_s``, or until
    one of them succeeds.
    """

    tries: int = 4
    first_s: float = 1.0
    cap_s: float = 15.0
    cooldown_s: float = 60.0


class Profile(StrEnum):
    """The named patiences (RES-2)."""

    PROVIDER = "provider"
    GENERIC = "generic"
    BACKGROUND = "background"
    ONCE = "once"


ONCE = Patience(tries=1)
PROFILES = {
    Profile.PROVIDER: Patience(tries=4, first_s=2.0, cap_s=15.0, cooldown_s=120.0),
    Profile.GENERIC: Patience(tries=4, first_s=1.0, cap_s=15.0, cooldown_s=60.0),
    Profile.BACKGROUND: Patience(tries=6, first_s=1.0, cap_s=30.0, cooldown_s=60.0),
    Profile.ONCE: ONCE,
}
#: The profile of a kind of effect, when nobody asks for another.
PROFILE_OF_KIND = {"model": Profile.PROVIDER}


def patience_of(kind: str) -> Patience:
    """The patience with effects of a kind."""
    return PROFILES[PROFILE_OF_KIND.get(kind, Profile.GENERIC)]


def transient(error: BaseException) -> bool:
    """Whether the same call may succeed later.

    Ours by their table row; a timeout or a lost connection; what carries a status (its own or its response's) of
    429, 502, 503, 504 or 529. Whatever else went wrong goes wrong again: authentication, validation, a bug.
    """
    if isinstance(error, RemitError):
        return error.row.retryable
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    return status_of(error) in TRANSIENT_STATUS


def retry_after(error: BaseException) -> float | None:
    """Seconds after which the other side asked to come back: the error's own, or its response's Retry-After."""
    asked: object = getattr(error, "retry_after", None)
    if asked is None:
        headers: object = getattr(getattr(error, "response", None), "headers", None)
        get: object = getattr(headers, "get", None)
        asked = get("retry-after") if callable(get) else None
    try:
        return None if asked is None else float(str(asked))
    except ValueError:
        return None  # a date: the caller's own delay has to do


def delay(error: BaseException, tried: int, *, patience: Patience, rand: Callable[[], float]) -> float | None:
    """Seconds until the next try after ``tried`` of them failed; ``None`` to give up.

    A service that says when to come back (Retry-After) is believed; when that is later than the cap, waiting is not
    ours to do and the error goes to the caller, who sees the time in it.
    """
    if tried >= patience.tries or not transient(error):
        return None
    asked = retry_after(error)
    if asked is not None:
        return max(asked, 0.0) if asked <= patience.cap_s else None
    return backoff(tried, first_s=patience.first_s, cap_s=patience.cap_s, rand=rand)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries, if any."""
    for bearer in (error, getattr(error, "response", None)):
        for name in ("status_code", "status"):
            found: object = getattr(bearer, name, None)
            if isinstance(found, int):
                return found
    return None


@dataclass(slots=True)
class _Tally:
    """Calls and retries of one operation, by slice of the window."""

    slices: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    cool_until: float = 0.0


class RetryBudget:
    """At most a tenth more calls than were asked for, counted for each operation over a sliding window.

    Whenever a retry is granted, the retries of the last ``window_s`` (this one included) are at most ``share`` of the
    calls of that time, or ``floor`` where that is more. So retries can't multiply the load on a service that fails for
    everybody. Any thread may call. Counted in this process.

    Args:
        monotonic: Seconds that never go back.
        share: Of first tries, as a part of 1.
        floor: So many retries are always granted in a window: one caller alone may be patient.
        window_s: Seconds.
        most: How many operations are remembered.
    """

    SLICES = 6

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        share: float = 0.1,
        floor: int = 10,
        window_s: float = 60.0,
        most: int = 4096,
    ) -> None:
        self._monotonic = monotonic
        self._share = share
        self._floor = floor
        self._width = window_s / self.SLICES
        self._most = most
        self._tallies: dict[Hashable, _Tally] = {}
        self._lock = threading.Lock()

    def called(self, operation: Hashable) -> None:
        """A call begins: its first try."""
        with self._lock:
            self._slice(self._tally(operation))[0] += 1

    def grant(self, operation: Hashable) -> bool:
        """Whether there may be another try; it counts from now on."""
        with self._lock:
            tally = self._tally(operation)
            now = self._slice(tally)
            if tally.cool_until > self._monotonic():
                return False
            calls = sum(each[0] for each in tally.slices.values())
            retries = sum(each[1] for each in tally.slices.values())
            if retries + 1 > max(self._floor, self._share * calls):
                return False
            now[1] += 1
            return True

    def in_vain(self, operation: Hashable, cooldown_s: float) -> None:
        """Every try of a call failed: for a while the operation's calls are tried once each."""
        with self._lock:
            self._tally(operation).cool_until = self._monotonic() + cooldown_s

    def worked(self, operation: Hashable) -> None:
        """A call succeeded: the cool-down is over."""
        tally = self._tallies.get(operation)
        if tally is not None and tally.cool_until:
            tally.cool_until = 0.0

    def _tally(self, operation: Hashable) -> _Tally:
        tally = self._tallies.get(operation)
        if tally is None:
            if len(self._tallies) >= self._most:
                del self._tallies[next(iter(self._tallies))]
            tally = self._tallies[operation] = _Tally()
        return tally

    def _slice(self, tally: _Tally) -> list[int]:
        """The current slice; those that left the window are forgotten."""
        index = int(self._monotonic() / self._width)
        found = tally.slices.get(index)
        if found is None:
            for old in [each for each in tally.slices if each <= index - self.SLICES]:
                del tally.slices[old]
            found = tally.slices[index] = [0, 0]
        return found
