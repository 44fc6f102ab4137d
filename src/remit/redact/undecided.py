r"""Where a text ends inside something that may still become a secret: what a stream has to hold back.

For each rule the automaton of its pattern is built (Glushkov 1961) and run *backwards* from the end of the text: the
first place at which a match's secret may have begun, without the match being over, is where holding back starts. On
prose that is the current word. The automaton reads a little more than the pattern (counted repeats are unlimited, edges
such as ``\b`` always hold): it may hold back too much, never too little. It is made deterministic while it runs, so
that a character costs one look-up.

Rules fall into groups by how far back a match may begin: in ``NARROW`` bytes, in the widest limited pattern's, without
limit (those begin with a head, a literal, and a text rarely ends inside one).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from remit.redact.engine_keywords import KeywordEngine
from remit.redact.pack import chosen
from remit.redact.pattern import Byte, Choice, Edge, Group, Node, Repeat, parse
from remit.redact.pattern import Sequence as Row
from remit.redact.rules import REACH, Rule, shape
from remit.redact.settled import looks_ahead, settled

NARROW = 256
_EDGE = 6  # places before a secret that say only that a word begins there
_MOST_STATES = 20_000


@dataclass(slots=True)
class _Part:
    """A node of a pattern as an automaton: places that can come first and last, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """One byte of a pattern: what it may be, and which places may stand before it.

    ``begins``: a secret may begin here. ``open``: a text may end here with the match undecided.
    """

    of: frozenset[int]
    before: frozenset[int]
    begins: bool
    open: bool


class _Builder:
    """Glushkov's construction over one pattern."""

    def __init__(self) -> None:
        self.of: list[frozenset[int]] = []
        self.after: list[set[int]] = []
        self.before: list[set[int]] = []
        self.groups: list[tuple[_Part, bool]] = []  # each group, and whether every match passes it
        self.edged: set[int] = set()  # places after which a condition looks at the next byte

    def part(self, node: Node, *, sure: bool = True) -> _Part:
        match node:
            case Byte():
                self.of.append(node.of)
                self.after.append(set())
                self.before.append(set())
                only = frozenset({len(self.of) - 1})
                return _Part(only, only, empty=False)
            case Edge():
                return _Part(frozenset(), frozenset(), empty=True)
            case Group():
                at = len(self.groups)
                self.groups.append((_Part(frozenset(), frozenset(), empty=True), sure))
                inside = self.part(node.inside, sure=sure)
                self.groups[at] = (inside, sure)
                return inside
            case Row():
                return self.row(node.parts, sure=sure)
            case Choice():
                parts = [self.part(each, sure=False) for each in node.branches]
                return _Part(
                    frozenset[int]().union(*(each.first for each in parts)),
                    frozenset[int]().union(*(each.last for each in parts)),
                    empty=any(each.empty for each in parts),
                )
            case Repeat():
                return self.repeat(node, sure=sure)

    def row(self, parts: Sequence[Node], *, sure: bool) -> _Part:
        first: frozenset[int] = frozenset()
        last: frozenset[int] = frozenset()
        empty = True
        for node in parts:
            part = self.part(node, sure=sure)
            if isinstance(node, Edge):
                self.edged |= last
            self.link(last, part.first)
            first = first | part.first if empty else first
            last = last | part.last if part.empty else part.last
            empty = empty and part.empty
        return _Part(first, last, empty=empty)

    def repeat(self, node: Repeat, *, sure: bool) -> _Part:
        if node.most == 0:
            return _Part(frozenset(), frozenset(), empty=True)
        part = self.part(node.what, sure=sure and node.least > 0)
        if node.most is None or node.most > 1:
            self.link(part.last, part.first)
        return _Part(part.first, part.last, empty=part.empty or node.least == 0)

    def link(self, last: Iterable[int], first: Iterable[int]) -> None:
        ahead = tuple(first)
        for each in last:
            self.after[each].update(ahead)
            for other in ahead:
                self.before[other].add(each)


