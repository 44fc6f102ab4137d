"""A rule file: what it says, and what it comes to once the shipped sets and their numbers are filled in.

use: [trading, deployment]        # shipped sets; all of them when left out, none with []
without: [deploy.smoke]           # rules of these sets that do not hold here
limits: {leverage: 1.5}           # numbers of these sets, and new ones, read as limit.leverage
lists: {fetch.allow: [+python.org]}
critics: [bias]                   # more evidence.NAME
findings: [licence]               # more findings_of.NAME
rules:
  - {id: ..., on: ..., when: ..., assert: ..., else: deny, message: ..., fix: ...}
tests: [...]                      # see ``cases``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import orjson

from remit.guard.rules.marked import Node, Scalar
from remit.kernel.canonical import Json, canonical

FORMAT = 1


class Otherwise(StrEnum):
    """What a rule that does not hold leads to, the mildest first."""

    WARN = "warn"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """Larger is stronger."""
        return list(Otherwise).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold. ``when`` is empty for always; ``origin`` is the shipped set it comes from, or empty."""

    id: str
    on: tuple[str, ...]
    asserts: str
    otherwise: Otherwise
    message: str
    when: str = ""
    fix: str = ""
    origin: str = ""

    def as_json(self) -> dict[str, Json]:
        """As stored and shown, with the keys of a rule file."""
        return {
            "id": self.id,
            "on": list(self.on),
            "when": self.when,
            "assert": self.asserts,
            "else": self.otherwise.value,
            "message": self.message,
            "fix": self.fix,
            "set": self.origin,
        }


@dataclass(frozen=True, slots=True)
class Resolved:
    """Rules with everything that they need, nothing referred to: what a revision keeps."""

    rules: tuple[Rule, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    critics: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """As stored and shown."""
        return {
            "format": FORMAT,
            "rules": [rule.as_json() for rule in self.rules],
            "limits": dict(sorted(self.limits.items())),
            "lists": {name: sorted(each) for name, each in sorted(self.lists.items())},
            "critics": sorted(self.critics),
            "findings": sorted(self.findings),
        }

    def text(self) -> str:
        """The canonical form, which is hashed."""
        return canonical(self.as_json()).decode()


@dataclass(frozen=True, slots=True)
class Marked:
    """A rule with the places of its parts, for whoever judges the file."""

    rule: Rule
    places: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Document:
    """A rule file as read: well formed, its expressions not yet compiled."""

    name: str
    source: str
    use: tuple[str, ...]
    without: tuple[tuple[str, Scalar], ...]
    limits: Mapping[str, float]
    lists: Mapping[str, tuple[str, ...]]
    critics: tuple[str, ...]
    findings: tuple[str, ...]
    rules: tuple[Marked, ...]
    tests: tuple[Node, ...]


def resolved_from(text: str) -> Resolved:
    """What ``Resolved.text`` wrote.

    Raises:
        ValueError, KeyError, TypeError: It is something else.
    """
    told = orjson.loads(text)
    if told["format"] != FORMAT:
        message = f"rules of format {told['format']!r} are of a newer Remit"
        raise ValueError(message)
    return Resolved(
        rules=tuple(_rule(each) for each in told["rules"]),
        limits={str(name): float(value) for name, value in told["limits"].items()},
        lists={str(name): frozenset(map(str, each)) for name, each in told["lists"].items()},
        critics=tuple(told["critics"]),
        findings=tuple(told["findings"]),
    )


def _rule(told: Mapping[str, object]) -> Rule:
    return Rule(
        id=str(told["id"]),
        on=tuple(cast("list[str]", told["on"])),
        asserts=str(told["assert"]),
        otherwise=Otherwise(str(told["else"])),
        message=str(told["message"]),
        when=str(told["when"]),
        fix=str(told["fix"]),
        origin=str(told["set"]),
    )
