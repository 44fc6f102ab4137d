"""Trying an action that nobody asked for: described as tests of rule files are, told condition by condition."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

from sqlalchemy import bindparam, select

from remit.guard.rule_tables import RULE_REVISION
from remit.guard.rules.book import Book
from remit.guard.rules.cases import cases_of, strongest
from remit.guard.rules.explain import Told, tell
from remit.guard.rules.reading import read_document
from remit.guard.rules.resolving import SETS
from remit.guard.rules.revisions import newest_revision
from remit.guard.rules.variables import read, read_evidence
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx

LONGEST = 20_000
EXAMPLE = """kind: order
target: broker
payload: {mode: real, leverage: 2.5, position_size: 0.05}
estimate_usd: 0.50
agent: {name: trader, kind: trader}
"""

_PAGE = (
    select(
        *(RULE_REVISION.c[name] for name in ("number", "sha256", "origin", "saved_by", "reason", "saved_us")),
    )
    .where(RULE_REVISION.c.workspace == bindparam("of"), RULE_REVISION.c.number < bindparam("before"))
    .order_by(RULE_REVISION.c.number.desc())
    .limit(bindparam("most"))
)
_NEWEST = 1 << 53


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rules make of an action: the verdict, and every rule of its kind."""

    kind: str
    target: str
    verdict: str
    rules: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """A revision in a list, without its text. ``saved_us``: 0 for the shipped sets that no row tells of."""

    number: int
    sha256: str
    origin: str
    saved_by: str
    reason: str
    saved_us: int


def rehearse(described: str, book: Book) -> Rehearsed:
    """Judge an action by the rules of ``book``; nothing is done, and nothing recorded.

    Args:
        described: YAML, the fields of a test of a rule file but for ``expect`` and ``rules``; see ``cases``.
        book: The rules.

    Raises:
        InvalidInput: It does not describe an action; every fault with its place.
    """
    if len(described) > LONGEST:
        message = f"An action is described in at most {LONGEST:,} characters."
        raise InvalidInput(message, code="rules.action")
    text = f"use: []\ntests:\n  -\n{indent(described.expandtabs(2).rstrip(), '    ')}\n    expect: allow\n"
    cases = cases_of(read_document(text, name="action", sets=SETS))
    if len(cases) != 1:
        message = "Describe one action: kind, target, payload."
        raise InvalidInput(message, code="rules.action")
    case = cases[0]
    setting = case.setting._replace(lists=book.resolved.lists)
    facts = read(case.action, setting, arguments=book.arguments)
    facts |= read_evidence(setting.evidence or {}, book.critics, book.findings)
    kind = case.action.kind
    broken = book.judge(kind, facts, mask=str)
    return Rehearsed(kind, case.action.target, strongest(broken), tell(book, kind, facts))


def revisions_page(tx: ReadTx, workspace: str, *, before: int | None = None, limit: int) -> list[Saved]:
    """At most ``limit`` revisions, newest first, from the one below ``before`` on: one statement, and no texts."""
    rows = tx.rows(_PAGE, {"of": workspace, "before": _NEWEST if before is None else before, "most": limit})
    if rows or before is not None:
        return [Saved(**row) for row in rows]
    first = newest_revision(tx, workspace)  # the shipped sets, where no row says anything else
    return [Saved(first.number, first.sha256, first.origin.value, first.saved_by, first.reason, first.saved_us)]
