"""What changes from one revision of the rules to another, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.guard.rules.document import Resolved, Rule
from remit.kernel.canonical import Json


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. ``what`` is ``rule``, ``limit`` or ``list``; an empty ``before`` or ``after`` is none."""

    what: str
    name: str
    field: str
    before: str
    after: str

    @property
    def how(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        if not self.before and not self.field:
            return "added"
        return "removed" if not self.after and not self.field else "changed"

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy diff --json``."""
        return {
            "how": self.how,
            "what": self.what,
            "name": self.name,
            "field": self.field,
            "before": self.before,
            "after": self.after,
        }

    def told(self) -> str:
        """For people."""
        match self.how:
            case "added":
                return f"+ {self.what} {self.name}: {self.after}"
            case "removed":
                return f"- {self.what} {self.name}: {self.before}"
            case _:
                at = f" {self.field}" if self.field else ""
                return f"~ {self.what} {self.name}{at}: {self.before or '(none)'} -> {self.after or '(none)'}"


def differences(before: Resolved, after: Resolved) -> tuple[Change, ...]:
    """Every rule, limit and list that differs, by name."""
    old, new = _rules(before), _rules(after)
    found: list[Change] = []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(Change("rule", name, "", _line(old[name]), ""))
        elif name not in old:
            found.append(Change("rule", name, "", "", _line(new[name])))
        else:
            found += _fields(old[name], new[name])
    limits = {name: f"{value:.12g}" for name, value in before.limits.items()}
    found += _named("limit", limits, {name: f"{value:.12g}" for name, value in after.limits.items()})
    lists = {name: " ".join(sorted(each)) for name, each in before.lists.items()}
    found += _named("list", lists, {name: " ".join(sorted(each)) for name, each in after.lists.items()})
    return tuple(found)


def _rules(resolved: Resolved) -> dict[str, Rule]:
    return {rule.id: rule for rule in resolved.rules}


def _fields(before: Rule, after: Rule) -> list[Change]:
    old, new = before.as_json(), after.as_json()
    return [
        Change("rule", before.id, field, _text(old[field]), _text(new[field]))
        for field in old
        if old[field] != new[field]
    ]


def _named(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        Change(
            what,
            name,
            "" if name not in before or name not in after else "value",
            before.get(name, ""),
            after.get(name, ""),
        )
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _line(rule: Rule) -> str:
    when = f" when {' '.join(rule.when.split())}" if rule.when else ""
    return f"{' '.join(rule.on)}{when}: {' '.join(rule.asserts.split())}, else {rule.otherwise.value}"


def _text(value: Json) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else " ".join(str(value).split())
