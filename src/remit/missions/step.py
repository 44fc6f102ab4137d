"""One attempt of one step: what must hold before, the body under its timeout, what must hold after.

Idempotency, in this order: the step's row says done (then nobody comes here); git has the commit of an output that was
recorded (``resume``); an output on offer, which met its postconditions, has the same skip key (here); only then act.
Retries are decided here and slept by the runner; each attempt has its own row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from remit.guard import approval_asking
from remit.guard.approval_requests import refusal_text, refused_step, tell_step
from remit.guard.approval_rows import Request
from remit.guard.permit import both
from remit.kernel import correlation
from remit.kernel.canonical import canonical
from remit.kernel.errors import (
    ApprovalPending,
    Denied,
    Failed,
    Fenced,
    InternalError,
    RateLimited,
    RemitError,
    Timeout,
    Unavailable,
)
from remit.kernel.mission import MissionStatus, NoSecrets, StepSpec, StepStatus
from remit.kernel.ports import ReadTx
from remit.kernel.tracing import span
from remit.missions import conditions, critics
from remit.missions import pack as packs
from remit.missions.context import Context
from remit.missions.holding import Also, Holding, Output
from remit.missions.pack import Pack
from remit.missions.rows import AttemptOutcome, AttemptRow, Standing, StepRow
from remit.redact.redactor import Redactor

MESSAGE_LIMIT = 2000
#: The longest wait (seconds) that a step makes for a rate; a later moment ends the run, and a person resumes it then.
LONGEST_RATE_WAIT = 900.0
#: Refusals for a rate that a step waits out before they count as failures of its own.
MOST_RATE_WAITS = 100


@dataclass(frozen=True, slots=True)
class Made:
    """The attempt succeeded and changed files: its commit waits for its turn."""

    spec: StepSpec
    row: StepRow
    output: Output
    key: str
    began_us: int = 0
    inherited: bool = False
    also: Also | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The step's result stands."""

    row: StepRow


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt failed and another one may start at ``at_us``."""

    row: StepRow
    at_us: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The step failed for good."""

    row: StepRow
    error: RemitError


@dataclass(frozen=True, slots=True)
class Parked:
    """The step waits for a person."""

    row: StepRow
    error: RemitError


@dataclass(frozen=True, slots=True)
class Woken:
    """A retry delay is over."""

    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The run ends before its plan does. ``waits_for``: the requests for approval that it waits for."""

    status: MissionStatus
    error: RemitError | None = None
    waits_for: tuple[str, ...] = ()


type Ending = Made | Done | Again | Broken | Parked


async def attempt(holding: Holding, pack: Pack, spec: StepSpec) -> Ending:
    """Try a step once.

    Raises:
        Fenced: The mission has another owner; nothing was written.
        Cancelled, asyncio.CancelledError: The runner (or a person) ended the attempt; the caller records it.
    """
    with correlation.bound(step=spec.name):
        return await _attempt(holding, pack, spec)


async def _attempt(holding: Holding, pack: Pack, spec: StepSpec) -> Ending:
    row = holding.rows[spec.name]
    key = holding.skip_key(spec)
    if row.standing == Standing.OFFERED and row.skip_key == key:
        stands, also = await critics.inherited(holding, spec)
        if stands:
            return await _inherit(holding, spec, row, also)
    refused = await _refused(holding, row)
    began_us = holding.stamp()
    row = holding.begin(row)
    context = Context(holding, spec, row, key=key)
    if refused is not None:
        context.close()
        request, denied = refused
        return await _failed(holding, spec, context, row=row, began_us=began_us, error=denied, request=request)
    try:
        with span("step.attempt", mission=row.mission, step=spec.name, attempt=row.attempts):
            output = await _act(holding, pack, spec, context)
    except RemitError as error:
        return await _failed(holding, spec, context, row=row, began_us=began_us, error=error)
    except Exception as error:  # noqa: BLE001 - whatever a step raises ends its attempt, not the mission's runner
        known = _known(error)
        return await _failed(holding, spec, context, row=row, began_us=began_us, error=known)
    finally:
        context.close()
    also = await critics.verdict(holding, spec, context)
    if output.changes:
        await context.settled()
        return Made(spec, row, output, key, began_us, also=also)
    if context.opened:
        await holding.repository.discard([spec.name])
    return Done(await holding.finish(row, output, key=key, began_us=began_us, check=context.check, also=also))


async def _act(holding: Holding, pack: Pack, spec: StepSpec, context: Context) -> Output:
    """Preconditions, body, postconditions, all within the step's timeout."""
    redactor = holding.deps.redactor
    function = pack.step(spec.uses)
    limit = asyncio.timeout(spec.timeout_s)
    try:
        async with limit:
            if missing := await conditions.unmet(spec.pre, context, redactor=redactor):
                raise Failed(f"A precondition does not hold: {'; '.join(missing)}.", code="step.precondition")
            if getattr(function, "directory", False):
                await context.open()
            result = dict(await function(context, spec.params) or {})
            changes = await context.collect()
            if changes.problems:
                raise Failed(f"What the step left can't be kept: {'; '.join(changes.problems)}.", code="step.artefact")
            await _refuse_secrets(context, redactor, result=result, changed=changes.paths)
            post = [each for each in spec.post if not isinstance(each, NoSecrets)]  # asked of every step, just now
            found = await conditions.unmet(post, context, redactor=redactor, result=result, changed=changes.paths)
            if found:
                raise Failed(f"A postcondition does not hold: {'; '.join(found)}.", code="step.postcondition")
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Timeout(f"The step did not end within its {spec.timeout_s:g} seconds.", code="step.timeout") from error
    return Output(result, changes, context.logged, context.cost.micros)