def _secret_first(builder: _Builder, whole: _Part, group: int) -> frozenset[int]:
    """The places at which the secret of a match may begin: that of its group, or of the match where that may fail."""
    asked = builder.groups[group - 1 : group] if group else builder.groups[:1]
    if asked and asked[0][1] and not asked[0][0].empty:
        return asked[0][0].first
    return whole.first.union(*(part.first for part, _ in builder.groups))


@cache
def _places(pattern: str, group: int, *, from_match: bool) -> tuple[_Place, ...]:
    """The automaton of a pattern from its secret on; ``from_match``: from the beginning of the match on."""
    builder = _Builder()
    whole = builder.part(parse(pattern))
    secret = _secret_first(builder, whole, group)
    inside = _reached(builder, secret)
    before = _reached(builder, whole.first) - inside
    begins = whole.first if from_match and len(before) > _EDGE else secret
    kept = _reached(builder, begins)
    number = {place: at for at, place in enumerate(sorted(kept))}
    return tuple(
        _Place(
            builder.of[place],
            frozenset(number[each] for each in builder.before[place] if each in kept),
            begins=place in begins,
            open=place in inside and bool(builder.after[place] or place in builder.edged),
        )
        for place in sorted(kept)
    )


def _reached(builder: _Builder, start: Iterable[int]) -> set[int]:
    found = set(start)
    todo = list(found)
    while todo:
        ahead = builder.after[todo.pop()] - found
        found |= ahead
        todo += ahead
    return found


class _Backwards:
    """Several automata run at once, from the end of a text to its front. Any thread may use it."""

    def __init__(self, automata: Iterable[tuple[_Place, ...]]) -> None:
        self._places: list[_Place] = []
        for automaton in dict.fromkeys(automata):
            base = len(self._places)
            self._places += [
                _Place(each.of, frozenset(base + at for at in each.before), begins=each.begins, open=each.open)
                for each in automaton
            ]
        self._ends = frozenset(at for at, each in enumerate(self._places) if each.open)
        self._lock = threading.Lock()
        self._table = _Table(self._ends)

    def begin(self, data: bytes, floor: int) -> int:
        """The first place, from ``floor`` on, at which something begins that reaches the end; ``len(data)`` if none."""
        found = len(data)
        table = self._table
        steps = table.steps
        state = 1
        for at in range(len(data) - 1, floor - 1, -1):
            step = steps[state].get(data[at])
            if step is None:
                step = self._step(table, state, data[at])
            if step & 1:
                found = at
            state = step >> 1
            if not state:
                break
        return found

    def _step(self, table: _Table, state: int, byte: int) -> int:
        """Where reading ``byte`` leads, times two, and one more when something begins with it."""
        with self._lock:
            if len(table.states) > _MOST_STATES and table is self._table:
                self._table = _Table(self._ends)  # for the next walk; this one goes on with its own
            read = [at for at in table.states[state] if byte in self._places[at].of]
            ahead = frozenset[int]().union(*(self._places[at].before for at in read))
            step = table.number(ahead) << 1 | any(self._places[at].begins for at in read)
            table.steps[state][byte] = step
            return step


class _Table:
    """Sets of places as numbered states, 0 for none and 1 for the end of the text, and what is known to follow each."""

    __slots__ = ("numbers", "states", "steps")

    def __init__(self, ends: frozenset[int]) -> None:
        self.numbers: dict[frozenset[int], int] = {frozenset(): 0, ends: 1}
        self.states: list[frozenset[int]] = [frozenset(), ends]
        self.steps: list[dict[int, int]] = [{}, {}]

    def number(self, places: frozenset[int]) -> int:
        """The number of a set of places, a new one when needed."""
        number = self.numbers.setdefault(places, len(self.states))
        if number == len(self.states):
            self.states.append(places)
            self.steps.append({})
        return number


