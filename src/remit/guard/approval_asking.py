"""How an admission meets the approvals: look whether there is leave, else ask, within the refusal's transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

from remit.guard import approval
from remit.guard.approval_fit import draws_of
from remit.guard.approval_requests import NONE, Answer, Draft, ask, refusal_text, usable
from remit.guard.approval_rows import Request, Status
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.evidence import standing, subject_of
from remit.guard.records import LONGEST_TARGET, refusal, repeats, verdicts
from remit.guard.scene import Scene, denied
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.decision import Check, Verdict
from remit.kernel.errors import ApprovalPending, Denied, RemitError
from remit.kernel.plain import plain
from remit.kernel.ports import Adapter, Journal, Preview, Previewer, ReadTx, Tx
from remit.redact.injection_signs import SUSPICIOUS
from remit.redact.redactor import Redactor

PREVIEW_S = 10.0
LONGEST_SHOWN = 64 << 10  # characters of a payload or a diff that a request keeps

PENDING, DENIED, EXPIRED = "guard.approval_pending", "guard.approval_denied", "guard.approval_expired"


class Host(Protocol):
    """What asking needs of the guard."""

    journal: Journal
    adapters: Mapping[str, Adapter]
    redactor: Redactor
    clock: Clock
    approvals: ApprovalTerms


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: the error for the caller, and the request if it was made just now."""

    error: RemitError
    fresh: Request | None


async def leave(host: Host, action: Action, scene: Scene) -> tuple[Check, str] | None:
    """The verdict and the id of an approved request that may be used now; ``None`` when somebody must be asked.

    An effect that can't be repeated and was asked for before goes on without one: the intent's transaction answers that
    first, and where it doesn't, misses the leave there.
    """
    now_us = micros_of(host.clock.now())

    def op(tx: ReadTx) -> Request | bool | None:
        found = usable(tx, action, policy_rev=scene.policy_rev, now_us=now_us)
        return found if found is not None else repeats(tx, action)

    found = await host.journal.read(op)
    if isinstance(found, Request):
        said = f"Approved: request {found.id}."
        return Check(approval.NAME, Verdict.ALLOW, "approved", said), found.id
    return (Check(approval.NAME, Verdict.ALLOW, "asked_before", "It was asked for before."), NONE) if found else None


async def refuse(host: Host, action: Action, scene: Scene, *, said: tuple[Check, ...], needed: Check) -> Asked | None:
    """Write the refusal with its request, or find the one that stands; ``None`` when it was approved meanwhile.

    Nothing was taken for the action: no budget, no rate, no lease of a circuit.
    """
    draft = await _draft(host, action, scene, said=said, needed=needed)
    draft = replace(draft, misled=scene.taint is None or scene.taint.score >= SUSPICIOUS)
    now_us = micros_of(host.clock.now())
    target = host.redactor.mask(action.target)[:LONGEST_TARGET]

    def op(tx: Tx) -> tuple[Answer, Check, str]:
        critics = standing(tx, action.workspace, action.mission, subject_of(action.effect))
        answer = ask(
            tx,
            action,
            draft,
            terms=host.approvals,
            policy_rev=scene.policy_rev,
            now_us=now_us,
            evidence=[found.as_json() for found in critics.values()],
        )
        request = answer.request
        if answer.live:
            return answer, needed, ""
        check, text = needed, ""
        if request.status == Status.DENIED:
            text = refusal_text(tx, request)
            check = denied(approval.NAME, "denied", text)
        elif request.status == Status.EXPIRED:
            text = refusal_text(tx, request)
            check = denied(approval.NAME, "expired", text)
        refusal(
            action,
            verdicts((*said, check), spent_ns=scene.spent_ns),
            target=target,
            policy_rev=scene.policy_rev,
            facts=scene.facts,
            now_us=now_us,
            approval_id=request.id,
        )(tx)
        return answer, check, text

    answer, check, text = await host.journal.commit("guard.refused", op)
    request = answer.request
    if answer.live:
        return None
    if text:
        return Asked(Denied(text, code=code_of(request), decision_id=action.id), None)
    return Asked(pending(request, check), request if answer.fresh else None)


def code_of(request: Request) -> str:
    """The error's code for a request that was refused."""
    return DENIED if request.status == Status.DENIED else EXPIRED


def pending(request: Request, needed: Check) -> ApprovalPending:
    """The error that parks a step."""
    why = plain(needed.detail.partition(": ")[2] or needed.detail, limit=600)
    what = plain(request.what, limit=200)
    message = f"The {what} waits for a person: {why} Request {request.id}, refused by itself {iso(request.expires_us)}."
    return ApprovalPending(message, code=PENDING, hint=f"remit approve {request.id}", approval_id=request.id)


async def _draft(host: Host, action: Action, scene: Scene, *, said: tuple[Check, ...], needed: Check) -> Draft:
    mask = host.redactor.mask
    return Draft(
        why=mask(needed.detail),
        checks=[check.as_json() for check in said],
        target=mask(action.target)[:LONGEST_TARGET],
        payload=_cut(mask(action.payload.decode("utf-8", "replace"))),
        preview=await _preview(host, action),
        draws=draws_of(action, scene),
    )


async def _preview(host: Host, action: Action) -> dict[str, Json]:
    """What the adapter can tell of it beforehand, masked; a look that fails is told and hinders nothing."""
    adapter = host.adapters.get(action.kind)
    if not isinstance(adapter, Previewer):
        return {}
    mask = host.redactor.mask
    try:
        async with asyncio.timeout(PREVIEW_S):
            seen: Preview = await adapter.preview(action)
    except TimeoutError:
        return {"failed": f"The preview was not ready within {PREVIEW_S:g} s."}
    except Exception as error:  # noqa: BLE001 - whatever an adapter's look ahead raises, the person is asked all the same
        known = error.message if isinstance(error, RemitError) else type(error).__name__
        return {"failed": mask(f"The preview failed: {known}")[:500]}
    simulation = cast("dict[str, Json]", host.redactor.mask_tree(dict(seen.simulation)))
    told: dict[str, Json] = {
        "diff": _cut(mask(seen.diff)),
        "summary": mask(seen.summary)[:4000],
        "simulation": simulation,
        "links": [mask(link)[:500] for link in seen.links[:50]],
    }
    return {name: value for name, value in told.items() if value}


def _cut(text: str) -> str:
    cut = len(text) - LONGEST_SHOWN
    return text if cut <= 0 else f"{text[:LONGEST_SHOWN]}\n… {cut} characters more are not shown; the hash covers them."
