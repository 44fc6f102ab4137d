"""Failures on purpose: an explicit scenario makes adapters fail, so that a drill sees what happens then (RES-5).

A fault strikes inside the permit, between the guard and the adapter: timeouts, retries, breakers, budgets, steps and
audit log meet it as they would meet the real thing. Nothing but a scenario that a program hands over arms one: there is
no setting, no variable and no file for it. And it is refused twice where the environment is production: when it is
armed, and by the guard that would use it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.action import Action
from remit.kernel.errors import Denied, Failed, InvalidInput, RateLimited, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.ports import Adapter

PRODUCTION = "production"
#: So long a fault waits in place of an answer that never comes; the attempt's own time ends it earlier.
NEVER_S = 3600.0

_log = logging.getLogger(__name__)


class What(StrEnum):
    """What goes wrong."""

    TIMEOUT = "timeout"  # no answer comes; the attempt's time ends it
    ERROR = "error"  # the adapter fails with the fault's ``error``
    CUT = "cut"  # the connection is lost: half of the strikes before the effect happened, half after
    POSTCONDITION = "postcondition"  # it says that it was done, and it was not
    LATENCY = "latency"  # it is done, late


ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "unavailable": lambda text: Unavailable(text, code="fault.unavailable"),
    "overloaded": lambda text: Unavailable(text, code="fault.overloaded", retry_after=1.0),
    "timeout": lambda text: Timeout(text, code="fault.timeout"),
    "rate_limited": lambda text: RateLimited(text, code="fault.rate_limited"),
    "failed": lambda text: Failed(text, code="fault.failed"),
    "denied": lambda text: Denied(text, code="fault.denied"),
    "connection": ConnectionResetError,
    "crash": RuntimeError,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, for the actions that it fits.

    Attributes:
        what: Goes wrong.
        kind: Of effect; every kind when empty.
        step: Of a mission; every step (and what is no step's) when empty.
        target: Starts with this; any when empty.
        error: Which one, of ``ERRORS``; for ``What.ERROR``.
        rate: So often, as a part of 1.
        after: So many attempts go well first.
        recover_after: So many attempts are struck, then it is over; 0 is for ever. Counted for each step and kind.
        latency_s: Between these seconds, before anything else happens.

    Raises:
        InvalidInput: It makes no sense.
    """

    what: What
    kind: str = ""
    step: str = ""
    target: str = ""
    error: str = "unavailable"
    rate: float = 1.0
    after: int = 0
    recover_after: int = 0
    latency_s: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        low, high = self.latency_s
        problems = [
            text
            for wrong, text in (
                (self.error not in ERRORS, f"error is {self.error!r}: one of {', '.join(ERRORS)}"),
                (not 0 < self.rate <= 1, f"rate is {self.rate}: above 0 and at most 1"),
                (self.after < 0 or self.recover_after < 0, "after and recover_after count attempts"),
                (not 0 <= low <= high, f"latency_s is {self.latency_s}: from the shortest to the longest"),
                (self.what is What.LATENCY and high == 0, "a latency needs latency_s"),
            )
            if wrong
        ]
        if problems:
            message = f"The fault makes no sense: {'; '.join(problems)}."
            raise InvalidInput(message, code="faults.invalid", problems=tuple(problems))

    def fits(self, action: Action) -> bool:
        """Whether it is about this action."""
        return (
            self.kind in ("", action.kind)
            and self.step in ("", action.step)
            and (not self.target or action.target.startswith(self.target))
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults with a name; the same seed draws the same rates and latencies."""

    name: str
    faults: tuple[Fault, ...]
    seed: int = 0


class Faulty:
    """An adapter that a scenario strikes."""

    def __init__(self, adapter: Adapter, faults: Faults) -> None:
        self._adapter = adapter
        self._faults = faults

    async def perform(self, action: Action) -> Outcome:
        """Do it, or whatever the scenario makes of it."""
        return await self._faults.perform(self._adapter, action)


class Faults:
    """An armed scenario; see ``arm``. ``struck`` counts what happened, by what and kind."""

    def __init__(self, scenario: Scenario, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.scenario = scenario
        self.struck: Counter[str] = Counter()
        self._sleep = sleep
        self._random = random.Random(scenario.seed)  # noqa: S311 - a drill's repeatable chance
        self._met: Counter[tuple[int, str, str]] = Counter()
        self._hits: Counter[tuple[int, str, str]] = Counter()
        self._lock = threading.Lock()

    async def perform(self, adapter: Adapter, action: Action) -> Outcome:
        """``action`` by ``adapter``, with whatever strikes it; latencies add up, the first failure decides."""
        late_s, failing = self._strikes(action)
        if late_s:
            await self._sleep(late_s)
        if failing is None:
            return await adapter.perform(action)
        text = f"The scenario {self.scenario.name!r} made this {action.kind} fail."
        match failing.what:
            case What.TIMEOUT:
                await asyncio.sleep(NEVER_S)
                raise Timeout(text, code="fault.timeout")
            case What.POSTCONDITION:
                return Outcome(ok=True, value={"exit_code": 0, "status": 200}, text="done")
            case What.CUT:
                if self._draw() < 0.5:  # noqa: PLR2004 - a coin
                    await adapter.perform(action)
                raise ConnectionResetError(text)
            case _:
                raise ERRORS[failing.error](text)

    def _strikes(self, action: Action) -> tuple[float, Fault | None]:
        late_s, failing = 0.0, None
        with self._lock:
            for number, fault in enumerate(self.scenario.faults):
                if (failing is not None and fault.what is not What.LATENCY) or not fault.fits(action):
                    continue
                place = (number, action.step, action.kind)
                self._met[place] += 1
                over = fault.recover_after and self._hits[place] >= fault.recover_after
                if over or self._met[place] <= fault.after or self._random.random() >= fault.rate:
                    continue
                self._hits[place] += 1
                self.struck[f"{fault.what}:{action.kind}"] += 1
                late_s += self._random.uniform(*fault.latency_s)
                if fault.what is not What.LATENCY:
                    failing = fault
        if failing is not None:
            _log.info("fault injected: %s of %s in step %s", failing.what, action.kind, action.step or "-")
        return late_s, failing

    def _draw(self) -> float:
        with self._lock:
            return self._random.random()


def arm(
    scenario: Scenario,
    adapters: Mapping[str, Adapter],
    *,
    environment: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[dict[str, Adapter], Faults]:
    """The adapters with a scenario before them.

    Raises:
        InvalidInput: The environment is production.
    """
    refuse_in_production(environment)
    faults = Faults(scenario, sleep)
    return {kind: Faulty(adapter, faults) for kind, adapter in adapters.items()}, faults


def refuse_in_production(environment: str) -> None:
    """Failures are never made on purpose where they would hurt.

    Raises:
        InvalidInput: The environment is production.
    """
    if environment == PRODUCTION:
        message = "Failures on purpose are refused because this install's environment is production."
        raise InvalidInput(message, code="faults.production", hint="run the drill on a development machine")


def check_adapters(adapters: Mapping[str, Adapter], *, environment: str) -> None:
    """The guard's own look at what it is given.

    Raises:
        InvalidInput: One of them fails on purpose, in production.
    """
    if any(isinstance(adapter, Faulty) for adapter in adapters.values()):
        refuse_in_production(environment)
