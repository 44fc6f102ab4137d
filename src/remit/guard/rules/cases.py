"""Tests of rules, in YAML: a given action and what the rules must make of it.

tests:
  - name: leverage over 2 is denied
    kind: order
    target: broker
    payload: {mode: paper, leverage: 2.5, stop_loss: 95.0, position_size: 0.05, daily_loss: 0.0}
    evidence: [backtest, walk_forward]   # critics that passed
    failed: [review]                     # critics that did not
    findings: [{kind: vulnerability, severity: critical}]
    estimate_usd: 0.5
    agent: {name: trader, kind: trader, team: desk}
    at: 2026-01-05T14:00:00Z
    environment: production
    read: {score: 0.9, place: "fetched https://example.com/", outside: true, source: fetched}  # by the mission
    expect: deny                         # allow | warn | require_approval | deny
    rules: [trade.leverage]              # exactly those that do not hold; any when left out
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from remit.accounts.agents import Agent
from remit.guard.evidence import Evidence
from remit.guard.provenance import Taint
from remit.guard.rules.book import Book, Broken
from remit.guard.rules.document import Document, Otherwise
from remit.guard.rules.faults import Fault, refuse
from remit.guard.rules.marked import Listing, Mapped, Node, Scalar
from remit.guard.rules.variables import KINDS, Setting, read, read_evidence
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.effects import (
    Command,
    Deploy,
    Effect,
    Fetch,
    Model,
    Network,
    Notify,
    Order,
    Publish,
    Tool,
    WriteFiles,
)
from remit.kernel.errors import RemitError
from remit.kernel.finding import Finding, Severity
from remit.kernel.money import usd

ALLOW = "allow"
EXPECTED = (ALLOW, *(each.value for each in Otherwise))

_KEYS = (
    "name",
    "kind",
    "target",
    "payload",
    "evidence",
    "failed",
    "findings",
    "estimate_usd",
    "agent",
    "at",
    "environment",
    "read",
    "expect",
    "rules",
)
_WORKSPACE, _MISSION = "tests", "m"
_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True)
class Case:
    """One test: an action in its setting, and what is expected."""

    name: str
    line: int
    action: Action
    setting: Setting
    expect: str
    rules: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What rules made of a case."""

    case: Case
    got: str
    broken: tuple[Broken, ...]

    @property
    def passed(self) -> bool:
        """Whether it is what was expected."""
        named = {each.rule.id for each in self.broken}
        return self.got == self.case.expect and (self.case.rules is None or set(self.case.rules) == named)

    def as_json(self) -> dict[str, Json]:
        """For ``remit policy test --json``."""
        return {
            "name": self.case.name,
            "line": self.case.line,
            "passed": self.passed,
            "expected": self.case.expect,
            "got": self.got,
            "rules": sorted({each.rule.id for each in self.broken}),
            "expected_rules": None if self.case.rules is None else sorted(self.case.rules),
        }


def cases_of(document: Document) -> tuple[Case, ...]:
    """The tests of a rule file.

    Raises:
        InvalidInput: One is not well formed; with place, caret and fix.
    """
    faults: list[Fault] = []
    found = [_case(node, faults) for node in document.tests]
    if faults:
        refuse(faults, document.source, name=document.name)
    return tuple(case for case in found if case is not None)


def run_case(case: Case, book: Book) -> Tried:
    """Judge a case by the rules of ``book``."""
    setting = case.setting._replace(lists=book.resolved.lists)
    facts = read(case.action, setting, arguments=book.arguments)
    facts |= read_evidence(setting.evidence or {}, book.critics, book.findings)
    broken = book.judge(case.action.kind, facts, mask=str)
    return Tried(case, strongest(broken), broken)


def strongest(broken: tuple[Broken, ...]) -> str:
    """What it comes to: ``allow`` when every rule held."""
    return max((each.leads_to for each in broken), key=lambda each: each.rank).value if broken else ALLOW


def _case(node: Node, faults: list[Fault]) -> Case | None:
    def fault(at: Node, what: str, fix: str) -> None:
        faults.append(Fault(what, fix, at.line, at.column))

    if not isinstance(node, Mapped):
        fault(node, "a test is a mapping", "write {name: ..., kind: ..., payload: {...}, expect: deny}")
        return None
    for key, place in node.keys.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            fault(
                place, f"{key[:40]!r} means nothing in a test", f"did you mean {near[0]}?" if near else ", ".join(_KEYS)
            )
    told = cast("dict[str, Json]", plain(node))
    for key, known in (("kind", KINDS), ("expect", EXPECTED)):
        if told.get(key) not in known:
            near = difflib.get_close_matches(str(told.get(key)), known, 1)
            fix = f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
            fault(node.items.get(key, node), f"{key} can't be {str(told.get(key))[:40]!r}", fix)
    if faults:
        return None
    try:
        return _made(told, node.line)
    except (KeyError, TypeError, ValueError, AttributeError, RemitError) as error:
        what = f"the {told['kind']} can't be made: {type(error).__name__} {error}"
        fault(node.items.get("payload", node), what, "see the fields of each kind in docs/rules.md")
        return None


