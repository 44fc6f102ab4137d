"""A revision of rules, compiled once and shared: which rules do not hold for an action, and what that leads to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from remit.guard.cel import Answer, Expression, Language, Type, Value
from remit.guard.cel_text import Problem
from remit.guard.rules.document import Otherwise, Resolved, Rule
from remit.guard.rules.tool_facts import named_in
from remit.guard.rules.variables import (
    CRITICS,
    FINDINGS,
    OF_KIND,
    evidence_types,
    fixed_types,
    is_evidence,
)
from remit.kernel.canonical import sha256_hex

LONGEST_SHOWN = 120
TOOL = "tool"
_HOLE = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_SHORT = 12
_ABSENT = object()
_MOST_HELD = 2048  # answers that are remembered; texts of at most 4 KiB each


@dataclass(frozen=True, slots=True)
class Wrong:
    """A part of a rule (``assert``, ``when``, ``message``) that can't be compiled, and where in it."""

    rule: Rule
    part: str
    problem: Problem


class Uncompiled(Exception):
    """Rules that can't be used; ``wrong`` names every part."""

    def __init__(self, wrong: list[Wrong]) -> None:
        super().__init__("; ".join(f"{each.rule.id}: {each.problem.what}" for each in wrong))
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule, ready to be asked. ``when`` is ``None`` for always."""

    rule: Rule
    asserts: Expression
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that did not hold. ``error`` tells why it could not even be asked; then it denies."""

    rule: Rule
    leads_to: Otherwise
    told: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class KindRules:
    """The rules of one kind of action, the names that they read; of these, those of facts, and the limits."""

    language: Language
    rules: tuple[Compiled, ...]
    names: tuple[str, ...]
    read: tuple[str, ...]
    limits: dict[str, Value]
    needs_evidence: bool


class Book:
    """The rules of a revision. Any number of threads may ask it.

    Raises:
        Uncompiled: A rule can't be compiled.
    """

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.sha256 = sha256_hex(resolved.text().encode())
        self.critics = tuple(sorted({*CRITICS, *resolved.critics}))
        self.findings = tuple(sorted({*FINDINGS, *resolved.findings}))
        self._limits: dict[str, Value] = {f"limit.{name}": value for name, value in resolved.limits.items()}
        self.arguments = named_in(
            text for rule in resolved.rules for text in (rule.asserts, rule.when, rule.message, rule.fix)
        )
        self._held: set[tuple[object, ...]] = set()  # what every rule held for: rules are functions of what they read
        wrong: list[Wrong] = []
        self.kinds: Mapping[str, KindRules] = MappingProxyType({kind: self._of_kind(kind, wrong) for kind in OF_KIND})
        if wrong:
            raise Uncompiled(wrong)

    def revision(self, number: int) -> str:
        """How decisions name it: number and the beginning of its hash."""
        return f"{number}-{self.sha256[:_SHORT]}"

    def types(self, kind: str) -> dict[str, Type]:
        """Every variable that rules of a kind may read."""
        return {
            **fixed_types(kind),
            **evidence_types(self.critics, self.findings),
            **dict.fromkeys(self._limits, Type.DOUBLE),
            **(dict.fromkeys(self.arguments, Type.STRING) if kind == TOOL else {}),
        }

    def needs_evidence(self, kind: str) -> bool:
        """Whether a rule of the kind reads evidence."""
        rules = self.kinds.get(kind)
        return rules is not None and rules.needs_evidence

    def values(self, kind: str, facts: Mapping[str, Value]) -> dict[str, Value]:
        """The facts and the limits that rules of the kind read."""
        rules = self.kinds[kind]
        values = {name: facts[name] for name in rules.names if name in facts}
        return values | rules.limits if rules.limits else values

    def judge(self, kind: str, facts: Mapping[str, Value], *, mask: Callable[[str], str]) -> tuple[Broken, ...]:
        """Every rule of the kind that does not hold, in the order of the file. Whatever can't be asked denies."""
        rules = self.kinds[kind]
        if not rules.rules:
            return ()
        read = [facts.get(name, _ABSENT) for name in rules.read]
        asked = (kind, *read, *map(type, read))  # 1, 1.0 and true are equal, and not the same
        if asked in self._held:
            return ()
        broken = _broken(rules, self.values(kind, facts), mask)
        if not broken:
            if len(self._held) >= _MOST_HELD:
                self._held.clear()
            self._held.add(asked)
        return broken

    def _of_kind(self, kind: str, wrong: list[Wrong]) -> KindRules:
        language = Language(self.types(kind))
        compiled: list[Compiled] = []
        names: set[str] = set()
        for rule in self.resolved.rules:
            if kind not in rule.on:
                continue
            parts = {part: _part(language, rule, part, wrong) for part in ("assert", "when")}
            self._check_message(rule, language, wrong)
            names |= set(_HOLE.findall(rule.message + rule.fix))
            for part in parts.values():
                names |= part.names if part else frozenset()
            if parts["assert"] is not None:
                compiled.append(Compiled(rule, parts["assert"], parts["when"]))
        ordered = tuple(sorted(names))
        limits = {name: self._limits[name] for name in ordered if name in self._limits}
        read = tuple(name for name in ordered if name not in limits)
        return KindRules(language, tuple(compiled), ordered, read, limits, any(map(is_evidence, ordered)))

    def _check_message(self, rule: Rule, language: Language, wrong: list[Wrong]) -> None:
        for part, text in (("message", rule.message), ("fix", rule.fix)):
            for match in _HOLE.finditer(text):
                if match[1] not in language.variables:
                    line = text[: match.start()].count("\n") + 1
                    problem = Problem(
                        f"{match[0]} is no variable here",
                        "name a variable of docs/rules.md",
                        match.start(),
                        line,
                        1,
                        "",
                    )
                    wrong.append(Wrong(rule, part, problem))


def _broken(rules: KindRules, values: Mapping[str, Value], mask: Callable[[str], str]) -> tuple[Broken, ...]:
    binding = rules.language.bind(values)
    broken: list[Broken] = []
    for each in rules.rules:
        if each.when is not None:
            applies = each.when.ask(binding)
            if not applies.holds:
                if applies.error:
                    broken.append(_unanswered(each.rule, applies))
                continue
        answer = each.asserts.ask(binding)
        if answer.error:
            broken.append(_unanswered(each.rule, answer))
        elif not answer.holds:
            broken.append(Broken(each.rule, each.rule.otherwise, filled(each.rule, values, mask=mask)))
    return tuple(broken)


def _part(language: Language, rule: Rule, part: str, wrong: list[Wrong]) -> Expression | None:
    text = rule.asserts if part == "assert" else rule.when
    if part == "when" and not text:
        return None
    compiled = language.compile(text)
    if isinstance(compiled, Expression):
        return compiled
    wrong.extend(Wrong(rule, part, problem) for problem in compiled)
    return None


def _unanswered(rule: Rule, answer: Answer) -> Broken:
    told = f"The rule could not be asked, so it refuses: {answer.error}."
    return Broken(rule, Otherwise.DENY, told, answer.error)


def filled(rule: Rule, values: Mapping[str, Value], *, mask: Callable[[str], str]) -> str:
    """The rule's message and fix with the values in their holes, masked and cut."""
    text = f"{rule.message} {rule.fix}".strip()
    return _HOLE.sub(lambda match: shown(values.get(match[1]), mask=mask), text)


def shown(value: Value | None, *, mask: Callable[[str], str]) -> str:
    """A value for people: texts masked and cut, numbers without needless digits."""
    if value is None:
        return "(no value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, int):
        return str(value)
    text = " ".join(mask(value).split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
