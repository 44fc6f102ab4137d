"""Shadow mode (NEW-5): rules tried on recorded actions before they are switched on.

Each action's row keeps what rules read of it (``facts``). A candidate is asked the same, and those whose verdict would
have been another are told. Evidence that was not read then is looked up as it stood at that time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.guard.cel import Value
from remit.guard.evidence import standing
from remit.guard.rules.book import Book
from remit.guard.rules.cases import strongest
from remit.guard.rules.explain import recorded_verdict
from remit.guard.rules.facts import facts_from
from remit.guard.rules.tool_facts import argument, arguments_from
from remit.guard.rules.variables import is_evidence, read_evidence
from remit.guard.tables import ACTION
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.ports import ReadTx, Row

MOST_ACTIONS = 20_000
DAY_US = 86_400_000_000

_RECENT = (
    select(
        *(ACTION.c.id, ACTION.c.workspace, ACTION.c.mission, ACTION.c.step, ACTION.c.attempt, ACTION.c.kind),
        *(ACTION.c.target, ACTION.c.principal, ACTION.c.on_behalf_of, ACTION.c.estimate_micros),
        *(ACTION.c.checks, ACTION.c.facts, ACTION.c.opened_us),
    )
    .where(ACTION.c.workspace == bindparam("of"), ACTION.c.opened_us >= bindparam("since"))
    .order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Changed:
    """An action whose verdict would have been another."""

    action: str
    kind: str
    target: str
    principal: str
    at_us: int
    before: str
    after: str
    rules: tuple[str, ...]
    told: str

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy shadow --json``."""
        return {
            "action": self.action,
            "kind": self.kind,
            "target": self.target,
            "principal": self.principal,
            "at": iso(self.at_us),
            "before": self.before,
            "after": self.after,
            "rules": list(self.rules),
            "told": self.told,
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate would have done.

    Attributes:
        judged: Actions that were judged again.
        unreached: Actions that an earlier check refused: rules change nothing about them.
        unknown: Actions that can't be judged: they are older than the rules, or a text that the candidate reads was too
            long to be kept.
        changed: Those whose verdict would have been another, newest first.
        more: Whether there are older ones that were not read.
    """

    judged: int
    unreached: int
    unknown: int
    changed: tuple[Changed, ...]
    more: bool

    @property
    def moves(self) -> Mapping[tuple[str, str], int]:
        """How many went from which verdict to which."""
        return Counter((each.before, each.after) for each in self.changed)

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy shadow --json``."""
        return {
            "judged": self.judged,
            "unreached": self.unreached,
            "unknown": self.unknown,
            "more": self.more,
            "moves": [
                {"before": old, "after": new, "actions": count} for (old, new), count in sorted(self.moves.items())
            ],
            "changed": [each.as_json() for each in self.changed],
        }


def try_on_recorded(tx: ReadTx, book: Book, *, workspace: str, since_us: int, most: int = MOST_ACTIONS) -> Trial:
    """Ask ``book`` about the actions of a workspace since ``since_us``, at most the newest ``most``."""
    rows = tx.rows(_RECENT, {"of": workspace, "since": since_us, "most": most + 1})
    unreached = unknown = judged = 0
    changed: list[Changed] = []
    for row in rows[:most]:
        before = recorded_verdict(row)
        if not before:
            reached = any(name in row["checks"] for name in ('"rules"', '"breaker"', '"budget"'))
            unknown, unreached = unknown + reached, unreached + (not reached)
            continue
        again = _judged(tx, book, row, workspace)
        if again is None:
            unknown += 1
            continue
        judged += 1
        after, rules, told = again
        if after != before:
            changed.append(
                Changed(
                    row["id"],
                    row["kind"],
                    row["target"],
                    row["principal"],
                    row["opened_us"],
                    before,
                    after,
                    rules,
                    told,
                )
            )
    return Trial(judged, unreached, unknown, tuple(changed), len(rows) > most)


def _judged(tx: ReadTx, book: Book, row: Row, workspace: str) -> tuple[str, tuple[str, ...], str] | None:
    kept = facts_from(row)
    if kept is None:
        return None
    facts, cut = kept
    kind = row["kind"]
    names = book.kinds[kind].names
    if not cut.isdisjoint(names):
        return None
    unread = [name for name in names if name in book.arguments and name not in facts]
    if unread:
        told = arguments_from(str(facts.get("tool.arguments", "")))
        if told is None:
            return None
        facts |= {name: argument(told, name) for name in unread}
    if book.needs_evidence(kind):
        facts |= _evidence(tx, book, row, workspace, facts)
    broken = book.judge(kind, facts, mask=str)
    rules = tuple(each.rule.id for each in broken)
    return strongest(broken), rules, " ".join(each.told for each in broken)[:300]


def _evidence(tx: ReadTx, book: Book, row: Row, workspace: str, facts: Mapping[str, Value]) -> dict[str, Value]:
    """Evidence as it stood when the action was asked; what was read then goes before what is looked up now."""
    about = str(facts.get("subject", ""))
    found = standing(tx, workspace, row["mission"], about, until_us=row["opened_us"])
    looked_up = read_evidence(found, book.critics, book.findings)
    return {name: value for name, value in looked_up.items() if not (is_evidence(name) and name in facts)}
