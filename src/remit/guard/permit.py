"""A permit: the attempts of one admitted action, and its one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, cast

from remit.guard.breaker import Report
from remit.guard.circuits import OUTSIDE, Circuits, key_of
from remit.guard.identify import stopped
from remit.guard.records import KILLED, Ending, State, Within, outcome
from remit.guard.retry import ONCE, Patience, delay
from remit.guard.scene import Scene
from remit.guard.standing import Register
from remit.guard.watch import Watch
from remit.guard.written import Written
from remit.kernel.action import Action
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Denied, InternalError, RateLimited, RemitError, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO
from remit.kernel.permits import opened
from remit.kernel.ports import Adapter, Journal, Tx
from remit.kernel.tracing import span
from remit.redact.redactor import Redactor

type Pending = list[Written]


@dataclass(frozen=True, slots=True)
class Terms:
    """How attempts are made: waiting is passed in so that tests need not."""

    patience: Patience = field(default_factory=Patience)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Host(Protocol):
    """What a permit needs of the guard that made it."""

    journal: Journal
    adapters: Mapping[str, Adapter]
    redactor: Redactor
    clock: Clock
    rand: Callable[[], float]
    terms: Terms
    circuits: Circuits
    register: Register
    watch: Watch


class Permit:
    """Leave to perform one action once. Made by the guard; ``async with guard.admit(action) as permit``."""

    __slots__ = (
        "_guard",
        "_intent",
        "_lease",
        "_policy_rev",
        "_task",
        "_why",
        "_within",
        "action",
        "loop",
        "performed",
        "used",
    )

    def __init__(
        self,
        guard: Host,
        action: Action,
        *,
        scene: Scene,
        within: Within | None,
        intent: Future[None] | None,
    ) -> None:
        self.action = action
        self.performed = scene.performed
        self.loop = asyncio.get_running_loop()
        self.used = False
        self._guard = guard
        self._lease = scene.lease
        self._policy_rev = scene.policy_rev
        self._within = within
        self._intent = intent  # not yet known to be committed: only for kinds that start at once
        self._task: asyncio.Task[object] | None = None
        self._why = ""

    async def perform(self, *, timeout_s: float | None = None, pending: Pending | None = None) -> Outcome:
        """Do it: attempts, then settle and write the outcome, then answer, with secrets masked.

        Args:
            timeout_s: Seconds that one attempt may take.
            pending: When given, the outcome's commit is added here instead of awaited. Writes are first in first out,
                so a later awaited commit implies it; whoever holds the list must still ``check`` it.

        Raises:
            Denied: It was stopped by a kill switch while it ran.
            Unavailable: It failed, and may be tried again when the effect is repeatable (``Timeout``: too slow).
            RemitError: It failed for good; or the outcome could not be written.
        """
        if self.used:
            message = f"The permit for action {self.action.id} was used already: one permit, one performance."
            raise InternalError(message, code="guard.permit_used")
        self.used = True
        ending = await self._attempts(timeout_s)
        try:
            with span("guard.settle", kind=self.action.kind, action=self.action.id, state=ending.state.value):
                await self._close(ending, pending)
        except Exception as lost:
            if ending.error is not None and not isinstance(ending.error, Exception):
                raise ending.error from lost  # a cancellation stays one
            raise lost from ending.error
        if ending.error is not None:
            raise ending.error
        assert ending.outcome is not None  # noqa: S101 - an ending has one or the other
        return ending.outcome

    async def drop(self) -> None:
        """Close a permit that was never used."""
        if not self.used:
            self.used = True
            self._give(Report.NEUTRAL)
            await self._close(Ending(State.UNUSED, "unused", tries=0), None)

    def stop(self, why: str) -> None:
        """Called by the watch, in this permit's loop: a kill switch stops what runs."""
        if self._task is not None and not self._why:
            self._why = why
            self._task.cancel()

    # ----------------------------------------------------------------------------------------------------- attempts

    async def _attempts(self, timeout_s: float | None) -> Ending:
        terms = self._guard.terms
        repeatable = self.action.effect.trait.repeatable
        patience = terms.patience if repeatable and self.action.kind in OUTSIDE else ONCE
        self._task = asyncio.current_task()
        self._guard.watch.add(self)
        tries = 0
        try:
            await self._look_again()
            while True:
                tries += 1
                try:
                    with span("guard.attempt", kind=self.action.kind, action=self.action.id, number=tries):
                        done = await self._attempt(timeout_s)
                except RemitError as error:
                    self._give(_blame(error))
                    wait = delay(error, tries, patience=patience, rand=self._guard.rand)
                    if wait is None or self._why:
                        return self._failed(error, tries)
                    await terms.sleep(wait)
                    if not self._take():
                        return self._failed(error, tries)
                else:
                    self._give(Report.SUCCESS)
                    return self._ended(done, tries)
        except BaseException as error:  # noqa: BLE001 - whatever ends the attempts, one outcome is written
            return self._broken(error, tries)
        finally:
            self._task = None
            self._guard.watch.remove(self)

    async def _look_again(self) -> None:
        """Who may act was read at admission; when that is long ago, it is read again before anything starts."""
        register = self._guard.register
        standing = register.fresh(self.action.workspace)
        if standing is None:
            try:
                standing = await register.refresh(self.action.workspace)
            except Exception as error:
                message = "The kill switch could not be read, so nothing may start."
                raise Unavailable(message, code="guard.unreadable") from error
        why = stopped(self.action, standing)
        if why:
            self._why = why
            raise _StoppedError

    async def _attempt(self, timeout_s: float | None) -> Outcome:
        adapter = self._guard.adapters[self.action.kind]
        with opened(self.action.id):
            if timeout_s is None:
                return await adapter.perform(self.performed)
            limit = asyncio.timeout(timeout_s)
            try:
                async with limit:
                    return await adapter.perform(self.performed)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                message = f"The {self.action.kind} took longer than {timeout_s:g} s."
                raise Timeout(message, code="guard.timeout") from error

    def _take(self) -> bool:
        key = key_of(self.action)
        if key is not None:
            self._lease = self._guard.circuits.take(key)
            return self._lease is not None
        return True

    def _give(self, result: Report) -> None:
        if self._lease is not None:
            self._guard.circuits.give(self._lease, result)
            self._lease = None

    # ------------------------------------------------------------------------------------------------------ endings

    def _ended(self, done: Outcome, tries: int) -> Ending:
        if self._why:
            return self._stopped(None, tries)  # the adapter went on all the same
        shown = self._masked(done)
        state = State.OK if done.ok else State.FAILED
        return Ending(state, "" if done.ok else "not_ok", outcome=shown, tries=tries, cost=done.cost)

    def _failed(self, error: RemitError, tries: int) -> Ending:
        """An error of ours: certain, unless it only says that no answer came."""
        if self._why:
            return self._stopped(error, tries)
        unsure = isinstance(error, Unavailable) and not self.action.effect.trait.repeatable
        state = State.UNKNOWN if unsure else State.FAILED
        self._mask_error(error)
        return Ending(state, error.code, error=error, tries=tries, cost=self.action.estimate if unsure else ZERO)

    def _broken(self, error: BaseException, tries: int) -> Ending:
        """Anything else: the kill switch, the caller's cancellation, the adapter's own fault."""
        if self._why:
            return self._stopped(error, tries)
        if tries == 0 and isinstance(error, RemitError):
            self._give(Report.NEUTRAL)
            return Ending(State.UNUSED, error.code, error=error, tries=0)
        if not isinstance(error, Exception):
            self._give(Report.NEUTRAL)
            if tries == 0:
                return Ending(State.UNUSED, "cancelled", error=error, tries=0)
            return Ending(State.CANCELLED, "cancelled", error=error, tries=tries, cost=self.action.estimate)
        self._give(Report.FAILURE)
        told = InternalError(
            self._guard.redactor.mask(f"The adapter for {self.action.kind} failed: {type(error).__name__}: {error}"),
            code="guard.adapter",
            hint=f"remit why {self.action.id}",
        )
        told.__cause__ = error
        if self.action.effect.trait.repeatable:
            return Ending(State.FAILED, told.code, error=told, tries=tries)
        return Ending(State.UNKNOWN, told.code, error=told, tries=tries, cost=self.action.estimate)

    def _stopped(self, error: BaseException | None, tries: int) -> Ending:
        """Ended by a kill switch. A cancellation by the caller, at the same time, stays one."""
        self._give(Report.NEUTRAL)
        told: BaseException = Denied(self._why, code="guard.killed", decision_id=self.action.id)
        task = asyncio.current_task()
        if tries and task is not None and task.cancelling() and task.uncancel() and error is not None:
            told = error
        if tries == 0:
            return Ending(State.UNUSED, KILLED, error=told, tries=0)
        return Ending(State.BLOCKED, KILLED, error=told, tries=tries, cost=self.action.estimate)

    def _masked(self, done: Outcome) -> Outcome:
        redactor = self._guard.redactor
        text = redactor.mask(done.text) if done.text else ""
        if (done.value and not redactor.clean(canonical(done.value))) or text is not done.text:
            value = cast("dict[str, Json]", redactor.mask_tree(done.value, names=False))
            return Outcome(done.ok, value, text, done.cost)
        return done

    def _mask_error(self, error: RemitError) -> None:
        masked = self._guard.redactor.mask(error.message)
        if masked is not error.message:
            error.message = masked
            error.args = (masked,)

    # ------------------------------------------------------------------------------------------------------- writing

    async def _close(self, ending: Ending, pending: Pending | None) -> None:
        """Write the one outcome. It is queued whatever happens to this task; no answer precedes its intent's commit."""
        guard, within, intent = self._guard, self._within, self._intent
        now_us = micros_of(guard.clock.now())
        write = outcome(self.action, ending, policy_rev=self._policy_rev, now_us=now_us, lenient=intent is not None)
        op = write if within is None else both(within, write)
        if pending is None and intent is None:
            await guard.journal.commit("guard.outcome", op)
            return
        written = Written(guard.journal, "guard.outcome", op)
        if pending is not None:
            pending.append(written)
        if intent is not None:
            await asyncio.shield(asyncio.wrap_future(intent))
        if pending is None:
            await asyncio.shield(asyncio.wrap_future(written.future))


class _StoppedError(Exception):
    """Found stopped before the first attempt."""


def both(first: Within, second: Within) -> Within:
    """Two operations as one; the first may refuse the second."""

    def op(tx: Tx) -> None:
        first(tx)
        second(tx)

    return op


def _blame(error: RemitError) -> Report:
    """Whether an error speaks against the service: no answer does, a rate limit or a refusal doesn't."""
    if isinstance(error, RateLimited):
        return Report.NEUTRAL
    return Report.FAILURE if isinstance(error, Unavailable) else Report.NEUTRAL
