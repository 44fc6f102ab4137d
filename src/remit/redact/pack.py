"""The rules as they are shipped: the pack unedited, what we change in it, our own, and personal data; all TOML.

``data/gitleaks.toml`` is the rule file of the gitleaks project (MIT, see ``SOURCE``); ``overlay.toml`` amends it by
id, ``own.toml`` adds rules, ``personal.toml`` adds patterns of personal data. Reading them takes some 15 ms; a rule's
pattern is read when it is first needed, and ``lint`` reads all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import cast

from remit.kernel.errors import InvalidInput
from remit.redact.pattern import parse
from remit.redact.personal.national import kinds as personal_kinds
from remit.redact.rules import Allow, Rule, judge, shape
from remit.redact.span import REGISTERED


@dataclass(frozen=True, slots=True)
class Source:
    """Where carried data comes from."""

    project: str
    commit: str
    path: str
    licence: str
    sha256: str


SOURCE = Source(
    project="gitleaks",
    commit="b58d3f102cf3a2c84cb7f923d05c25c9b1aed84b",
    path="config/gitleaks.toml",
    licence="MIT",
    sha256="e163e53b9e7e8a8511e77271e2b323ed057759542a6d988258afe3a1fa329caf",
)

type Table = Mapping[str, object]

_FIELDS = frozenset(
    [
        *("id", "kind", "description", "regex", "keywords", "entropy", "secretGroup", "allowlists", "path", "tags"),
        *("tier", "judge", "head", "replaces", "disabled", "personal"),
    ]
)


@cache
def shipped() -> tuple[Rule, ...]:
    """Every rule, Remit's own first: where two find the same span, the first names it."""
    own, overlay, pack, personal = (_read(name) for name in ("own", "overlay", "gitleaks", "personal"))
    mine = [rule for row in _rows(own) if (rule := rule_of(row)) is not None]
    mine += [rule for row in _rows(personal) if (rule := rule_of({"personal": True, **row})) is not None]
    rows = merged(_rows(pack), _rows(overlay), replaced=_replaced((*_rows(own), *_rows(personal))))
    shared = _shared_allow(pack, overlay)
    theirs = [rule for row in rows if (rule := rule_of(row, shared=shared)) is not None]
    return unique((*mine, *theirs))


def chosen(tier: int, personal: bool = False) -> tuple[Rule, ...]:  # noqa: FBT001, FBT002 - the second word of a pair
    """The rules of ``tier`` and of those before it; with ``personal`` also those of personal data."""
    return _chosen(tier, personal)


@cache
def _chosen(tier: int, personal: bool) -> tuple[Rule, ...]:  # noqa: FBT001 - for the cache's sake
    return tuple(rule for rule in shipped() if rule.tier <= tier and (personal or not rule.personal))


@cache
def kinds() -> tuple[str, ...]:
    """Every kind that a span may have, registered values included."""
    return tuple(dict.fromkeys([REGISTERED, *(rule.kind for rule in shipped()), *personal_kinds()]))


def lint(rules: Iterable[Rule]) -> None:
    """Read every pattern, head, allowlist and judge now.

    Raises:
        InvalidInput: One can't be read, or is unlimited without a usable head (``redact.pattern``,
            ``redact.unlimited``, ``redact.judge``).
    """
    for rule in rules:
        shape(rule)
        for allow in rule.allow:
            for pattern in allow.patterns:
                parse(pattern)
        if rule.judge:
            judge(rule.judge)


def parsed(text: str) -> tuple[Rule, ...]:
    """The rules of one TOML text, linted.

    Raises:
        InvalidInput: As ``lint`` and ``rule_of``.
    """
    rules = unique(rule for row in _rows(tomllib.loads(text)) if (rule := rule_of(row)) is not None)
    lint(rules)
    return rules


