"""A permit: the attempts of one admitted action, and its one outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol, cast

from remit.guard.breaker import Report
from remit.guard.circuits import Circuits, key_of
from remit.guard.identify import stopped
from remit.guard.labels import Labels
from remit.guard.personal import restored
from remit.guard.records import KILLED, Attempt, Ending, Receipt, State, Within, outcome
from remit.guard.retry import ONCE, PROFILES, Patience, Profile, RetryBudget, delay, patience_of
from remit.guard.scan import hides_cards, redacts, served
from remit.guard.scene import Scene
from remit.guard.standing import Register
from remit.guard.tool_rules import inspector
from remit.guard.trials import Key
from remit.guard.watch import Watch
from remit.guard.written import Written
from remit.kernel import correlation
from remit.kernel.action import Action
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import (
    Denied,
    InternalError,
    KeyRefused,
    RateLimited,
    RemitError,
    Throttled,
    Timeout,
    Unavailable,
)
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.permits import Attempt as Opened
from remit.kernel.permits import Delivery, Tap, opened
from remit.kernel.ports import Adapter, Journal, Tx
from remit.kernel.tracing import span
from remit.kernel.usage import NOTHING, Usage
from remit.redact.blocks import mask_joints
from remit.redact.personal.cards import may_hold
from remit.redact.redactor import Redactor

type Pending = list[Written]

#: The commit of an intent that is waited for only before its answer is shown: of any loop's, or of the permit's own.
type Intent = Future[None] | asyncio.Future[None]

#: Kinds whose answer comes in bytes: without a first one in time, an attempt is ended.
ANSWERED = frozenset({"model", "fetch"})

#: The reason of an action that an answer was kept for.
CACHED = "cached"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How attempts are made: one patience with everything instead of each kind's own, and how to wait."""

    patience: Patience | None = None
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
    retries: RetryBudget
    register: Register
    watch: Watch
    labels: Labels


