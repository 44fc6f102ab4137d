"""The check after the scan: the rules in force. All of the kind are asked; the strongest that did not hold decides."""

from __future__ import annotations

from collections.abc import Sequence

from remit.accounts.break_glass import Lifts
from remit.guard.cel import Value
from remit.guard.glass import grant_for, spent
from remit.guard.provenance import CLEAN
from remit.guard.rules.book import Book, Broken
from remit.guard.rules.document import Otherwise
from remit.guard.rules.facts import kept
from remit.guard.rules.variables import Setting, read, read_evidence
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict

NAME = "rules"
ALLOWED = allowed(NAME)

MOST_TOLD = 1500  # characters of one verdict's sentence


def check(action: Action, scene: Scene) -> Check:
    """What rules say of the action as its adapter will get it. What can't be read or asked refuses."""
    rules = scene.standing.rules
    if rules is None:
        return denied(NAME, "unreadable", "The rules in force can't be read, or are not what was saved.")
    if rules.book.needs_evidence(action.kind) and scene.evidence is None:
        return denied(NAME, "evidence", f"The evidence that rules for {action.kind} need can't be read.")
    if scene.taint is None:
        return denied(NAME, "provenance", "What this mission has read from outside can't be looked up.")
    facts = facts_of(scene.performed, scene, rules.book)
    scene.facts = kept(facts, None if scene.clean else scene.redactor)
    broken = rules.book.judge(action.kind, facts, mask=scene.redactor.mask)
    return _unless_lifted(broken, action, scene) if broken else ALLOWED


def _unless_lifted(broken: tuple[Broken, ...], action: Action, scene: Scene) -> Check:
    """The verdict, but for rules that two persons lifted for the agent, team or mission (break-glass)."""
    grants = [(each, grant_for(action, scene.standing, Lifts.RULE, each.rule.id)) for each in broken]
    left = [each for each, grant in grants if grant is None]
    said = verdict_of(left) if left else ALLOWED
    if len(left) == len(broken) or said.verdict is Verdict.DENY:
        return said
    lifted = spent(NAME, scene, [grant for _, grant in grants if grant is not None])
    return Check(NAME, said.verdict, said.reason, f"{said.detail} {lifted.detail}") if left else lifted


def facts_of(action: Action, scene: Scene, book: Book) -> dict[str, Value]:
    """Every variable of the action that has a value."""
    setting = Setting(
        scene.standing.agents,
        scene.at,
        scene.environment,
        book.resolved.lists,
        taint=scene.taint or CLEAN,
        robots=scene.robots,
    )
    facts = read(action, setting, arguments=book.arguments)
    if scene.evidence is not None:
        facts |= read_evidence(scene.evidence, book.critics, book.findings)
    return facts


def verdict_of(broken: Sequence[Broken]) -> Check:
    """The one verdict of the rules that did not hold, telling each, the strongest first."""
    ordered = sorted(broken, key=lambda each: -each.leads_to.rank)
    told = " ".join(f"{each.rule.id}: {each.told}" for each in ordered)
    if len(told) > MOST_TOLD:
        told = f"{told[:MOST_TOLD]}…"
    match ordered[0].leads_to:
        case Otherwise.DENY:
            return denied(NAME, "denied" if _plainly(ordered) else "error", told)
        case Otherwise.REQUIRE_APPROVAL:
            return Check(NAME, Verdict.NEEDS_APPROVAL, "approval", told)
        case Otherwise.WARN:
            return Check(NAME, Verdict.ALLOW, "warned", told)


def _plainly(broken: Sequence[Broken]) -> bool:
    """Whether some rule denies that could be asked."""
    return any(each.leads_to is Otherwise.DENY and not each.error for each in broken)
