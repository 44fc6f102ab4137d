"""Who may use which secrets: allow and deny lists of a workspace. Nobody may until a rule allows it, and deny wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from sqlalchemy import bindparam, select

from remit.guard.secrets_tables import SECRET, SECRET_RULE
from remit.kernel.action import Action, ActorKind
from remit.kernel.canonical import Json
from remit.kernel.ports import ReadTx, Row

LONGEST_PATTERN = 256

_RULES = (
    select(SECRET_RULE)
    .where(SECRET_RULE.c.workspace == bindparam("of"))
    .order_by(SECRET_RULE.c.set_us, SECRET_RULE.c.id)
)
_REVISIONS = select(SECRET.c.name, SECRET.c.revision).where(SECRET.c.workspace == bindparam("of"))


class Allows(StrEnum):
    """What a rule says."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One entry of a list. Every field but ``allows`` is a pattern (``*``, ``?``); an empty one fits anything.

    ``agent`` is the name of the agent that acts; one that is not empty never fits a person.
    """

    allows: Allows
    secret: str
    agent: str = ""
    kind: str = ""
    mission: str = ""
    target: str = ""
    id: str = ""
    set_by: str = ""

    def covers(self, secret: str) -> bool:
        """Whether it is about this secret."""
        return fnmatchcase(secret, self.secret)

    def fits(self, action: Action) -> bool:
        """Whether it is about this action."""
        agent = action.principal.id if action.principal.kind is ActorKind.AGENT else ""
        pairs = ((self.agent, agent), (self.kind, action.kind), (self.mission, action.mission))
        return all(
            not pattern or fnmatchcase(value, pattern) for pattern, value in (*pairs, (self.target, action.target))
        )

    def as_json(self) -> dict[str, Json]:
        """For programs and the audit log."""
        told = {"agent": self.agent, "kind": self.kind, "mission": self.mission, "target": self.target}
        return {"rule": self.id, "effect": self.allows.value, "secret": self.secret, **told, "set_by": self.set_by}

    def __str__(self) -> str:
        told = (("agent", self.agent), ("kind", self.kind), ("mission", self.mission), ("target", self.target))
        to = ", ".join(f"{name} {pattern}" for name, pattern in told if pattern) or "everybody"
        return f"{self.allows.value} {self.secret} to {to}"


@dataclass(frozen=True, slots=True)
class SecretsInForce:
    """The rules of a workspace and the revision of each secret, as one snapshot."""

    rules: tuple[SecretRule, ...] = ()
    revisions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(dict[str, int]()))

    def refusal(self, secret: str, action: Action) -> str:
        """Why the action may not use the secret; empty when it may."""
        about = [rule for rule in self.rules if rule.covers(secret)]
        denying = next((rule for rule in about if rule.allows is Allows.DENY and rule.fits(action)), None)
        if denying is not None:
            return f"a rule says: {denying}"
        if any(rule.allows is Allows.ALLOW and rule.fits(action) for rule in about):
            return ""
        return "no rule allows it" if not about else "no rule that allows it fits this action"

    def denied(self, secret: str, action: Action) -> bool:
        """Whether a rule denies it by name: what the owner's own settings do not lift."""
        return any(rule.allows is Allows.DENY and rule.covers(secret) and rule.fits(action) for rule in self.rules)


NOTHING = SecretsInForce()


def read_in_force(tx: ReadTx, workspace: str) -> SecretsInForce:
    """The rules and revisions now."""
    rules = tuple(rule_of(row) for row in tx.rows(_RULES, {"of": workspace}))
    revisions = {row["name"]: row["revision"] for row in tx.rows(_REVISIONS, {"of": workspace})}
    return SecretsInForce(rules, revisions)


def rule_of(row: Row) -> SecretRule:
    """A row as a rule."""
    return SecretRule(
        Allows(row["effect"]),
        row["secret"],
        row["agent"],
        row["kind"],
        row["mission"],
        row["target"],
        row["id"],
        row["set_by"],
    )
