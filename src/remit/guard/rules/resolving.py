"""From a rule file to the book that judges: shipped sets filled in, expressions compiled, faults at their places."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from remit.guard.cel import SLOWEST_S
from remit.guard.rules.addresses import NAMED
from remit.guard.rules.book import Book, Uncompiled
from remit.guard.rules.document import Document, Marked, Resolved
from remit.guard.rules.faults import Fault, refuse
from remit.guard.rules.marked import place_in
from remit.guard.rules.reading import MOST_RULES, read_document

#: The sets that Remit ships, in the order in which their rules are told.
SETS = ("generic", "trading", "deployment", "publishing", "fetching", "tools")
#: The file that stands for the shipped sets alone: what a home begins with.
SHIPPED = """\
# The rules that Remit ships, with their numbers: remit policy show
use: [generic, trading, deployment, publishing, fetching, tools]
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule file that can be used."""

    document: Document
    book: Book


@functools.cache
def shipped_set(name: str) -> Document:
    """One of ``SETS``."""
    text = (files("remit.guard") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
    return read_document(text, name=f"{name}.yaml", sets=(), origin=name)


@functools.cache
def shipped() -> Ready:
    """The shipped sets alone."""
    return prepare(SHIPPED, name="shipped")


def prepare(text: str, *, name: str) -> Ready:
    """A rule file, read, filled in and compiled.

    Raises:
        InvalidInput: It can't be used; ``problems`` lists every fault with place, caret and fix.
    """
    document = read_document(text, name=name, sets=SETS)
    faults: list[Fault] = []
    resolved = _resolve(document, faults)
    try:
        book = Book(resolved)
    except Uncompiled as error:
        faults += _placed(document, error)
        refuse(faults or [Fault(str(error), "correct the rule", 1, 1)], text, name=name)
    faults += [*_idle_limits(document, book), *_slow(document, book)]
    if faults:
        refuse(faults, text, name=name)
    return Ready(document, book)


def _resolve(document: Document, faults: list[Fault]) -> Resolved:
    sets = [shipped_set(name) for name in document.use if name in SETS]
    left_out = {rule for rule, _ in document.without}
    known = {each.rule.id: each.rule for one in sets for each in one.rules}
    for rule, place in document.without:
        if rule not in known:
            near = difflib.get_close_matches(rule, known, 1)
            fix = f"did you mean {near[0]}?" if near else "remit policy show lists the rules"
            faults.append(Fault(f"no set in use has a rule {rule[:60]!r}", fix, place.line, place.column))
    rules = [rule for rule in known.values() if rule.id not in left_out]
    taken = {rule.id for rule in rules}
    for each in document.rules:
        place = each.places["id"]
        if each.rule.id in taken:
            fix = f"choose another id; to replace a shipped rule, add without: [{each.rule.id}]"
            faults.append(Fault(f"the id {each.rule.id} is taken", fix, place.line, place.column))
        taken.add(each.rule.id)
        rules.append(each.rule)
    if len(rules) > MOST_RULES:
        faults.append(Fault(f"with the shipped sets there are more than {MOST_RULES} rules", "join rules", 1, 1))
    limits: dict[str, float] = {}
    lists: dict[str, frozenset[str]] = {}
    for one in (*sets, document):
        limits |= one.limits
        for name, entries in one.lists.items():
            lists[name] = _changed(lists.get(name, frozenset()), entries)
    critics = {critic for one in (*sets, document) for critic in one.critics}
    findings = {kind for one in (*sets, document) for kind in one.findings}
    return Resolved(
        tuple(rules),
        limits,
        {name: lists.get(name, frozenset()) for name in NAMED},
        tuple(sorted(critics)),
        tuple(sorted(findings)),
    )


def _changed(before: frozenset[str], entries: tuple[str, ...]) -> frozenset[str]:
    if not all(entry[:1] in {"+", "-"} for entry in entries) or not entries:
        return frozenset(entries)
    added = {entry[1:] for entry in entries if entry[0] == "+"}
    removed = {entry[1:] for entry in entries if entry[0] == "-"}
    return (before | added) - removed


def _placed(document: Document, error: Uncompiled) -> list[Fault]:
    """The faults of the file's own rules at their places, and of others at the top."""
    own = {each.rule.id: each for each in document.rules}
    found: list[Fault] = []
    for wrong in error.wrong:
        marked = own.get(wrong.rule.id)
        what = f"{wrong.part} of {wrong.rule.id}: {wrong.problem.what}"
        if marked is None:
            found.append(Fault(f"{what} (of the set {wrong.rule.origin})", wrong.problem.fix, 1, 1))
            continue
        line, column = _place(document, marked, wrong.part, wrong.problem.offset)
        found.append(Fault(what, wrong.problem.fix, line, column))
    return found


def _place(document: Document, marked: Marked, part: str, offset: int) -> tuple[int, int]:
    return place_in(document.source, marked.places[part], offset)


def _idle_limits(document: Document, book: Book) -> list[Fault]:
    """Limits that no rule reads: most often a slip of the pen that would leave the shipped number in force."""
    read = {name for rules in book.kinds.values() for name in rules.names}
    known = {name.removeprefix("limit.") for name in read if name.startswith("limit.")}
    return [
        Fault(f"no rule reads the limit {name}", _nearest(name, known), *_find(document, name))
        for name in document.limits
        if name not in known
    ]


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"limits in use: {', '.join(sorted(known)) or 'none'}"


def _find(document: Document, name: str) -> tuple[int, int]:
    for number, line in enumerate(document.source.splitlines(), 1):
        if name in line:
            return number, line.index(name) + 1
    return 1, 1


def _slow(document: Document, book: Book) -> list[Fault]:
    """Expressions that take too long on values made to be hard for them."""
    own: Mapping[str, Marked] = {each.rule.id: each for each in document.rules}
    found: list[Fault] = []
    for rules in book.kinds.values():
        for each in rules.rules:
            marked = own.get(each.rule.id)
            if marked is None:
                continue
            for part, expression in (("assert", each.asserts), ("when", each.when)):
                if expression is None:
                    continue
                took = rules.language.slow(expression)
                if took > SLOWEST_S:
                    took_ms, most_ms = round(took * 1000), round(SLOWEST_S * 1000)
                    what = f"{part} of {each.rule.id} can take {took_ms} ms; {most_ms} ms are the most"
                    line, column = _place(document, marked, part, 0)
                    found.append(Fault(what, "search for less, or split it into several rules", line, column))
    return found
