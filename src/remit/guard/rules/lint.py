"""What a rule file says that probably isn't meant: conditions that never apply, rules that another one covers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from remit.guard.cel import Expression
from remit.guard.cel_text import Problem, conjuncts, tokens_of
from remit.guard.rules.book import Book, Compiled
from remit.guard.rules.document import Document
from remit.kernel.canonical import Json

_EQUALS = re.compile(r"([a-z_][\w.]*) == (\"[^\"]*\"|'[^']*'|[\d.]+|true|false)")


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark on a rule: ``unreachable``, ``constant`` or ``shadowed``; with its line in the file."""

    kind: str
    rule: str
    line: int
    what: str

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy check --json``."""
        return {"kind": self.kind, "rule": self.rule, "line": self.line, "what": self.what}


def remarks_on(document: Document, book: Book) -> tuple[Remark, ...]:
    """Remarks on the file's own rules, in its order. Rules of shipped sets count as standing before them."""
    lines = {each.rule.id: each.places["id"].line for each in document.rules}
    found: list[Remark] = []
    for kind, rules in book.kinds.items():
        for number, each in enumerate(rules.rules):
            line = lines.get(each.rule.id)
            if line is None:
                continue
            found += [Remark(told, each.rule.id, line, what) for told, what in _alone(each)]
            cover = next((other for other in rules.rules[:number] if _covers(other, each)), None)
            cover = cover or next(
                (other for other in rules.rules[number + 1 :] if _covers(other, each, later=True)), None
            )
            if cover is not None:
                what = f"for {kind} the rule {cover.rule.id} asks the same or more and is as strong"
                found.append(Remark("shadowed", each.rule.id, line, what))
    return tuple(sorted(dict.fromkeys(found), key=lambda remark: remark.line))


def _alone(each: Compiled) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if each.when is not None:
        if not each.when.names:
            found.append(("constant", "when reads no variable: it always says the same"))
        clash = _clash(each.when)
        if clash:
            found.append(("unreachable", f"when wants two values of {clash} at once: the rule never applies"))
    if not each.asserts.names:
        found.append(("constant", "assert reads no variable: it always says the same"))
    clash = _clash(each.asserts)
    if clash:
        found.append(("unreachable", f"assert wants two values of {clash} at once: it never holds"))
    return found


def _clash(expression: Expression) -> str:
    """A variable that must equal two different values; empty when there is none."""
    wanted: dict[str, str] = {}
    for part in conjuncts(expression.text):
        match = _EQUALS.fullmatch(_normal(part))
        if match and wanted.setdefault(match[1], match[2].strip("\"'")) != match[2].strip("\"'"):
            return match[1]
    return ""


def _covers(other: Compiled, each: Compiled, *, later: bool = False) -> bool:
    """Whether ``other`` refuses whatever ``each`` refuses, as strongly. Of two that say the same the later counts."""
    if other.rule.otherwise.rank < each.rule.otherwise.rank:
        return False
    if other.when is not None and (each.when is None or _normal(other.when.text) != _normal(each.when.text)):
        return False
    theirs, ours = _parts(other.asserts), _parts(each.asserts)
    if not ours <= theirs:
        return False
    same = ours == theirs and (other.when is None) == (each.when is None)
    return not (later and same and other.rule.otherwise is each.rule.otherwise)


def _parts(expression: Expression) -> frozenset[str]:
    return frozenset(map(_normal, conjuncts(expression.text)))


def _normal(text: str) -> str:
    tokens = tokens_of(text)
    return text if isinstance(tokens, Problem) else " ".join(token.text for token in tokens)
