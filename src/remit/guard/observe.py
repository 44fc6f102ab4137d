"""Observe-only: what the guard would have refused is decided, recorded and counted, and goes on.

Where a workspace's policy says ``mode=observe``, a verdict of one of ``OBSERVED`` becomes a verdict that allows, with
the reason ``observed.…`` and what it would have been; each has an audit entry of its own in the intent's transaction.
Money and rates are counted though they don't fit.

It never holds for what changes the world. Which kinds are observed stands in ``KINDS`` and in no setting: models, and
tools of MCP servers that no mission of Remit's called. And it never holds for what is not a judgement: a kill, a
pause, a key that doesn't hold, an agent's registration, an open circuit, and everything that could not be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from sqlalchemy.dialects.postgresql import insert

from remit.audit.entry import Entry, Result
from remit.guard.records import Verdicts, verdicts
from remit.guard.scene import Scene
from remit.guard.tables import OBSERVED as OBSERVED_TIMES
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Model, Tool
from remit.kernel.ports import Tx

PREFIX: Final = "observed."
KINDS: Final = frozenset({Model.trait.kind, Tool.trait.kind})
#: The verdicts that are only observed, by check: refusals by reason, and wishes for an approval.
OBSERVED: Final = frozenset(
    {
        ("scan", "secret"),
        ("scan", "canary"),
        ("rules", "denied"),
        ("rules", "error"),
        ("rules", "approval"),
        ("approval", "needed"),
        ("rate", "exceeded"),
        ("budget", "exceeded"),
        ("budget", "unknown_price"),
    }
)


_FIRST = insert(OBSERVED_TIMES)
_COUNT = _FIRST.on_conflict_do_update(
    index_elements=["workspace", "name", "reason"], set_={"times": OBSERVED_TIMES.c.times + _FIRST.excluded.times}
)


def observes(action: Action, scene: Scene) -> bool:
    """Whether refusals of this action are only recorded."""
    if not scene.standing.gateway.policy.observing or action.kind not in KINDS:
        return False
    return isinstance(action.effect, Model) or (not action.mission and "/" in action.target)


def judged(action: Action, scene: Scene, verdict: Check) -> Check:
    """The verdict as it is, or as it is recorded where it is only observed. For verdicts that don't allow."""
    if (verdict.name, verdict.reason) not in OBSERVED or not observes(action, scene):
        return verdict
    if verdict.name == "scan" and _registered(action, scene):
        return verdict
    would = "A person would have been asked" if verdict.verdict is Verdict.NEEDS_APPROVAL else "Would have been refused"
    seen = Check(verdict.name, Verdict.ALLOW, PREFIX + verdict.reason, f"{would}: {verdict.detail}")
    scene.observed.append(seen)
    return seen


def over(action: Action, scene: Scene, said: Verdicts, turned: tuple[Check, ...]) -> Verdicts | None:
    """The verdicts to go on with when the intent's transaction refused for money or a rate; ``None``: it stays refused.

    From then on ``scene.beyond`` names what is counted without a limit, so that each is refused at most once.
    """
    last = turned[-1]
    seen = judged(action, scene, last)
    if seen is last:
        return None
    scene.beyond |= {last.name}
    checks = tuple(seen if each.name == last.name else each for each in said.checks)
    return verdicts(checks, spent_ns=scene.spent_ns)


def noting(action: Action, scene: Scene) -> Callable[[Tx], None]:
    """The audit entries of what was observed, for the intent's transaction."""
    entries = [
        Entry(
            actor=action.principal,
            action="guard.observed",
            domain=action.effect.trait.domain,
            result=Result.SUCCESS,
            workspace=action.workspace,
            on_behalf_of=action.on_behalf_of,
            reason=f"{PREFIX}{seen.name}.{seen.reason.removeprefix(PREFIX)}",
            subject=action.id,
            mission=action.mission,
            step=action.step,
            policy_rev=scene.policy_rev,
        )
        for seen in scene.observed
    ]
    told = [{"kind": action.kind, "detail": seen.detail, "key": action.key} for seen in scene.observed]
    counts = sorted(Counter((seen.name, seen.reason.removeprefix(PREFIX)) for seen in scene.observed).items())

    def op(tx: Tx) -> None:
        for entry, payload in zip(entries, told, strict=True):
            tx.append(entry, payload, subject=action.about)
        for (name, reason), times in counts:  # last, and in one order: nobody waits for these rows for long
            tx.execute(_COUNT, {"workspace": action.workspace, "name": name, "reason": reason, "times": times})

    return op


def _registered(action: Action, scene: Scene) -> bool:
    """Whether it carries a value that is registered here: a provider's key never leaves, whoever only observes."""
    return any(span.known for span in scene.redactor.scan(action.payload))