class Permit:
    """Leave to perform one action once. Made by the guard; ``async with guard.admit(action) as permit``."""

    __slots__ = (
        *(
            "_answer",
            "_answered",
            "_began",
            "_begun",
            "_cards",
            "_delivery",
            "_guard",
            "_inspect",
            "_intent",
            "_key",
            "_label",
            "_lease",
        ),
        *(
            "_limit",
            "_metered",
            "_plain",
            "_policy_rev",
            "_profile",
            "_receipt",
            "_spent",
            "_task",
            "_tokens",
            "_tried",
            "_unwritten",
            "_vault",
        ),
        *("_why", "_within"),
        *("action", "loop", "performed", "used"),
    )

    def __init__(
        self,
        guard: Host,
        action: Action,
        *,
        scene: Scene,
        within: Within | None,
        intent: Intent | None,
        receipt: Receipt,
    ) -> None:
        self.action = action
        self.performed = scene.performed
        self.loop = asyncio.get_running_loop()
        self.used = False
        self._guard = guard
        self._lease = scene.lease
        self._vault = scene.vault
        # A mission's vault may know tokens from before, which the request can hold as such.
        self._tokens = scene.vault is not None and bool(scene.kept or scene.vault.mission)
        self._plain = not redacts(action, scene.standing)
        self._cards = hides_cards(action, scene.standing)
        self._inspect = inspector(scene, action) if scene.inspects else None
        self._policy_rev = scene.policy_rev
        self._within = within
        self._receipt = receipt
        self._unwritten = False  # whether that commit failed
        self._intent = intent  # not yet known to be committed: only for kinds that start at once
        self._task: asyncio.Task[object] | None = None
        self._why = ""
        self._key: Key | None = key_of(action) if scene.lease is None else scene.lease.key
        self._profile: Profile | None = None
        self._tried: list[Attempt] = []
        self._began = 0  # microseconds; 0 while no attempt runs
        self._answer = scene.answer  # kept from an earlier call: given again instead of an attempt
        self._answered: float | None = None
        self._limit: asyncio.Timeout | None = None
        self._metered = bool(scene.charges)
        self._label: Within | None = None  # what came in, written with the outcome
        self._delivery: Delivery | None = None  # where the answer's bytes go while they come
        self._begun = False  # whether they had begun to, once it is over
        self._spent: tuple[Money, Usage] | None = None  # by attempts that ended without an outcome

    async def perform(
        self,
        *,
        timeout_s: float | None = None,
        pending: Pending | None = None,
        profile: Profile | None = None,
        tap: Tap | None = None,
    ) -> Outcome:
        """Do it: attempts, then settle and write the outcome, then answer, with secrets masked.

        Where personal data went as tokens, the answer has what they stand for; the outcome as it is written has not.

        Args:
            timeout_s: Seconds that one attempt may take.
            pending: When given, the outcome's commit is added here instead of awaited. Writes are first in first out,
                so a later awaited commit implies it; whoever holds the list must still ``check`` it.
            profile: How patiently, for what may be repeated and leaves the host; its kind's profile when left out.
            tap: Where the answer's bytes go while they come. Once it has begun nothing is tried again.

        Raises:
            Denied: It was stopped by a kill switch while it ran.
            Unavailable: It failed, and may be tried again when the effect is repeatable (``Timeout``: too slow).
            RemitError: It failed for good; or the outcome could not be written.
        """
        if self.used:
            message = f"The permit for action {self.action.id} was used already: one permit, one performance."
            raise InternalError(message, code="guard.permit_used")
        self.used = True
        self._profile = profile
        if tap is not None:
            restorer = None if self._vault is None else self._vault.vault.restorer
            self._delivery = Delivery(
                tap, ready=self._intended, restorer=restorer, inspect=self._inspect, plain=self._plain
            )
        action = self.action
        try:
            with correlation.bound(
                workspace=action.workspace, mission=action.mission, step=action.step, action=action.id
            ):
                return await self._perform(timeout_s, pending)
        finally:
            self._let_go()

    async def _perform(self, timeout_s: float | None, pending: Pending | None) -> Outcome:
        if self._answer is None:
            ending = await self._attempts(timeout_s)
        else:
            ending = await self._kept(self._answer)
        if self._began:
            self._note(ending.reason)
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
        return ending.outcome if self._vault is None else restored(ending.outcome, self._vault)

    @property
    def personal(self) -> bool:
        """Whether personal data went as tokens, so that the answer is good for this mission only."""
        return self._tokens

    @property
    def begun(self) -> bool:
        """Whether its answer has begun to reach whoever asked."""
        return self._begun if self._delivery is None else self._delivery.begun

    def _let_go(self) -> None:
        """What refers back to the permit: else all of a call stays in memory until the collector looks for cycles."""
        self._begun = self.begun
        self._delivery = None
        self._limit = None

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
        patience = self._patience()
        self._task = asyncio.current_task()
        self._guard.watch.add(self)
        tries = 0
        try:
            await self._look_again()
            self._guard.retries.called(self._key)
            while True:
                tries += 1
                self._began = self._now_us()
                try:
                    with span("guard.attempt", kind=self.action.kind, action=self.action.id, number=tries):
                        done = await self._attempt(timeout_s)
                except RemitError as error:
                    # An intent that could not be written is no fault of the service, and stays unwritten.
                    self._give(Report.NEUTRAL if self._unwritten else _blame(error))
                    over = self._why or self.begun or self._unwritten
                    wait = None if over else self._wait(error, tries, patience)
                    self._note(error.code, wait or 0.0)
                    if wait is None:
                        return self._failed(error, tries)
                    await self._guard.terms.sleep(wait)
                    if self._why or not self._take():
                        return self._failed(error, tries)
                else:
                    self._give(Report.SUCCESS)
                    self._guard.retries.worked(self._key)
                    return await self._labelled(self._ended(done, tries))
        except BaseException as error:  # noqa: BLE001 - whatever ends the attempts, one outcome is written
            return self._broken(error, tries)
        finally:
            self._task = None
            self._guard.watch.remove(self)

    def _patience(self) -> Patience:
        """Once for what may not be repeated, stays on this host (steps retry that), or is a trial of its circuit."""
        if self._key is None or not self.action.effect.trait.repeatable or (self._lease and self._lease.trial):
            return ONCE
        if self._profile is not None:
            return PROFILES[self._profile]
        return self._guard.terms.patience or patience_of(self.action.kind)

    def _wait(self, error: RemitError, tries: int, patience: Patience) -> float | None:
        """Seconds until another try, when there may be one; each is logged with whom it troubles again."""
        wait = delay(error, tries, patience=patience, rand=self._guard.rand)
        if self._key is None or patience.tries == 1:
            return wait
        name = f"{self._key.kind} {self._guard.redactor.mask(self._key.operation)}"
        if wait is None:
            if tries >= patience.tries:
                self._guard.retries.in_vain(self._key, patience.cooldown_s)
                _log.warning("%s: given up after %d tries (%s)", name, tries, error.code)
            return None
        if not self._guard.retries.grant(self._key):
            _log.warning("%s: not tried again, its retry budget is spent (%s)", name, error.code)
            return None
        _log.warning("%s: attempt %d of %d failed (%s), again in %.1f s", name, tries, patience.tries, error.code, wait)
        return wait

    def _note(self, code: str, wait_s: float = 0.0) -> None:
        self._tried.append(Attempt(self._began, self._now_us(), code, round(wait_s * 1000)))
        self._began = 0

    def _now_us(self) -> int:
        return micros_of(self._guard.clock.now())

    async def _look_again(self) -> None:
        """Who may act was read at admission; when that is long ago, it is read again before anything starts."""
        register = self._guard.register
        standing = register.fresh(self.action.workspace)
        if standing is None:
            try:
                standing = await register.current(self.action.workspace)
            except Exception as error:
                message = "The kill switch could not be read, so nothing may start."
                raise Unavailable(message, code="guard.unreadable") from error
        why = stopped(self.action, standing)
        if why:
            self._why = why
            raise _StoppedError

    async def _attempt(self, timeout_s: float | None) -> Outcome:
        began = self.loop.time()
        offered = Opened(lambda: self._heard(began, timeout_s), self._delivery)
        try:
            return await self._asked(offered, timeout_s)
        except BaseException:
            self._spend(offered)
            raise

    async def _asked(self, offered: Opened, timeout_s: float | None) -> Outcome:
        adapter = self._guard.adapters[self.action.kind]
        first_s = self._guard.circuits.numbers.slow_call_s if self.action.kind in ANSWERED else None
        bounds = [bound for bound in (timeout_s, first_s) if bound is not None]
        self._answered = None
        self._limit = None
        try:
            if not bounds:
                with opened(self.action.id, attempt=offered):
                    return await adapter.perform(self.performed)
            # The timer outside: it keeps the context in which it was made, and a loop keeps timers for a while.
            async with asyncio.timeout(min(bounds)) as self._limit:
                with opened(self.action.id, attempt=offered):
                    return await adapter.perform(self.performed)
        except TimeoutError as error:
            if self._limit is None or not self._limit.expired():
                raise Timeout(self._told(error), code="guard.timeout") from error
            if timeout_s is not None and (self._answered is not None or timeout_s == min(bounds)):
                message = f"The {self.action.kind} took longer than {timeout_s:g} s."
                raise Timeout(message, code="guard.timeout") from error
            message = f"The {self.action.kind} had no first byte of an answer after {first_s:g} s."
            raise Timeout(message, code="guard.first_byte") from error
        except ConnectionError as error:
            raise Unavailable(self._told(error), code="guard.connection") from error

    def _spend(self, attempt: Opened) -> None:
        """What its adapter says an attempt has used is charged when it ends without an outcome."""
        if attempt.spent is not None:
            cost, usage = attempt.spent
            before, used = self._spent or (ZERO, NOTHING)
            self._spent = before + cost, used.plus(usage)

    async def _intended(self) -> None:
        """The intent is durable; what was only queued so far is waited for."""
        if self._intent is not None and not _stands(self._intent):
            try:
                await asyncio.shield(asyncio.wrap_future(self._intent))
            except Exception:
                self._unwritten = True
                raise

    def _heard(self, began: float, timeout_s: float | None) -> None:
        """The adapter (in any thread) has the first byte: from now on only the attempt's own time counts."""
        if self._answered is None:
            self._answered = self._guard.clock.monotonic()
            until = None if timeout_s is None else began + timeout_s
            if _running() is self.loop:
                self._extend(until)  # no need to wake the loop from its own thread
            else:
                self.loop.call_soon_threadsafe(self._extend, until)

    def _extend(self, until: float | None) -> None:
        if self._limit is not None and not self._limit.expired() and self._task is not None:
            self._limit.reschedule(until)

    def _told(self, error: BaseException) -> str:
        return f"The {self.action.kind} failed: {type(error).__name__}{f': {error}' if str(error) else ''}."

    def _take(self) -> bool:
        """Leave for one more attempt; a retry is never a trial."""
        if self._key is not None:
            self._lease = self._guard.circuits.take(self._key, self.action.id, trial=False)
            return self._lease is not None
        return True

    def _give(self, result: Report) -> None:
        if self._lease is not None:
            self._guard.circuits.give(self._lease, result, answered=self._answered)
            self._lease = None

    # ------------------------------------------------------------------------------------------------------ endings

    def _ended(self, done: Outcome, tries: int) -> Ending:
        if self._why:
            return self._stopped(None, tries)  # the adapter went on all the same
        shown = self._masked(done)
        state = State.OK if done.ok else State.FAILED
        cost, usage = self._with_spent(done.cost, done.usage)
        return Ending(state, "" if done.ok else "not_ok", outcome=shown, tries=tries, cost=cost, usage=usage)

    def _failed(self, error: RemitError, tries: int) -> Ending:
        """An error of ours: certain, unless it only says that no answer came."""
        if self._why:
            return self._stopped(error, tries)
        unsure = isinstance(error, Unavailable) and not self.action.effect.trait.repeatable
        state = State.UNKNOWN if unsure else State.FAILED
        self._mask_error(error)
        return self._unanswered(state, error.code, error, tries, else_cost=self.action.estimate if unsure else ZERO)

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
            return self._unanswered(State.CANCELLED, "cancelled", error, tries, else_cost=self.action.estimate)
        self._give(Report.FAILURE)
        told = InternalError(
            self._guard.redactor.mask(f"The adapter for {self.action.kind} failed: {type(error).__name__}: {error}"),
            code="guard.adapter",
            hint=f"remit why {self.action.id}",
        )
        told.__cause__ = error
        if self.action.effect.trait.repeatable:
            return self._unanswered(State.FAILED, told.code, told, tries, else_cost=ZERO)
        return self._unanswered(State.UNKNOWN, told.code, told, tries, else_cost=self.action.estimate)

    def _unanswered(self, state: State, code: str, error: BaseException, tries: int, *, else_cost: Money) -> Ending:
        """An ending without an outcome: it costs what its adapter said was used so far, or ``else_cost``."""
        cost, usage = self._spent or (else_cost, NOTHING)
        return Ending(state, code, error=error, tries=tries, cost=cost, usage=usage)

    def _with_spent(self, cost: Money, usage: Usage) -> tuple[Money, Usage]:
        """What the answer cost, and what earlier attempts had used."""
        if self._spent is None:
            return cost, usage
        before, used = self._spent
        return before + cost, used.plus(usage)

    def _stopped(self, error: BaseException | None, tries: int) -> Ending:
        """Ended by a kill switch. A cancellation by the caller, at the same time, stays one."""
        self._give(Report.NEUTRAL)
        told: BaseException = Denied(self._why, code="guard.killed", decision_id=self.action.id)
        task = asyncio.current_task()
        if tries and task is not None and task.cancelling() and task.uncancel() and error is not None:
            told = error
        if tries == 0:
            return Ending(State.UNUSED, KILLED, error=told, tries=0)
        return self._unanswered(State.BLOCKED, KILLED, told, tries, else_cost=self.action.estimate)

    async def _labelled(self, ending: Ending) -> Ending:
        """What the mission gets to read, once it is known where it came from and what it looks like."""
        if not self.action.mission:
            return ending
        shown, self._label = await self._guard.labels.label(self.action, ending)
        return shown

    async def _kept(self, answer: Outcome) -> Ending:
        try:
            return await self._labelled(Ending(State.OK, CACHED, outcome=answer, tries=0, usage=answer.usage))
        except BaseException as error:  # noqa: BLE001 - one outcome is written whatever happens
            return self._broken(error, 0)

    def _masked(self, done: Outcome) -> Outcome:
        redactor = self._guard.redactor
        cards = self._cards  # of what a model says, as on its way to it; and of what servers of tools answer
        text = redactor.mask(done.text, cards=cards) if done.text else ""
        said = canonical(done.value) if done.value else b""
        if cards and "parts" in done.value:  # an agent's model of this process: its parts are put together
            joined = mask_joints(done.value, redactor, cards=True)
            if joined is not None:
                done = replace(done, value=cast("dict[str, Json]", joined))
        elif "result" in done.value and served(self.action) and isinstance(done.value["result"], Mapping):
            joined = mask_joints(done.value["result"], redactor, cards=cards)
            if joined is not None:
                done = replace(done, value={**done.value, "result": cast("dict[str, Json]", joined)})
        if (said and (not redactor.clean(said) or (cards and may_hold(said)))) or text is not done.text:
            value = cast("dict[str, Json]", redactor.mask_tree(done.value, names=False, cards=cards))
            return Outcome(done.ok, value, text, done.cost, done.usage)
        return done

    def _mask_error(self, error: RemitError) -> None:
        masked = self._guard.redactor.mask(error.message)
        if masked is not error.message:
            error.message = masked
            error.args = (masked,)

    # ------------------------------------------------------------------------------------------------------- writing

    async def _close(self, ending: Ending, pending: Pending | None) -> None:
        """Write the one outcome. It is queued whatever happens to this task; no answer precedes its intent's commit."""
        guard, within = self._guard, self._within
        intent = None if self._intent is None or _stands(self._intent) else self._intent
        now_us = micros_of(guard.clock.now())
        write = outcome(
            self.action,
            ending,
            policy_rev=self._policy_rev,
            now_us=now_us,
            lenient=intent is not None,
            attempts=tuple(self._tried),
            metered=self._metered,
            # Where the intent may not have been committed, what it took is read again.
            receipt=self._receipt if intent is None else None,
        )
        op = write if within is None else both(within, write)
        if self._label is not None:
            op = both(op, self._label)
        if pending is None and intent is None:
            await guard.journal.commit("guard.outcome", op)
            return
        written = Written(guard.journal, "guard.outcome", op, patient=pending is not None)
        if pending is not None:
            pending.append(written)
        if intent is not None:
            await asyncio.shield(asyncio.wrap_future(intent))
        if pending is None:
            await asyncio.shield(asyncio.wrap_future(written.future))


def _stands(intent: Intent) -> bool:
    """Whether it is committed."""
    return intent.done() and not intent.cancelled() and intent.exception() is None


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _StoppedError(Exception):
    """Found stopped before the first attempt."""


def both(first: Within, second: Within) -> Within:
    """Two operations as one; the first may refuse the second."""

    def op(tx: Tx) -> None:
        first(tx)
        second(tx)

    return op


def _blame(error: RemitError) -> Report:
    """Whether an error speaks against the service: no answer does, a rate limit or a refused key doesn't."""
    if isinstance(error, RateLimited | Throttled | KeyRefused):
        return Report.NEUTRAL
    return Report.FAILURE if isinstance(error, Unavailable) else Report.NEUTRAL
