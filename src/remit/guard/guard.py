"""The guard: the one way to an effect. The list below is the whole of it, top to bottom.

    identify     who acts and for whom; kill switch and pauses (read at most 250 ms ago, else refused)
    authorise    a person by their role, an agent within what it was registered with; what policies in Cedar forbid
    scan         a secret in what is executed refuses; in what is read it is masked
    secrets      may it use the secrets that it refers to, and can they be read?
    rules        the rules in force, with the evidence that they need (one read, before the checks)
    approval     must a person be asked, and has one approved exactly this? Else stop here: nothing is taken
    breaker      is the service behind it there?
    rate         how much of which limits it asks for
    budget       nothing more once a scope is overspent
    -- one transaction, "guard.intent": the caller's own check, use up the approval, take the rates, reserve the
       estimate, action row, audit entry, uses of secrets
    attempt(s)   timeout and retry, cancelled within a second by a kill
    -- one transaction, "guard.outcome": the caller's own check, settle, action row, audit entry
    mask         what the caller gets to read

A refusal is a transaction too, "guard.refused". Whatever can't be answered refuses.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import perf_counter_ns
from typing import NoReturn

import orjson

from remit.guard import (
    approval,
    approval_asking,
    authorise,
    available,
    budget,
    cache,
    canary,
    fallback,
    glass,
    identify,
    observe,
    rate,
    rules_check,
    scan,
    secrets_check,
    secrets_use,
)
from remit.guard.approval_requests import Taken, TooManyOpen
from remit.guard.approval_rows import Request
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.breaker import Numbers, Report
from remit.guard.budget_prices import Pricing
from remit.guard.circuits import Circuits, key_of
from remit.guard.classifier import Classifier
from remit.guard.evidence import Evidence, standing, subject_of
from remit.guard.faults import check_adapters
from remit.guard.fetching import SHIPPED_TERMS, shown_url
from remit.guard.fetching_hops import known_robots
from remit.guard.fetching_robots import Robots
from remit.guard.labels import Labels
from remit.guard.permit import Intent, Pending, Permit, Terms, both
from remit.guard.personal import found_elsewhere
from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import Held, Vaults
from remit.guard.provenance import CLEAN, Taint
from remit.guard.records import (
    LONGEST_TARGET,
    Ending,
    Receipt,
    State,
    Verdicts,
    Within,
    intent,
    outcome,
    refusal,
    verdicts,
)
from remit.guard.retry import Profile, RetryBudget
from remit.guard.scene import UNREADABLE, Scene, Standing, denied
from remit.guard.session_taint import SESSION
from remit.guard.standing import Register
from remit.guard.trials import Change, NoTrialError
from remit.guard.watch import Watch
from remit.kernel import correlation
from remit.kernel.action import Action
from remit.kernel.aside import LARGE, aside
from remit.kernel.clock import Clock, micros_of
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Durability, Effect, Fetch, Model
from remit.kernel.errors import BudgetExceeded, Conflict, Denied, RateLimited, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO
from remit.kernel.permits import Tap
from remit.kernel.ports import Adapter, Journal
from remit.kernel.tracing import Span, span, traced
from remit.kernel.urls import known_url
from remit.redact.personal.kinds import Personal
from remit.redact.redactor import Redactor
from remit.redact.sinks import UNSCANNED

type Checker = Callable[[Action, Scene], Check]

CHECKS: tuple[Checker, ...] = (
    identify.check,
    authorise.check,
    scan.closed,
    secrets_check.check,
    rules_check.check,
    approval.check,
    available.check,
    rate.check,
    budget.check,
)
_ALLOWED = (
    identify.ALLOWED,
    authorise.ALLOWED,
    scan.ALLOWED,
    secrets_check.ALLOWED,
    rules_check.ALLOWED,
    approval.ALLOWED,
    available.ALLOWED,
    rate.ALLOWED,
    budget.ALLOWED,
)
_ALL_ALLOWED = verdicts(_ALLOWED)


class Guard:
    """Admits, performs, settles and records every effect. Any number of tasks, and any event loop, may use one guard.

    Args:
        journal: Where intents, outcomes and refusals are written.
        adapters: Who performs each kind of effect.
        redactor: What is masked or refused.
        clock: Wall and monotonic time.
        rand: Numbers in [0, 1), for jitter.
        environment: The setting ``environment``, for rules that ask for it.
        terms: Retries inside a permit.
        numbers: Bounds of the breakers.
        approvals: When a person must be asked; APR-1's list when left out.
        pricing: What happens to an action whose price nobody can tell.
        personal: Where personal data goes as tokens; nowhere when left out.
        owner: This process, as liveness knows it: what it leaves open is settled by others once it is gone.
        classifier: Who is asked about what missions read, beside Remit's own signs of injection.
    """

    def __init__(
        self,
        journal: Journal,
        adapters: Mapping[str, Adapter],
        *,
        redactor: Redactor,
        clock: Clock,
        rand: Callable[[], float],
        environment: str = "",
        terms: Terms | None = None,
        numbers: Numbers | None = None,
        approvals: ApprovalTerms | None = None,
        pricing: Pricing | None = None,
        personal: PersonalTerms | None = None,
        owner: str = "",
        classifier: Classifier | None = None,
    ) -> None:
        check_adapters(adapters, environment=environment)
        self.journal = journal
        self.adapters = adapters
        self.redactor = redactor
        self.clock = clock
        self.rand = rand
        self.environment = environment
        self.terms = terms or Terms()
        self.answers: cache.Answers = cache.MemoryAnswers(clock.monotonic)
        self.pricing = pricing or Pricing()
        self.personal = personal or PersonalTerms()
        self.vaults = Vaults(journal)
        self.owner = owner
        self.listeners: list[Callable[[Change], None]] = []
        self.circuits = Circuits(
            clock,
            rand,
            numbers=numbers or Numbers(),
            write=lambda op: journal.submit("guard.breaker", op),
            told=self._breaker_changed,
        )
        self.retries = RetryBudget(clock.monotonic)
        self.register = Register(journal, clock, told=self._learn)
        self.watch = Watch(self.register)
        self.labels = Labels(journal, redactor, clock, classifier=classifier)
        self.approvals = approvals or ApprovalTerms()
        self.fetching = SHIPPED_TERMS  # how this install fetches
        self.announce: Callable[[Request], None] | None = None  # tells people of a new request
        self.secrets: secrets_check.Source | None = None  # resolves references
        self._kinds = frozenset(adapters)

    async def restore(self, workspace: str) -> None:
        """Take over the circuits that other processes of this installation opened, before the first action asks."""
        await self.register.refresh(workspace)

    def canary(self, mission: str) -> str:
        """The word that a mission's system prompts hold and nothing may carry out (``guard.canary``)."""
        return canary.canary(self.redactor, mission)

    async def run(
        self,
        action: Action,
        *,
        within: Within | None = None,
        pending: Pending | None = None,
        timeout_s: float | None = None,
        profile: Profile | None = None,
        alternatives: Sequence[Effect] = (),
        keep_s: float = 0.0,
        refresh: bool = False,
        tap: Tap | None = None,
    ) -> Outcome:
        """Admit and perform ``action``; see ``admit`` and ``Permit.perform``.

        Args:
            action: As for ``admit``.
            within: As for ``admit``.
            pending: As for ``Permit.perform``.
            timeout_s: As for ``Permit.perform``.
            profile: As for ``Permit.perform``.
            alternatives: Effects that may stand in, in this order, when it is not there (``fallback.degrade``).
            keep_s: An answer to the same request that is at most so old will do (``cache``); reads only.
            refresh: Not even that one: ask, and keep the answer in its place.
            tap: Where the answer's bytes go while they come (see ``kernel.permits``); an answer that was kept does not
                go there (``cache.replayed``). Once it has begun, nothing is tried again and nothing stands in.
        """
        if keep_s <= 0 and not alternatives:  # as nearly everything is asked for
            permit = await self._open(action, within)
            return await permit.perform(timeout_s=timeout_s, pending=pending, profile=profile, tap=tap)
        permits: list[Permit] = []

        async def one(asked: Action) -> Outcome:
            key = cache.key_of(self.answers, asked, tapped=tap is not None) if keep_s > 0 else None
            answer = await cache.recall(self.answers, key) if key is not None and not refresh else None
            if answer is not None:  # nothing is called, so nothing is reserved
                asked = replace(asked, estimate=ZERO, priced=True)
            recorder = cache.Recorder(tap) if key is not None and answer is None and tap is not None else None
            permits.append(permit := await self._open(asked, within, answer=answer))
            done = await permit.perform(timeout_s=timeout_s, pending=pending, profile=profile, tap=recorder or tap)
            if key is not None and answer is None and not permit.personal:
                await cache.keep(self.answers, key, recorder.kept(done) if recorder else done, keep_s=keep_s)
            return done

        if not alternatives:
            return await one(action)
        return await fallback.degrade(one, action, alternatives, over=lambda: bool(permits) and permits[-1].begun)

    @asynccontextmanager
    async def admit(self, action: Action, *, within: Within | None = None) -> AsyncGenerator[Permit]:
        """A permit for ``action``; its intent is durable as its kind demands. An unused permit is closed as unused.

        Args:
            action: With an id of its own: one id, one admission.
            within: Runs first in the intent's and in the outcome's transaction; what it raises undoes that
                transaction. If it refuses the outcome (``Fenced``), the action stays open for the new owner to settle.

        Raises:
            Denied: A check refused (``BudgetExceeded``: the money doesn't suffice; ``RateLimited``: too much in too
                short a time, come back after ``retry_after``); ``decision_id`` tells more.
            ApprovalPending: A person must decide first; ``approval_id`` is the request.
            Unavailable: The circuit is open (``retry_after``), or who may act can't be read.
            Conflict: An unrepeatable effect was done, or may have been done, before.
        """
        permit = await self._open(action, within)
        try:
            yield permit
        finally:
            await permit.drop()

    # ----------------------------------------------------------------------------------------------------- admission

    async def _open(self, action: Action, within: Within | None, *, answer: Outcome | None = None) -> Permit:
        while True:
            try:
                return await self._admitted(action, within, answer)
            except Taken:
                continue  # somebody else used the approval at the same time: everything is asked again

    async def _admitted(self, action: Action, within: Within | None, answer: Outcome | None) -> Permit:
        with (
            correlation.bound(workspace=action.workspace, mission=action.mission, step=action.step, action=action.id),
            span("guard.admit", kind=action.kind, action=action.id, step=action.step) as phase,
        ):
            standing = await self._standing(action)
            policy = standing.gateway.policy
            pricing = self.pricing.under(policy.unknown_price if action.kind == Model.trait.kind else None)
            action = pricing.priced(action)
            scene = Scene(
                standing,
                self.redactor,
                self.circuits,
                self._kinds,
                action,
                answer=answer,
                unknown_price=pricing.unknown,
                at=self.clock.now(),
                environment=self.environment,
                evidence=await self._evidence(action) if _needs_evidence(action, standing) else None,
                taint=await self._taint(action) if action.mission or SESSION.get() is not None else CLEAN,
                approvals=self.approvals,
                fetching=self.fetching,
                robots=await self._robots(action) if isinstance(action.effect, Fetch) else Robots.UNKNOWN.value,
                personal=self.personal,
                inspects=policy.tool_calls and not policy.observing,
            )
            if self.personal.concern(action) and scan.redacts(action, standing):
                scene.vault, scene.found = await self._vault(action)
            try:
                said = await self._check(action, scene, phase)
                receipt = Receipt()
                committed = await self._intend(action, said, within, scene, receipt)
            except BaseException:
                if scene.lease is not None:
                    self.circuits.give(scene.lease, Report.NEUTRAL)
                raise
        return Permit(self, action, scene=scene, within=within, intent=committed, receipt=receipt)

    async def _standing(self, action: Action) -> Standing:
        standing = self.register.fresh(action.workspace)
        if standing is not None:
            return standing
        try:
            return await self.register.current(action.workspace)
        except Exception as error:  # noqa: BLE001 - no answer is no leave
            verdict = denied(identify.NAME, "unreadable", "Who may act, and the kill switch, could not be read.")
            await self._refuse(action, (verdict,), cause=error)

    async def _vault(self, action: Action) -> tuple[Held, Mapping[str, Sequence[Personal]]]:
        try:
            held = await self.vaults.open(action.workspace, action.mission)
            return held, await found_elsewhere(action, self.redactor, self.personal)
        except Exception as error:  # noqa: BLE001 - what can't be masked, or not be brought back, must not leave
            verdict = denied(
                scan.NAME, "vault", "Personal data in it can't be told, or the vault of its tokens not read."
            )
            await self._refuse(action, (verdict,), cause=error)

    async def _evidence(self, action: Action) -> Mapping[str, Evidence] | None:
        """What stands about the action's subject, for rules of its kind that ask; ``None`` refuses then."""
        about = subject_of(action.effect)
        try:
            return await self.journal.read(lambda tx: standing(tx, action.workspace, action.mission, about))
        except Exception:  # noqa: BLE001 - no answer is no evidence: the check of the rules refuses
            return None

    async def _taint(self, action: Action) -> Taint | None:
        """What the action's mission has read; ``None`` refuses then."""
        try:
            return await self.labels.taint(action)
        except Exception:  # noqa: BLE001 - no answer is no innocence: the check of the rules refuses
            return None

    async def _robots(self, action: Action) -> str:
        """What is known of robots.txt for a fetch, for rules; where nothing is, its adapter reads it, and asks them."""
        url = known_url(action.effect.url) if isinstance(action.effect, Fetch) else None
        if url is None:
            return Robots.UNKNOWN.value
        with suppress(Exception):
            return (await known_robots(self, action, url)).value
        return Robots.UNKNOWN.value

    async def _check(self, action: Action, scene: Scene, phase: Span) -> Verdicts:
        said: list[Check] = []
        began = perf_counter_ns()
        for check in CHECKS:
            apart = check is scan.closed and len(action.payload) >= LARGE  # the one that reads all of it
            verdict = await aside(check, action, scene) if apart else check(action, scene)
            if verdict.reason == secrets_check.REFERRED:
                verdict = await secrets_check.ready(self.secrets, action, scene, verdict)
            now = perf_counter_ns()
            scene.spent_ns.append(now - began)
            if verdict.verdict is not Verdict.ALLOW:
                verdict = observe.judged(action, scene, verdict)
            if verdict.verdict is Verdict.NEEDS_APPROVAL:
                if verdict.name == approval.NAME:
                    verdict = await self._approved(action, scene, tuple(said), verdict)
                    now = perf_counter_ns()
                else:
                    scene.wanted.append(verdict)  # the check of the approvals asks
            began = now
            said.append(verdict)
            if verdict.verdict is Verdict.DENY:
                break
        if traced():
            _note(phase, said, scene.spent_ns)
        if said[-1].verdict is Verdict.DENY:
            await self._refuse(action, tuple(said), scene=scene)
        checks = tuple(said)
        if checks == _ALLOWED:
            spent = orjson.dumps(scene.spent_ns).decode()
            return Verdicts(checks, _ALL_ALLOWED.told, _ALL_ALLOWED.text, spent)
        return verdicts(checks, spent_ns=scene.spent_ns)

    async def _approved(self, action: Action, scene: Scene, said: tuple[Check, ...], needed: Check) -> Check:
        """The verdict when somebody has approved exactly this; it is used up with the intent.

        Raises:
            ApprovalPending: Nobody has decided yet. Denied: Somebody said no, or nobody anything in time, or the agent
                has asked for too much that nobody has decided about.
        """
        while True:
            try:
                found = await approval_asking.leave(self, action, scene)
                asked = None if found else await approval_asking.refuse(self, action, scene, said=said, needed=needed)
            except TooManyOpen as error:
                verdict = denied(approval.NAME, "too_many", error.message)
                await self._refuse(action, (*said, verdict), scene=scene, cause=error)
            except Exception as error:  # noqa: BLE001 - no answer is no leave
                verdict = denied(approval.NAME, "unreadable", "Whether somebody approved it could not be read.")
                await self._refuse(action, (*said, verdict), scene=scene, cause=error)
            if found:
                verdict, scene.approval = found
                return verdict
            if asked is not None:
                if asked.fresh is not None and self.announce is not None:
                    self.announce(asked.fresh)
                raise asked.error

    async def _intend(
        self, action: Action, said: Verdicts, within: Within | None, scene: Scene, receipt: Receipt
    ) -> Intent | None:
        """Write the intent; the future of one that need not be committed before the effect starts."""
        write = intent(
            action,
            said,
            target=self._target(action, clean=scene.clean),
            policy_rev=scene.policy_rev,
            facts=scene.facts,
            now_us=micros_of(self.clock.now()),
            charges=scene.charges,
            limits=scene.standing.limits,
            owner=self.owner,
            approval_id=scene.approval,
            beyond=scene.beyond,
            receipt=receipt,
        )
        trial = scene.lease if scene.lease is not None and scene.lease.trial else None
        op = self._with(action, scene, within, write)
        durable = action.effect.trait.durability
        taken = action.estimate or scene.charges or scene.grants or scene.approval or scene.kept
        if durable is Durability.NONE and not taken and trial is None:
            return self.journal.submit("guard.intent", op)
        # What costs money or has a rate waits until that is taken. What else was used up, and a trial's lease, must be
        # on disk, whatever its kind.
        kept = scene.grants or scene.approval or scene.kept or trial is not None or within is not None
        ahead = durable is Durability.NONE and not kept
        durable = Durability.COMMIT if durable is Durability.NONE else durable
        try:
            if ahead:
                return await self.journal.ahead("guard.intent", op)
            await self.journal.commit("guard.intent", op, durable=durable)
        except BaseException as error:
            turned = self._turned_away(error, said, scene)
            if turned is not None:
                if (late := observe.over(action, scene, said, turned)) is not None:
                    return await self._intend(action, late, within, scene, receipt)
                await self._refuse(action, turned, scene=scene, cause=error)
            if not isinstance(error, Conflict):  # the caller's own check undid it: then nothing stands
                self._withdraw(action, scene.policy_rev)
            raise
        if trial is not None:
            self.circuits.leased(trial)
        if scene.vault is not None:
            self.vaults.saved(scene.vault, scene.kept)
        return None

    def _turned_away(self, error: BaseException, said: Verdicts, scene: Scene) -> tuple[Check, ...] | None:
        """The verdicts of an admission that the intent's own transaction refused; ``None``: it failed otherwise."""
        match error:
            case NoTrialError() if scene.lease is not None:
                self.circuits.turned_away(scene.lease)
                return self._until_breaker(said, available.refused(scene.lease.key, scene))
            case glass.GlassOverError():
                return (*said.checks, denied(glass.NAME, "over", str(error)))
            case BudgetExceeded():
                return (*said.checks[:-1], denied(budget.NAME, "exceeded", error.message))
            case RateLimited():
                passed = tuple(each for each in said.checks if each.name not in {rate.NAME, budget.NAME})
                return (*passed, denied(rate.NAME, "exceeded", error.message))
            case Conflict() if error.code.startswith("guard."):
                return (*said.checks, denied("effect_key", error.code.removeprefix("guard."), error.message))
            case _:
                return None

    def _with(self, action: Action, scene: Scene, within: Within | None, write: Within) -> Within:
        """The intent with what must hold in its transaction: the caller's own check, a trial's lease, break-glass."""
        if scene.observed:
            write = both(write, observe.noting(action, scene))
        if scene.grants:
            write = both(glass.using(action, scene.grants, micros_of(self.clock.now())), write)
        if scene.used:
            write = both(write, secrets_use.using(action, scene.used, now_us=micros_of(self.clock.now())))
        if scene.lease is not None and scene.lease.trial:
            write = both(self.circuits.leasing(scene.lease), write)
        if scene.vault is not None and (fresh := scene.vault.unsaved(scene.kept)):
            write = both(self.vaults.keeping(scene.vault, fresh, about=action.about), write)
        return write if within is None else both(within, write)

    def _withdraw(self, action: Action, policy_rev: str) -> None:
        """Cancelled or failed while the intent was being committed: it may stand, and is closed if it does.

        Writes are first in first out, and a write stays queued when its waiter goes.
        """
        ending = Ending(State.UNUSED, "withdrawn", tries=0)
        now_us = micros_of(self.clock.now())
        with suppress(RemitError):
            self.journal.submit(
                "guard.outcome", outcome(action, ending, policy_rev=policy_rev, now_us=now_us, lenient=True)
            )

    # ------------------------------------------------------------------------------------------------------ refusals

    async def _refuse(
        self,
        action: Action,
        said: tuple[Check, ...],
        *,
        scene: Scene | None = None,
        cause: BaseException | None = None,
    ) -> NoReturn:
        """Record the refusal and raise it; it stands even when it can't be recorded."""
        secret = said[-1].name == secrets_check.NAME
        refused = secrets_check.refusal(action, said[-1]) if secret else self._refusal(action, said[-1], cause)
        write = refusal(
            action,
            verdicts(said, spent_ns=() if scene is None else scene.spent_ns),
            target=self._target(action),
            policy_rev=UNREADABLE if scene is None else scene.policy_rev,
            facts="" if scene is None else scene.facts,
            now_us=(now_us := micros_of(self.clock.now())),
        )
        if isinstance(refused, RateLimited):
            late = refused
            write = both(write, lambda tx: rate.line_up(tx, action, late, now_us=now_us))
        if scene is not None and scene.tried:
            write = both(write, secrets_use.trying(action, scene.tried, reason=said[-1].reason, now_us=now_us))
        try:
            await self.journal.commit("guard.refused", write)
        except Exception as unrecorded:
            refused.add_note(f"The refusal could not be recorded: {unrecorded}")
            raise refused from unrecorded
        raise refused from cause

    def _refusal(self, action: Action, last: Check, cause: BaseException | None) -> RemitError:
        hint = f"remit why {action.id}"
        code = f"guard.{last.reason}"
        match last.name, last.reason:
            case (identify.NAME | approval.NAME, "unreadable") | (scan.NAME, "vault"):
                return Unavailable(last.detail, code=code, hint="remit doctor")
            case (available.NAME, _):
                key = key_of(action)
                wait = self.circuits.wait(key) if key is not None else None
                return Unavailable(last.detail, code="guard.breaker_open", hint=hint, retry_after=wait)
            case (rate.NAME, _) if isinstance(cause, RateLimited):
                return cause
            case (budget.NAME, reason):
                code = "guard.budget" if reason == "exceeded" else code  # or the price is unknown
                exceeded = BudgetExceeded(last.detail, code=code, decision_id=action.id)
                exceeded.told = cause.told if isinstance(cause, BudgetExceeded) else {}
                return exceeded
            case ("effect_key", _) if isinstance(cause, Conflict):
                return Conflict(last.detail, code=cause.code, hint=cause.hint)
            case _:
                told = (cause.code, cause.hint) if isinstance(cause, TooManyOpen) else (code, None)
                return Denied(last.detail, code=told[0], hint=told[1], decision_id=action.id)

    def _target(self, action: Action, *, clean: bool = False) -> str:
        if clean and "://" not in action.target:
            return action.target[:LONGEST_TARGET]  # it is part of the payload
        try:
            if action.kind == Fetch.trait.kind:
                return shown_url(action.target, self.redactor.mask)[:LONGEST_TARGET]
            return self.redactor.mask(action.target)[:LONGEST_TARGET]
        except Exception:  # noqa: BLE001 - what can't be scanned is written nowhere
            return UNSCANNED

    @staticmethod
    def _until_breaker(said: Verdicts, verdict: Check) -> tuple[Check, ...]:
        """What was said before the breaker, and its verdict."""
        names = [check.name for check in said.checks]
        return (*said.checks[: names.index(available.NAME)], verdict)

    def _breaker_changed(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)

    def _learn(self, workspace: str, standing: Standing) -> None:
        self.circuits.learn(workspace, standing.unwell, read_at=standing.read_at)


def _needs_evidence(action: Action, known: Standing) -> bool:
    return known.rules is not None and known.rules.book.needs_evidence(action.kind)


def _note(phase: Span, said: Sequence[Check], spent_ns: Sequence[int]) -> None:
    for check, spent in zip(said, spent_ns, strict=True):
        phase.note(f"guard.{check.name}", {"verdict": check.verdict.value, "reason": check.reason, "ns": spent})
