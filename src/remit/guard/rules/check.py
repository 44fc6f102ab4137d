"""The check after the scan: the rules in force. All of the kind are asked; the strongest that did not hold decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import orjson

from remit.guard.cel import Value
from remit.guard.rules.book import Book, Broken
from remit.guard.rules.document import Otherwise
from remit.guard.rules.variables import Setting, read, read_evidence
from remit.guard.scene import Scene, allowed, denied
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict
from remit.redact.redactor import Redactor

NAME = "rules"
ALLOWED = allowed(NAME)

MOST_TOLD = 1500  # characters of one verdict's sentence
MOST_FACTS = 4096  # bytes of what is kept of an action for explaining and for shadow mode
CUT = "~cut"  # names of the facts that were not kept, because there were too many bytes


def check(action: Action, scene: Scene) -> Check:
    """What rules say of the action as its adapter will get it. What can't be read or asked refuses."""
    rules = scene.standing.rules
    if rules is None:
        return denied(NAME, "unreadable", "The rules in force can't be read, or are not what was saved.")
    if rules.book.needs_evidence(action.kind) and scene.evidence is None:
        return denied(NAME, "evidence", f"The evidence that rules for {action.kind} need can't be read.")
    facts = facts_of(scene.performed, scene, rules.book)
    scene.facts = kept(facts, scene.redactor)
    broken = rules.book.judge(action.kind, facts, mask=scene.redactor.mask)
    return verdict_of(broken) if broken else ALLOWED


def facts_of(action: Action, scene: Scene, book: Book) -> dict[str, Value]:
    """Every variable of the action that has a value."""
    setting = Setting(scene.standing.agents, scene.at, scene.environment, book.resolved.lists)
    facts = read(action, setting)
    if scene.evidence is not None:
        facts |= read_evidence(scene.evidence, book.critics, book.findings)
    return facts


def verdict_of(broken: Sequence[Broken]) -> Check:
    """The one verdict of the rules that did not hold, telling each, the strongest first."""
    ordered = sorted(broken, key=lambda each: -each.leads_to.rank)
    told = " ".join(f"{each.told} ({each.rule.id})" for each in ordered)
    if len(told) > MOST_TOLD:
        told = f"{told[:MOST_TOLD]}…"
    match ordered[0].leads_to:
        case Otherwise.DENY:
            reason = "error" if ordered[0].error and not _plainly(ordered) else "denied"
            return denied(NAME, reason, told)
        case Otherwise.REQUIRE_APPROVAL:
            return Check(NAME, Verdict.NEEDS_APPROVAL, "approval", told)
        case Otherwise.WARN:
            return Check(NAME, Verdict.ALLOW, "warned", told)


def _plainly(broken: Sequence[Broken]) -> bool:
    """Whether some rule denies that could be asked."""
    return any(each.leads_to is Otherwise.DENY and not each.error for each in broken)


def kept(facts: Mapping[str, Value], redactor: Redactor) -> str:
    """The facts as JSON of at most 4 KiB, masked; the longest texts give way, and their names stand under ``~cut``."""
    text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    if not redactor.clean(text):
        facts = {name: _masked(value, redactor.mask) for name, value in facts.items()}
        text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    if len(text) <= MOST_FACTS:
        return text.decode()
    left: dict[str, object] = dict(facts)
    cut: list[str] = []
    longest = sorted((name for name in facts if isinstance(facts[name], str)), key=lambda name: -len(str(facts[name])))
    for name in longest:
        del left[name]
        cut.append(name)
        text = orjson.dumps({**left, CUT: cut}, option=orjson.OPT_SORT_KEYS)
        if len(text) <= MOST_FACTS:
            break
    return text.decode()


def _masked(value: Value, mask: Callable[[str], str]) -> Value:
    return mask(value) if isinstance(value, str) else value