async def _refuse_secrets(
    context: Context, redactor: Redactor, *, result: packs.Result, changed: Sequence[str]
) -> None:
    """What a step leaves stays for good: its result in the store, its files in git. The guard saw neither.

    Raises:
        Failed: There is a secret in it.
    """
    found = [f"its result holds a secret ({span.kind})" for span in redactor.scan(canonical(result))[:1]]
    found += await conditions.unmet((NoSecrets(),), context, redactor=redactor, changed=changed)
    if found:
        raise Failed(f"What the step left can't be kept: {'; '.join(found)}.", code="step.secret")


async def _inherit(holding: Holding, spec: StepSpec, row: StepRow, also: Also | None) -> Ending:
    """Take over an earlier output with the same skip key: the same inputs, tools and upstream outputs made it."""
    if row.commit_id:
        parent = next(each.parent for each in await holding.all_history() if each.commit == row.commit_id)
        changes = await holding.repository.changes(parent, row.commit_id, spec.name)
        output = Output(row.outcome, changes)
        return Made(spec, row, output, row.skip_key, inherited=True, also=also)
    output = Output(row.outcome)
    skipped = StepStatus.SKIPPED
    return Done(await holding.finish(row, output, key=row.skip_key, status=skipped, attempt=None, also=also))


def delay(spec: StepSpec, failures: int, error: RemitError, *, rand: Callable[[], float]) -> float:
    """Seconds until the next attempt: the policy's, or what the other side asked for (Retry-After) if longer."""
    asked = error.retry_after if isinstance(error, Unavailable | RateLimited) else None
    return max(spec.retry.delay(failures, rand=rand), asked or 0.0)


def waits_for_rate(error: RemitError, row: StepRow) -> bool:
    """Whether a refusal for a rate is waited out: it is no failure of the step, so no attempt of its policy is used."""
    asked = error.retry_after if isinstance(error, RateLimited) else None
    return asked is not None and asked <= LONGEST_RATE_WAIT and row.attempts - row.failures <= MOST_RATE_WAITS


def _known(error: Exception) -> RemitError:
    """A foreign exception in our words; connection and time errors may be tried again."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TimeoutError):
        return Timeout(text)
    if isinstance(error, ConnectionError):
        return Unavailable(text)
    known = InternalError(text, code="step.exception", hint="mend the step's function and run: remit resume ID")
    known.__cause__ = error
    return known


async def _refused(holding: Holding, row: StepRow) -> tuple[Request, Denied] | None:
    """What a person answered to the step that waited, if it was no: the step fails without being begun again."""
    if row.error_code != approval_asking.PENDING:
        return None
    now_us = holding.deps.now()

    def op(tx: ReadTx) -> tuple[Request, str] | None:
        request = refused_step(tx, row.workspace, row.mission, row.name, now_us=now_us)
        return None if request is None else (request, refusal_text(tx, request))

    found = await holding.deps.journal.read(op)
    if found is None:
        return None
    request, text = found
    return request, Denied(text, code=approval_asking.code_of(request), hint="remit approvals --all")


async def _failed(
    holding: Holding,
    spec: StepSpec,
    context: Context,
    *,
    row: StepRow,
    began_us: int,
    error: RemitError,
    request: Request | None = None,
) -> Ending:
    if isinstance(error, Fenced) or holding.lost:
        raise error
    await context.settled()
    message = holding.deps.redactor.mask(error.message)[:MESSAGE_LIMIT]
    log, cost = context.logged, context.cost.micros

    def record(outcome: AttemptOutcome, delay_us: int = 0) -> AttemptRow:
        return holding.attempt(
            row, outcome, began_us=began_us, log=log, error=(error.code, message), delay_us=delay_us, cost=cost
        )

    if isinstance(error, ApprovalPending):
        waiting = record(AttemptOutcome.WAITING)
        return Parked(await holding.fail(row, waiting, status=StepStatus.PENDING, failures=row.failures), error)
    waited = waits_for_rate(error, row)
    failures = row.failures + (0 if waited else 1)
    late = isinstance(error, RateLimited) and not waited  # too late to wait for here: another attempt would be no use
    if not waited and (late or not error.row.retryable or failures >= spec.retry.max_attempts):
        failed = record(AttemptOutcome.FAILED)
        judged = await critics.verdict(holding, spec, context, error=error)
        told = None if request is None else partial(tell_step, request=request, now_us=holding.deps.now())
        also = judged if told is None else told if judged is None else both(judged, told)
        broken = await holding.fail(row, failed, status=StepStatus.FAILED, failures=failures, also=also)
        return Broken(broken, error)
    delay_us = round(delay(spec, max(failures, 1), error, rand=holding.deps.rand) * 1_000_000)
    at_us = holding.deps.now() + delay_us
    again = await holding.fail(
        row,
        record(AttemptOutcome.FAILED, delay_us),
        status=StepStatus.PENDING,
        failures=failures,
        not_before_us=at_us,
    )
    return Again(again, at_us)
