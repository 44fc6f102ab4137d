"""What the checks of one admission look at, and what they leave for the attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from remit.accounts.agents import Agent
from remit.accounts.break_glass import Grant
from remit.accounts.budgets import BudgetScope
from remit.accounts.cedar_revisions import CedarRevision
from remit.accounts.gateway_policy import NOTHING as NO_GATEWAY
from remit.accounts.gateway_policy import GatewayState
from remit.accounts.kills import KillScope
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.breaker import Circuit
from remit.guard.circuits import Circuits, Lease
from remit.guard.evidence import Evidence
from remit.guard.fetching import SHIPPED_TERMS, FetchTerms
from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import Held
from remit.guard.provenance import CLEAN, Taint
from remit.guard.rate_limits import Charge, Limits
from remit.guard.rules.revisions import InForce
from remit.guard.secrets_rules import NOTHING as NO_SECRETS
from remit.guard.secrets_rules import SecretsInForce
from remit.guard.secrets_use import Used
from remit.guard.trials import Key
from remit.kernel.action import Action
from remit.kernel.clock import EPOCH
from remit.kernel.decision import OK, Check, Verdict
from remit.kernel.mission import Outcome
from remit.kernel.references import Reference
from remit.kernel.usage import UnknownPrice
from remit.redact.personal.kinds import Personal
from remit.redact.redactor import Redactor
from remit.redact.vault import Kept


# What lists of an admission are made by: ``list[int]``, as a factory, takes many times as long, and there are five.
def _numbers() -> list[int]:
    return []


def _checks() -> list[Check]:
    return []


def _grants() -> list[Grant]:
    return []


def _tokens() -> list[Kept]:
    return []


#: What a decision says when the rules could not be read.
UNREADABLE = "unreadable"


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

    ``people`` is everybody who has rights here, by id; ``policies`` the custom ones in force; ``grants`` the open
    break-glass; ``over`` says of each scope that is spent beyond its limit how it stands, in a sentence; ``limits`` are
    the rates in force, ``unwell`` the circuits that aren't closed, ``secrets`` who may use which, ``gateway`` the
    gateway's policy and the virtual keys. ``rules`` is ``None``
    when they could not be read.
    """

    owner: str | None
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    kills: dict[tuple[KillScope, str], str] = field(default_factory=dict[tuple[KillScope, str], str])
    pauses: dict[tuple[KillScope, str], str] = field(default_factory=dict[tuple[KillScope, str], str])
    policies: tuple[CedarRevision, ...] = ()
    grants: tuple[Grant, ...] = ()
    over: Mapping[tuple[BudgetScope, str], str] = field(default_factory=dict[tuple[BudgetScope, str], str])
    rules: InForce | None = None
    unwell: Mapping[Key, Circuit] = field(default_factory=dict[Key, Circuit])
    limits: Limits | None = None
    secrets: SecretsInForce = NO_SECRETS
    gateway: GatewayState = NO_GATEWAY
    read_at: float = 0.0


@dataclass(slots=True)
class Scene:
    """One admission. ``performed`` is the action as the adapter gets it (masked where it is read).

    ``evidence`` is ``None`` unless the rules of the kind read it; ``facts`` is what rules read, to be kept as JSON.
    ``charges`` is what its rates take, in the intent's transaction. ``wanted`` are the verdicts of checks that want a
    person asked; ``approval`` is the request that the intent uses up. ``vault`` is where the policy says that personal
    data goes as tokens, ``kept`` what those of this action stand for. ``wants`` are the secrets that it refers to,
    ``used`` those once they were read, ``tried`` those it may not use.
    """

    standing: Standing
    redactor: Redactor
    circuits: Circuits
    kinds: frozenset[str]
    performed: Action
    lease: Lease | None = None
    grants: list[Grant] = field(default_factory=_grants)  # what break-glass lifted: used with the intent
    answer: Outcome | None = None  # kept from an earlier call: nothing will be called
    charges: tuple[Charge, ...] = ()
    unknown_price: UnknownPrice = UnknownPrice.REFUSE
    spent_ns: list[int] = field(default_factory=_numbers)  # by each check so far
    at: datetime = EPOCH
    environment: str = ""
    evidence: Mapping[str, Evidence] | None = None
    taint: Taint | None = CLEAN  # what its mission has read; ``None``: that can't be read
    facts: str = ""
    clean: bool = False  # nothing secret stands in the payload, which every other text of the action is made from
    approvals: ApprovalTerms = field(default_factory=ApprovalTerms)
    wanted: list[Check] = field(default_factory=_checks)
    approval: str = ""
    fetching: FetchTerms = SHIPPED_TERMS
    robots: str = "unknown"  # what robots.txt says of a fetch
    personal: PersonalTerms = field(default_factory=PersonalTerms)
    vault: Held | None = None
    found: Mapping[str, Sequence[Personal]] = MappingProxyType({})  # elsewhere, by text
    kept: list[Kept] = field(default_factory=_tokens)
    wants: tuple[Reference, ...] = ()
    used: tuple[Used, ...] = ()
    tried: tuple[str, ...] = ()
    observed: list[Check] = field(default_factory=_checks)  # what would have been refused (``observe``)
    beyond: frozenset[str] = frozenset()  # of rate and budget: what is counted though it does not fit
    inspects: bool = False  # whether tool calls in a model's answer are judged (``tool_rules.inspector``)

    @property
    def policy_rev(self) -> str:
        """The revision of the rules that this admission is judged by."""
        rules = self.standing.rules
        return UNREADABLE if rules is None else rules.revision


def allowed(name: str) -> Check:
    """The verdict of a check that found nothing; each check has one, shared, so that it is known by identity."""
    return Check(name, Verdict.ALLOW, OK)


def denied(name: str, reason: str, detail: str) -> Check:
    """The verdict that ends the list. ``detail`` is a sentence for people, free of secrets."""
    return Check(name, Verdict.DENY, reason, detail)