class Undecided:
    """What some rules may still find at the end of a text.

    Attributes:
        behind: How many bytes before a secret may have a say in whether it is one.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        groups: dict[str, list[Rule]] = {"narrow": [], "wide": [], "open": []}
        widest = NARROW
        for rule in rules:
            most = shape(rule).most
            groups["open" if most is None else "narrow" if most <= NARROW else "wide"].append(rule)
            widest = max(widest, most or 0)
        self.behind = widest + REACH
        self._open = tuple(groups["open"])
        self._groups = [
            (
                _Backwards(_places(rule.pattern, rule.group, from_match=False) for rule in chosen),
                _Backwards(_places(rule.pattern, rule.group, from_match=True) for rule in chosen),
                {"narrow": NARROW, "wide": widest}.get(name),
            )
            for name, chosen in groups.items()
            if chosen
        ]
        self._any = _Backwards(_places(rule.pattern, rule.group, from_match=True) for rule in rules)
        ahead = [rule for rule in rules if _looks_ahead(rule)]
        self._ahead = KeywordEngine([_unjudged(rule) for rule in ahead])
        self._judges = [rule.judge if looks_ahead(rule.judge) else _LINE for rule in ahead]

    def begin(self, text: str, floor: int, *, judged: bool = True) -> int:
        """The first character, from ``floor`` on, of what may still become a secret; ``len(text)`` if none.

        That is a match that isn't over, or one whose judge or allowlist may look at text that isn't there yet
        (left out without ``judged``).
        """
        data = text.encode("utf-8", "surrogatepass")
        plain = len(data) == len(text)
        low = floor if plain else len(text[:floor].encode("utf-8", "surrogatepass"))
        first = self._matches(data, low)
        if judged:
            first = min(first, self._judged_later(data, low))
        return first if plain else len(data[:first].decode("utf-8", "ignore"))

    def word(self, data: bytes, floor: int) -> int | None:
        """A place from which on holding back is enough, judges aside, if it lies in the last word; in bytes.

        It may lie before what ``begin`` gives, never behind. ``None``: only ``begin`` can tell.
        """
        found = self._any.begin(data, floor)
        return found if data.find(b" ", found) < 0 and data.find(b"\n", found) < 0 else None

    def kind(self, text: str, start: int) -> str:
        """The kind of the unlimited rule whose match holds back everything from ``start`` on."""
        data = text.encode("utf-8", "surrogatepass")
        low = len(text[:start].encode("utf-8", "surrogatepass"))
        for rule in self._open:
            alone = _Backwards([_places(rule.pattern, rule.group, from_match=True)])
            if alone.begin(data, 0) <= low:
                return rule.kind
        return UNKNOWN

    def _matches(self, data: bytes, low: int) -> int:
        first = size = len(data)
        for secrets, matches, most in self._groups:
            reach = low if most is None else max(low, size - most)
            found = secrets.begin(data, reach)
            if found < first:  # the secret's beginning stands there: does the match's as well?
                found = max(found, matches.begin(data, 0 if most is None else max(0, size - most)))
            first = min(first, found)
        return first

    def _judged_later(self, data: bytes, low: int) -> int:
        """The first match whose judge may still say something else."""
        if not self._judges:
            return len(data)
        front = max(0, low - self.behind)
        part = data[front:]
        hits = self._ahead.find(part)
        if not hits:
            return len(data)
        text = part.decode("latin-1")
        return min(
            (
                front + start
                for index, start, end in hits
                if front + start >= low and not settled(self._judges[index], text, start, end)
            ),
            default=len(data),
        )


UNKNOWN = "token"

_LINE = "line"  # an allowlist that looks at the whole line: settled as an unknown judge


def _looks_ahead(rule: Rule) -> bool:
    return looks_ahead(rule.judge) or any(allow.target == "line" for allow in rule.allow)


def _unjudged(rule: Rule) -> Rule:
    """The rule without what looks behind the match."""
    return replace(rule, judge="", allow=tuple(each for each in rule.allow if each.target != "line"))


@cache
def undecided(tier: int) -> Undecided:
    """The one of this process for the rules of a tier."""
    return Undecided(chosen(tier, personal=False))
