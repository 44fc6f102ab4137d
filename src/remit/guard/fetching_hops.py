"""What a fetch does beyond the address that was admitted: redirects and robots.txt, each judged and counted by itself.

One fetch is one action with one permit and one outcome. Inside it the adapter asks ``recheck`` before every further
address: kill switch, reach, rules and approvals hold for it as if it had been asked for, its domain's rates are taken,
and a refusal is an action of its own (its parent is the fetch), so that ``remit why`` and ``remit policy explain`` tell
it. Nobody is asked for an approval half-way: the person who wants that address asks for it directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from remit.audit.entry import Entry, Result
from remit.guard import approval, authorise, glass, identify, rate, rules_check
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.circuits import Circuits
from remit.guard.evidence import Evidence, standing, subject_of
from remit.guard.fetching import FetchTerms, shown_url
from remit.guard.fetching_robots import Robots, RobotsFile, keep_robots, read_robots
from remit.guard.rate_limits import Charge, charges_of
from remit.guard.records import LONGEST_TARGET, Within, refusal, verdicts
from remit.guard.scene import Scene, Standing, denied
from remit.guard.standing import Register
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Fetch
from remit.kernel.errors import Denied, RateLimited, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.money import ZERO
from remit.kernel.ports import Journal, Tx
from remit.kernel.urls import Url, known_url
from remit.redact.redactor import Redactor

type Checker = Callable[[Action, Scene], Check]

NAME = "hop"
_CHECKS: tuple[Checker, ...] = (identify.check, authorise.check, rules_check.check, approval.check)


class Host(Protocol):
    """What judging a hop needs of the guard."""

    journal: Journal
    redactor: Redactor
    clock: Clock
    register: Register
    circuits: Circuits
    environment: str
    approvals: ApprovalTerms
    fetching: FetchTerms


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of a fetch, as it is audited.

    Attributes:
        url: What was asked for.
        method: How.
        purpose: ``page`` or ``robots``.
        hop: Redirects before it.
        address: The IP address that was connected to; empty: none was.
        status: Of HTTP; 0: there was no answer.
        size: Bytes of the body, decompressed.
        verdict: ``ok``, or the code of the error that ended it.
        took_ms: Milliseconds.
        robots: What the request made known of the origin's robots.txt, to be kept.
        robots_origin: Whose.
    """

    url: str
    method: str
    purpose: str
    hop: int
    address: str = ""
    status: int = 0
    size: int = 0
    verdict: str = "ok"
    took_ms: int = 0
    robots: RobotsFile | None = None
    robots_origin: str = ""


async def recheck(
    host: Host, action: Action, url: Url, *, robots: Robots, whole: bool = True, counted: bool = True
) -> None:
    """Judge a further address of the fetch ``action``, and take its rates.

    Args:
        host: The guard.
        action: The fetch that was admitted.
        url: The address. For the one that was admitted only the rules are asked again, with what robots.txt says now.
        robots: What robots.txt says of it.
        whole: Reach, rules and approvals too; without, only the kill switch and the rates (the robots.txt of an origin
            whose pages were judged already).
        counted: Whether it draws on the rates.

    Raises:
        Denied: It may not be fetched (``RateLimited``: not now); ``decision_id`` is the refused hop.
        Unavailable: Who may act can't be read.
    """
    effect = action.effect
    assert isinstance(effect, Fetch)  # noqa: S101 - the fetch adapter asks
    again = known_url(effect.url) == url
    hop = replace(effect, url=str(url), headers={} if not again else effect.headers)
    child = replace(action, id=new_id(), effect=hop, parent=action.id, effect_key="", estimate=ZERO)
    scene = await _scene(host, child, robots)
    said: list[Check] = []
    for check in _CHECKS if whole else _CHECKS[:1]:
        verdict = check(child, scene)
        if verdict.verdict is Verdict.NEEDS_APPROVAL and not (again and _admitted(check, child, scene) == verdict):
            told = (
                f"{child.effect.target[:200]} is only fetched with an approval, which is asked for {_where(verdict)}."
            )
            verdict = denied(NAME, "approval", told)
        said.append(verdict)
        if verdict.verdict is Verdict.DENY:
            await _refuse(host, child, scene, said)
    await _take(host, child, scene, said, counted=counted)


async def known_robots(host: Host, action: Action, url: Url) -> Robots:
    """What is known of robots.txt for ``url``; ``UNKNOWN`` also when it can't be read: then it is asked for anew."""
    now_us = micros_of(host.clock.now())
    agent, of = host.fetching.agent, action.workspace
    return await host.journal.read(lambda tx: read_robots(tx, url, workspace=of, agent=agent, now_us=now_us))