def rule_of(row: Table, *, shared: tuple[tuple[Allow, frozenset[int]], ...] = ()) -> Rule | None:
    """One row as a rule; ``None`` for one that is disabled or looks at file names alone.

    Raises:
        InvalidInput: An unknown field, a missing one, or a tier other than 1 and 2 (``redact.rule``).
    """
    name = str(row.get("id", "?"))
    if row.get("disabled"):
        return None
    if unknown := sorted(row.keys() - _FIELDS):
        raise InvalidInput(f"the rule {name!r} has an unknown field: {', '.join(unknown)}", code="redact.rule")
    if "regex" not in row:
        if "path" in row:
            return None
        raise InvalidInput(f"the rule {name!r} has no regex", code="redact.rule")
    tier = _number(row, "tier", 1)
    if tier not in (1, 2):
        raise InvalidInput(f"the rule {name!r} has tier {tier}: it is 1 or 2", code="redact.rule")
    allow = tuple(found for each in _allowlists(row) if (found := _allow(each)) is not None)
    if row.get("allowlists") != "none":
        allow += tuple(each for each, tiers in shared if tier in tiers)
    return Rule(
        id=name,
        kind=str(row.get("kind", name)),
        pattern=str(row["regex"]),
        keywords=tuple(each.lower() for each in _texts(row, "keywords")),
        tier=int(tier),
        entropy=_number(row, "entropy", 0),
        group=int(_number(row, "secretGroup", 0)),
        judge=str(row.get("judge", "")),
        head=str(row.get("head", "")),
        allow=allow,
        personal=bool(row.get("personal")),
    )


def merged(pack: Iterable[Table], overlay: Iterable[Table], *, replaced: frozenset[str]) -> list[Table]:
    """The pack's rows, amended by the overlay's of the same id; those that another rule replaces are left out.

    Raises:
        InvalidInput: The overlay amends, or a rule replaces, what the pack doesn't have (``redact.rule``).
    """
    rows = {str(row["id"]): row for row in pack}
    changes = {str(row.get("id", "?")): row for row in overlay}
    for name in (*changes, *replaced):
        if name not in rows:
            raise InvalidInput(f"the pack has no rule {name!r}", code="redact.rule", hint="name a rule of the pack")
    return [{**row, **changes.get(name, {})} for name, row in rows.items() if name not in replaced]


def unique(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules, in order.

    Raises:
        InvalidInput: Two have one id (``redact.rule``).
    """
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in found:
            raise InvalidInput(f"there are two rules {rule.id!r}", code="redact.rule", hint="rename one")
        found[rule.id] = rule
    return tuple(found.values())


def _read(name: str) -> Table:
    place = resources.files("remit.redact") / "data" / f"{name}.toml"
    return tomllib.loads(place.read_text("utf-8")) if place.is_file() else {}


def _rows(table: Table) -> list[Table]:
    return cast("list[Table]", table.get("rules", []))


def _replaced(rows: Iterable[Table]) -> frozenset[str]:
    return frozenset(name for row in rows for name in _texts(row, "replaces"))


def _allowlists(row: Table) -> list[Table]:
    found = row.get("allowlists", [])
    return [] if found == "none" else cast("list[Table]", found)


def _allow(row: Table) -> Allow | None:
    """An allowlist as far as it looks at text: one that also asks for a path never holds here."""
    patterns, words = _texts(row, "regexes"), tuple(each.lower() for each in _texts(row, "stopwords"))
    every = str(row.get("condition", "OR")).upper() in ("AND", "&&")
    if not (patterns or words) or (every and _texts(row, "paths")):
        return None
    return Allow(str(row.get("regexTarget", "secret")), patterns, words, every)


def _shared_allow(pack: Table, overlay: Table) -> tuple[tuple[Allow, frozenset[int]], ...]:
    """The pack's allowlist for all rules, without what the overlay drops, for the tiers that it names."""
    change = cast("Table", overlay.get("allowlist", {}))
    given = cast("Table", pack.get("allowlist", {}))
    kept = [each for each in _texts(given, "regexes") if each not in _texts(change, "drop")]
    allow = _allow({**given, "regexes": kept})
    tiers = cast("list[int]", change.get("tiers", [1, 2]))
    return () if allow is None else ((allow, frozenset(tiers)),)


def _texts(row: Table, name: str) -> tuple[str, ...]:
    return tuple(cast("list[str]", row.get(name, ())))


def _number(row: Table, name: str, default: float) -> float:
    return cast("float", row.get(name, default))