def _made(told: Mapping[str, Json], line: int) -> Case:
    agent = cast("Mapping[str, str]", told.get("agent") or {})
    who = Principal(ActorKind.AGENT, agent.get("name", "tester"))
    effect = _EFFECTS[str(told["kind"])](
        str(told.get("target", "")), cast("Mapping[str, Json]", told.get("payload") or {})
    )
    action = Action(
        id="test",
        effect=effect,
        principal=who,
        on_behalf_of=Principal(ActorKind.USER, "owner"),
        workspace=_WORKSPACE,
        mission=_MISSION,
        estimate=usd(str(told.get("estimate_usd", 0))),
    )
    known = Agent(_WORKSPACE, who.id, "owner", agent.get("kind", "coder"), agent.get("team", ""))
    at = told.get("at")
    setting = Setting(
        agents={who.id: known},
        at=datetime.fromisoformat(str(at)) if at else _NOON,
        environment=str(told.get("environment", "development")),
        evidence=_evidence(told),
        taint=_taint(cast("Mapping[str, Json]", told.get("read") or {})),
        robots=str(cast("Mapping[str, Json]", told.get("payload") or {}).get("robots", "unknown")),
    )
    rules = cast("list[str] | None", told.get("rules"))
    return Case(
        name=str(told.get("name", f"line {line}")),
        line=line,
        action=action,
        setting=setting,
        expect=str(told["expect"]),
        rules=None if rules is None else tuple(rules),
    )


def _taint(told: Mapping[str, Json]) -> Taint:
    return Taint(
        score=float(cast("float", told.get("score", 0.0))),
        place=str(told.get("place", "")),
        signs=str(told.get("signs", "")),
        outside=told.get("outside") is True,
        source=str(told.get("source", "")),
    )


def _evidence(told: Mapping[str, Json]) -> dict[str, Evidence]:
    passed = cast("list[str]", told.get("evidence") or [])
    failed = cast("list[str]", told.get("failed") or [])
    findings = tuple(
        Finding(each["kind"], Severity(each["severity"]), "of the test")
        for each in cast("list[dict[str, str]]", told.get("findings") or [])
    )
    bearer = next(iter([*failed, *passed]), "scan" if findings else "")
    every = {
        **dict.fromkeys(passed, True),
        **dict.fromkeys(failed, False),
        **({bearer: True} if not (passed or failed) and bearer else {}),
    }
    return {
        critic: Evidence(_WORKSPACE, _MISSION, critic, "", holds, findings if critic == bearer else (), "test", 0)
        for critic, holds in every.items()
    }


def _texts(value: Json | None) -> list[str]:
    return [str(each) for each in cast("list[Json]", value or [])]


def _named(value: Json | None) -> dict[str, str]:
    return {str(name): str(each) for name, each in cast("Mapping[str, Json]", value or {}).items()}


_EFFECTS: Mapping[str, Callable[[str, Mapping[str, Json]], Effect]] = {
    "files": lambda _, p: WriteFiles(
        {path: text.encode() for path, text in _named(p.get("files")).items()},
        tuple(_texts(p.get("delete"))),
        frozenset(_texts(p.get("executable"))),
    ),
    "command": lambda _, p: Command(
        tuple(_texts(p["argv"])), _named(p.get("env")), network=Network(str(p.get("network", "none")))
    ),
    "fetch": lambda _, p: Fetch(
        str(p["url"]), str(p.get("method", "GET")), _named(p.get("headers")), int(str(p.get("depth", 0)))
    ),
    "model": lambda _, p: Model(
        str(p["provider"]), str(p["model"]), cast("Mapping[str, Json]", p.get("request") or {})
    ),
    "tool": lambda _, p: Tool(str(p["name"]), cast("Mapping[str, Json]", p.get("arguments") or {})),
    "deploy": Deploy,
    "order": Order,
    "publish": Publish,
    "notify": lambda target, p: Notify(target, str(p.get("subject", "")), str(p.get("body", ""))),
}


def plain(node: Node) -> Json:
    """A node as plain data: unquoted numbers, ``true``, ``false`` and ``null`` are what they look like."""
    if isinstance(node, Mapped):
        return {key: plain(value) for key, value in node.items.items()}
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return _scalar(node)


_WORDS: Mapping[str, Json] = {"true": True, "false": False, "null": None, "": None}
_MOST_DIGITS = 30


def _scalar(node: Scalar) -> Json:
    if not node.plain or len(node.text) > _MOST_DIGITS:
        return node.text
    if node.text in _WORDS:
        return _WORDS[node.text]
    for kind in (int, float):
        try:
            return kind(node.text)
        except ValueError:
            continue
    return node.text