def record(host: Host, action: Action, seen: Exchange) -> None:
    """Queue the audit entry of one request, and what it made known of robots.txt. The outcome's commit implies it."""
    now_us = micros_of(host.clock.now())
    result = Result.SUCCESS if seen.verdict == "ok" else Result.FAILURE
    entry = Entry(
        actor=action.principal,
        action="fetch.request",
        domain=action.effect.trait.domain,
        result=result,
        workspace=action.workspace,
        on_behalf_of=action.on_behalf_of,
        reason="" if seen.verdict == "ok" else seen.verdict,
        subject=action.id,
        mission=action.mission,
        step=action.step,
    )
    payload: dict[str, Json] = {
        "url": shown_url(seen.url, host.redactor.mask),
        "method": seen.method,
        "purpose": seen.purpose,
        "hop": seen.hop,
        "address": seen.address,
        "status": seen.status,
        "bytes": seen.size,
        "verdict": seen.verdict,
        "took_ms": seen.took_ms,
    }

    def op(tx: Tx) -> None:
        if seen.robots is not None:
            keep_robots(tx, seen.robots_origin, seen.robots, workspace=action.workspace, now_us=now_us)
        tx.append(entry, payload, subject=action.about)

    host.journal.submit("fetch.request", op)


def _admitted(check: Checker, child: Action, scene: Scene) -> Check:
    """What the check said when nothing was known of robots.txt: if it asked for the same, somebody has approved it."""
    return check(child, replace(scene, robots=Robots.UNKNOWN.value, grants=[]))


def _where(verdict: Check) -> str:
    return f"by fetching it directly ({verdict.detail.rstrip('.')})"


async def _scene(host: Host, child: Action, robots: Robots) -> Scene:
    try:
        known = await host.register.current(child.workspace)
    except Exception as error:
        message = "Who may act, and the kill switch, could not be read, so nothing more is fetched."
        raise Unavailable(message, code="guard.unreadable") from error
    scene = Scene(known, host.redactor, host.circuits, frozenset({child.kind}), child)
    scene.at, scene.environment = host.clock.now(), host.environment
    scene.approvals, scene.fetching, scene.robots = host.approvals, host.fetching, robots.value
    scene.evidence = await _evidence(host, child, known)
    return scene


async def _evidence(host: Host, child: Action, known: Standing) -> Mapping[str, Evidence] | None:
    if known.rules is None or not known.rules.book.needs_evidence(child.kind):
        return None
    about = subject_of(child.effect)
    try:
        return await host.journal.read(lambda tx: standing(tx, child.workspace, child.mission, about))
    except Exception:  # noqa: BLE001 - no answer is no evidence: the check of the rules refuses
        return None


async def _take(host: Host, child: Action, scene: Scene, said: list[Check], *, counted: bool) -> None:
    limits = scene.standing.limits
    charges = () if limits is None or not counted else charges_of(child, limits, scene.standing.agents)
    if not charges and not scene.grants:
        return
    try:
        await host.journal.commit("fetch.hop", _taking(host, child, scene, charges))
    except glass.GlassOverError as over:
        await _refuse(host, child, scene, [*said, denied(glass.NAME, "over", str(over))])
    except RateLimited as late:
        await _refuse(host, child, scene, [*said, denied(rate.NAME, "exceeded", late.message)], cause=late)


def _taking(host: Host, child: Action, scene: Scene, charges: tuple[Charge, ...]) -> Within:
    """What a hop uses: what break-glass lifted for it, and its rates."""
    now_us, limits = micros_of(host.clock.now()), scene.standing.limits
    lifted = glass.using(child, scene.grants, now_us)

    def op(tx: Tx) -> None:
        if scene.grants:
            lifted(tx)
        if limits is not None and charges:
            rate.take(tx, child, charges, limits=limits, now_us=now_us)
            rate.keep(tx, child.workspace, child.id)

    return op


async def _refuse(
    host: Host, child: Action, scene: Scene, said: list[Check], *, cause: RateLimited | None = None
) -> NoReturn:
    """Record the refusal as an action of its own, and raise it; it stands even when it can't be recorded."""
    last = said[-1]
    refused = cause or Denied(last.detail, code=f"guard.{last.reason}", decision_id=child.id)
    write = refusal(
        child,
        verdicts(tuple(said)),
        target=shown_url(child.target, host.redactor.mask)[:LONGEST_TARGET],
        policy_rev=scene.policy_rev,
        facts=scene.facts,
        now_us=micros_of(host.clock.now()),
    )
    try:
        await host.journal.commit("guard.refused", write)
    except Exception as unrecorded:
        refused.add_note(f"The refusal could not be recorded: {unrecorded}")
        raise refused from unrecorded
    raise refused
