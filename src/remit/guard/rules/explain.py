"""A decision told condition by condition: what was recorded of the action, asked again by the rules of that time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, select

from remit.guard.cel import Expression, Language, Value
from remit.guard.rules.book import Book, Compiled, filled, shown
from remit.guard.rules.document import Rule
from remit.guard.rules.facts import facts_from
from remit.guard.rules.revisions import find_revision
from remit.guard.tables import ACTION
from remit.kernel.canonical import Json
from remit.kernel.decision import read_checks
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx, Row

_BY_ID = select(ACTION).where(ACTION.c.workspace == bindparam("of"), ACTION.c.id == bindparam("which"))
_REVISION = re.compile(r"(\d+)-[0-9a-f]{12}")


class Said(StrEnum):
    """What became of a rule or condition."""

    HELD = "held"
    FAILED = "did not hold"
    IDLE = "does not apply"
    ERROR = "could not be asked"


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of an expression, with the values that it read."""

    text: str
    said: Said
    values: Mapping[str, str]
    error: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy explain --json``."""
        return {"condition": self.text, "said": self.said.value, "values": dict(self.values), "error": self.error}


@dataclass(frozen=True, slots=True)
class Told:
    """One rule: what it said, its conditions, and its message when it did not hold."""

    rule: Rule
    said: Said
    conditions: tuple[Condition, ...]
    message: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy explain --json``."""
        return {
            "rule": self.rule.id,
            "set": self.rule.origin,
            "said": self.said.value,
            "else": self.rule.otherwise.value,
            "message": self.message,
            "conditions": [each.as_json() for each in self.conditions],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision's rules, in the order of the file."""

    action: str
    kind: str
    target: str
    policy_rev: str
    verdict: str
    rules: tuple[Told, ...]

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy explain --json``."""
        return {
            "action": self.action,
            "kind": self.kind,
            "target": self.target,
            "policy_rev": self.policy_rev,
            "verdict": self.verdict,
            "rules": [each.as_json() for each in self.rules],
        }


def explain(tx: ReadTx, which: str, *, workspace: str) -> Explanation:
    """The rules behind the decision (or action) ``which``.

    Raises:
        NotFound: There is no such action, or it was refused before the rules were asked.
        IntegrityError: The revision is not what was saved.
    """
    row = tx.row(_BY_ID, {"of": workspace, "which": which})
    if row is None:
        message = f"Nothing here has the id {which[:60]!r}: give an action or a decision."
        raise NotFound(message, code="rules.explain", hint="remit missions")
    match = _REVISION.fullmatch(row["policy_rev"])
    kept = facts_from(row)
    if kept is None or match is None:
        message = f"The rules were not asked about {which}: it was refused before, or is older than the rules."
        raise NotFound(message, code="rules.explain", hint=f"remit why {which}")
    book = find_revision(tx, workspace, int(match[1])).book
    return Explanation(
        action=row["id"],
        kind=row["kind"],
        target=row["target"],
        policy_rev=row["policy_rev"],
        verdict=recorded_verdict(row),
        rules=tell(book, row["kind"], kept[0]),
    )


def tell(book: Book, kind: str, facts: Mapping[str, Value]) -> tuple[Told, ...]:
    """Every rule of the kind with its conditions, asked one by one."""
    rules = book.kinds[kind]
    values = book.values(kind, facts)
    return tuple(_told(rules.language, each, values) for each in rules.rules)


def recorded_verdict(row: Row) -> str:
    """What the rules said when the action was asked: ``allow``, ``warn``, ``require_approval`` or ``deny``; or ""."""
    for check in read_checks(row["checks"]):
        if check["check"] == "rules":
            if check["verdict"] == "allow":
                return "warn" if check["reason"] == "warned" else "allow"
            return "deny" if check["verdict"] == "deny" else "require_approval"
    return ""


def _told(language: Language, each: Compiled, values: Mapping[str, Value]) -> Told:
    conditions: tuple[Condition, ...] = ()
    if each.when is not None:
        conditions = _conditions(language, each.when, values)
        if any(condition.said is Said.ERROR for condition in conditions):
            return Told(each.rule, Said.ERROR, conditions, filled(each.rule, values, mask=str))
        if any(condition.said is Said.FAILED for condition in conditions):
            return Told(each.rule, Said.IDLE, conditions)
    answer = each.asserts.ask(language.bind(values))
    conditions += _conditions(language, each.asserts, values)
    if answer.holds:
        return Told(each.rule, Said.HELD, conditions)
    said = Said.ERROR if answer.error else Said.FAILED
    return Told(each.rule, said, conditions, filled(each.rule, values, mask=str))


def _conditions(language: Language, expression: Expression, values: Mapping[str, Value]) -> tuple[Condition, ...]:
    binding = language.bind(values)
    found: list[Condition] = []
    for part in language.conditions(expression):
        answer = part.ask(binding)
        said = Said.ERROR if answer.error else Said.HELD if answer.holds else Said.FAILED
        read = {name: shown(values.get(name), mask=str) for name in sorted(part.names)}
        found.append(Condition(" ".join(part.text.split()), said, read, answer.error))
    return tuple(found)
