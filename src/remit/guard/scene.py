"""What the checks of one admission look at, and what they leave for the attempt."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.accounts.agents import Agent
from remit.accounts.break_glass import Grant
from remit.accounts.budgets import BudgetScope
from remit.accounts.cedar_revisions import CedarRevision
from remit.accounts.kills import KillScope
from remit.guard.circuits import Circuits, Lease
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict
from remit.redact.redactor import Redactor


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account: their rights in the workspace, and in each of their teams (``accounts.roles``)."""

    rights: int
    teams: dict[str, int] = field(default_factory=dict[str, int])
    role: str = ""
    granted: int = 0
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Who may act in a workspace right now, as read at ``read_at`` (monotonic seconds).

    ``over`` names the budgets that are spent beyond their limit, ``people`` everybody who has rights here by id,
    ``policies`` the custom ones in force, ``grants`` the break-glass that is open.
    """

    owner: str | None
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    kills: dict[tuple[KillScope, str], str] = field(default_factory=dict[tuple[KillScope, str], str])
    pauses: dict[tuple[KillScope, str], str] = field(default_factory=dict[tuple[KillScope, str], str])
    policies: tuple[CedarRevision, ...] = ()
    grants: tuple[Grant, ...] = ()
    over: frozenset[tuple[BudgetScope, str]] = frozenset()
    read_at: float = 0.0


@dataclass(slots=True)
class Scene:
    """One admission. ``performed`` is the action as the adapter gets it (masked where it is read)."""

    standing: Standing
    redactor: Redactor
    circuits: Circuits
    kinds: frozenset[str]
    performed: Action
    lease: Lease | None = None
    grants: list[Grant] = field(default_factory=list[Grant])  # what break-glass lifted: used with the intent
    spent_ns: list[int] = field(default_factory=list[int])  # by each check so far


def allowed(name: str) -> Check:
    """The verdict of a check that found nothing; each check has one, shared, so that it is known by identity."""
    return Check(name, Verdict.ALLOW, "ok")


def denied(name: str, reason: str, detail: str) -> Check:
    """The verdict that ends the list. ``detail`` is a sentence for people, free of secrets."""
    return Check(name, Verdict.DENY, reason, detail)
