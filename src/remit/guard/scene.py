"""What the checks of one admission look at, and what they leave for the attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from remit.accounts.agents import Agent
from remit.accounts.budgets import BudgetScope
from remit.accounts.kills import KillScope
from remit.guard.circuits import Circuits, Lease
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict
from remit.kernel.usage import UnknownPrice
from remit.redact.redactor import Redactor


@dataclass(frozen=True, slots=True)
class Standing:
    """Who may act in a workspace right now, as read at ``read_at`` (monotonic seconds).

    ``over`` says of each scope that is spent beyond its limit how it stands, in a sentence.
    """

    owner: str | None
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    kills: dict[tuple[KillScope, str], str] = field(default_factory=dict[tuple[KillScope, str], str])
    over: Mapping[tuple[BudgetScope, str], str] = field(default_factory=dict[tuple[BudgetScope, str], str])
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
    unknown_price: UnknownPrice = UnknownPrice.REFUSE
    spent_ns: list[int] = field(default_factory=list[int])  # by each check so far


def allowed(name: str) -> Check:
    """The verdict of a check that found nothing; each check has one, shared, so that it is known by identity."""
    return Check(name, Verdict.ALLOW, "ok")


def denied(name: str, reason: str, detail: str) -> Check:
    """The verdict that ends the list. ``detail`` is a sentence for people, free of secrets."""
    return Check(name, Verdict.DENY, reason, detail)
