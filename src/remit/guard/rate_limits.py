"""Limits as data: how many requests, tokens or minutes, in which time, and who shares them.

``SHIPPED`` holds the numbers of the ledger (LIM-1, LIM-2). The workspace's plan multiplies or replaces those that name
one of its figures; a person's order puts a limit of the workspace's own beside them or in their place. Files and
commands have no rate: LIM-1 counts model requests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, cast

import orjson
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.accounts.agents import Agent
from remit.accounts.plans import PLANS, PlanName, WorkspacePlan, lifting, plan_of
from remit.audit.entry import Entry, Result
from remit.guard.gcra import Demand
from remit.guard.rate_tables import RATE_LIMIT
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Fetch, Model, Tool, Wire
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.kernel.urls import known_url

#: Kinds of effects that may have a rate: what leaves the host.
METERED = frozenset({"model", "fetch", "tool", "deploy", "order", "publish", "notify"})
#: The refill of a limit that holds for good ("100 in one mission"): one unit in ten years.
FOREVER_US = 10 * 365 * 86_400 * 1_000_000
#: The tool whose minutes LIM-2 counts.
RENDERING = "rendering"
#: What a model may answer when its request names no bound, in tokens.
ANSWER_TOKENS = 1024
#: Bytes of a request for one token: rough, and put right when the answer tells the real number.
BYTES_A_TOKEN = 4
MOST = 1_000_000_000
MOST_IN_ALL = 20_000  # times ``FOREVER_US``, and it still fits 64 bits

_ANSWERLESS = frozenset({Wire.EMBEDDINGS, Wire.COUNT_TOKENS})
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_PERIODS = {0: "in all", 1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}


class Measure(StrEnum):
    """What is counted. Tokens and minutes are reserved by estimate and put right by what was really used."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    MINUTES = "minutes"  # kept in seconds

    @property
    def units(self) -> int:
        """Units of a bucket for one of it."""
        return 60 if self is Measure.MINUTES else 1


class Per(StrEnum):
    """Who shares one bucket."""

    AGENT = "agent"
    KEY = "key"  # the virtual key that an action came in by
    TEAM = "team"
    WORKSPACE = "workspace"
    DOMAIN = "domain"
    MISSION_DOMAIN = "mission_domain"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        name: ``coder.minute``; an order names it so.
        per: Who shares it.
        amount: How many, in the measure.
        period_s: In how many seconds; 0: in all, nothing comes back.
        measure: What is counted.
        kind: The effects that it holds for.
        agent_kind: The kind of agents that it holds for; empty: any, and people too.
        target: The tool, model (``provider/model``) or domain that it holds for; empty: any.
        burst: How many at once; 0: the amount.
        key: The virtual key that it holds for; empty: any.
        plan: The plan's figure that goes with it: ``rate_factor`` multiplies the amount, any other replaces it.
        unit_us: Microseconds until one unit of the bucket has refilled; rounded up, so that never more comes back.
        units: Units of a full bucket.

    Raises:
        InvalidInput: It can't be a limit; every problem is named.
    """

    name: str
    per: Per
    amount: int
    period_s: int
    measure: Measure = Measure.REQUESTS
    kind: str = "model"
    agent_kind: str = ""
    target: str = ""
    burst: int = 0
    plan: str = ""
    key: str = ""
    unit_us: int = field(init=False, repr=False, compare=False)
    units: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        burst = self.burst or self.amount
        problems = [
            text
            for wrong, text in (
                (not _NAME.fullmatch(self.name), f"{self.name[:60]!r} is no name: lower-case words with . _ -"),
                (not 1 <= self.amount <= MOST, f"the amount {self.amount} is not between 1 and {MOST}"),
                (not 0 <= self.period_s <= 366 * 86_400, f"the period {self.period_s} s is not between 0 and a year"),
                (not 0 <= self.burst <= MOST, f"the burst {self.burst} is not between 0 (the amount) and {MOST}"),
                (self.period_s == 0 and burst > MOST_IN_ALL, f"a limit without a period is at most {MOST_IN_ALL}"),
                (
                    self.period_s > 0 and self.amount * self.measure.units > self.period_s * 1_000_000,
                    "more than one a microsecond is no limit",
                ),
                (self.kind not in METERED, f"effects of kind {self.kind!r} have no rate"),
                (self.measure is Measure.TOKENS and self.kind != "model", "only models use tokens"),
                (self.measure is Measure.MINUTES and self.kind != "tool", "only tools use minutes"),
                (
                    self.per in {Per.DOMAIN, Per.MISSION_DOMAIN} and self.kind != "fetch",
                    "only fetches have a domain",
                ),
                (self.per is Per.TOOL and self.kind != "tool", "only tools have a tool's name"),
                (bool(self.key) and self.per is not Per.KEY, "a limit of one key is counted by key"),
            )
            if wrong
        ]
        if problems:
            message = f"The limit can't be set: {'; '.join(problems)}."
            raise InvalidInput(message, code="rate.limit", hint="remit limits", problems=tuple(problems))
        units = self.measure.units
        refill_us = -(-self.period_s * 1_000_000 // (self.amount * units)) if self.period_s else FOREVER_US
        object.__setattr__(self, "unit_us", refill_us)
        object.__setattr__(self, "units", burst * units)

    def bucket(self, subject: str) -> str:
        """The key of a sharer's bucket. The numbers are in it: a limit that was changed begins with a full bucket."""
        return f"{self.name}|{subject}|{self.unit_us}x{self.units}"

    def __str__(self) -> str:
        """``10 model requests a minute``."""
        period = _PERIODS.get(self.period_s, f"in {self.period_s} s")
        what = "request" if self.amount == 1 else "requests"
        match self.measure:
            case Measure.TOKENS:
                noun = "tokens"
            case Measure.MINUTES:
                noun = f"minutes of {self.target or 'tools'}"
            case Measure.REQUESTS:
                noun = f"{self.kind} {what}"
        return f"{self.amount:,} {noun} {period}"

    def as_json(self) -> dict[str, Json]:
        """As stored and shown."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        told = {name: value.value if isinstance(value, StrEnum) else value for name, value in own.items()}
        if not self.key:
            del told["key"]
        return told


def _for_kind(kind: str, minute: int, hour: int) -> tuple[Limit, Limit]:
    common = {"per": Per.AGENT, "agent_kind": kind, "plan": "rate_factor"}
    return (
        Limit(f"{kind}.minute", amount=minute, period_s=60, **common),  # type: ignore[arg-type]
        Limit(f"{kind}.hour", amount=hour, period_s=3600, **common),  # type: ignore[arg-type]
    )


#: Whose limits could be set once, and were never counted: requests of addresses are the API's to bound.
_GONE = "ip"
#: LIM-1 and LIM-2.
SHIPPED: tuple[Limit, ...] = (
    *_for_kind("coder", 10, 100),
    *_for_kind("trading", 5, 50),
    *_for_kind("research", 20, 200),
    *_for_kind("creative", 2, 20),
    Limit("model.tokens", Per.AGENT, 100_000, 86_400, measure=Measure.TOKENS, plan="model_tokens_per_day"),
    Limit("fetch.minute", Per.DOMAIN, 10, 60, kind="fetch"),
    Limit("fetch.mission", Per.MISSION_DOMAIN, 100, 0, kind="fetch"),
    Limit(
        "rendering.day",
        Per.WORKSPACE,
        60,
        86_400,
        measure=Measure.MINUTES,
        kind="tool",
        target=RENDERING,
        plan="render_minutes_per_day",
    ),
)


class Charge(NamedTuple):
    """What one action asks of one limit. ``whose``: for people, ``the agent coder``."""

    limit: Limit
    demand: Demand
    whose: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force in a workspace. ``by_kind`` are those that hold for any key, ``by_key`` each key's own."""

    plan: WorkspacePlan
    by_name: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    by_kind: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict[str, tuple[Limit, ...]])
    by_key: Mapping[tuple[str, str], tuple[Limit, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[Limit, ...]]
    )

    def lifts(self, limit: Limit, *, needed: int) -> PlanName | None:
        """The smallest larger plan under which ``needed`` (in the measure) fits; ``None``: no plan changes it."""
        if not limit.plan:
            return None
        if limit.plan == "rate_factor":
            base = limit.amount // self.plan.rate_factor
            factor = max(-(-needed // max(base, 1)), self.plan.rate_factor + 1)
            return lifting(self.plan, "rate_factor", factor)
        return lifting(self.plan, limit.plan, max(needed, limit.amount + 1))


_SELECT = select(RATE_LIMIT.c.name, RATE_LIMIT.c.body).where(RATE_LIMIT.c.workspace == bindparam("of"))
_SET = insert(RATE_LIMIT)
_PUT = _SET.on_conflict_do_update(
    index_elements=[RATE_LIMIT.c.workspace, RATE_LIMIT.c.name],
    set_={"body": _SET.excluded.body, "set_by": _SET.excluded.set_by, "set_us": _SET.excluded.set_us},
)
_RESET = delete(RATE_LIMIT).where(RATE_LIMIT.c.workspace == bindparam("of"), RATE_LIMIT.c.name == bindparam("called"))


def read_limits(tx: ReadTx, workspace: str) -> Limits:
    """The limits in force: shipped, under the workspace's plan, with its own orders on top."""
    own = tuple((row["name"], row["body"]) for row in tx.rows(_SELECT, {"of": workspace}))
    return _limits(plan_of(tx, workspace), own)


@lru_cache(maxsize=256)
def _limits(plan: WorkspacePlan, own: tuple[tuple[str, str], ...]) -> Limits:
    found = {limit.name: planned for limit in SHIPPED if (planned := _planned(limit, plan)) is not None}
    for name, body in own:
        if body:
            told: dict[str, object] = orjson.loads(body)
            if told.get("per") != _GONE:
                found[name] = limit_of(told)
        else:
            found.pop(name, None)
    kinds: dict[str, list[Limit]] = {}
    keys: dict[tuple[str, str], list[Limit]] = {}
    for limit in found.values():
        if limit.key:
            keys.setdefault((limit.kind, limit.key), []).append(limit)
        else:
            kinds.setdefault(limit.kind, []).append(limit)
    by_kind = {kind: tuple(limits) for kind, limits in kinds.items()}
    return Limits(plan, found, by_kind, {at: tuple(limits) for at, limits in keys.items()})


def _planned(limit: Limit, plan: WorkspacePlan) -> Limit | None:
    """A shipped limit under a plan; ``None`` when the plan has no such limit."""
    if not limit.plan:
        return limit
    figure: int | None = getattr(plan, limit.plan)
    if figure is None:
        return None
    return replace(limit, amount=limit.amount * figure if limit.plan == "rate_factor" else figure)


def limit_of(body: Mapping[str, object]) -> Limit:
    """A limit from its JSON.

    Raises:
        InvalidInput: Not one.
    """
    try:
        given = dict(body)
        return Limit(**{**given, "per": Per(str(given["per"])), "measure": Measure(str(given["measure"]))})  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError) as error:
        message = f"That is no limit: {error}."
        raise InvalidInput(message, code="rate.limit", hint="remit limits") from error


def changed(name: str, known: Limit | None, changes: Mapping[str, object]) -> Limit:
    """The limit ``name`` with ``changes`` to what is in force; a new one when there is none.

    Raises:
        InvalidInput: It can't be a limit.
    """
    if known is None:
        missing = [key for key in ("amount", "period_s", "per") if key not in changes]
        if missing:
            options = {"amount": "--amount", "period_s": "--every", "per": "--per"}
            message = f"The limit {name[:60]!r} is a new one: say {', '.join(options[key] for key in missing)} too."
            hint = f"remit limits set {name[:60]} --amount 20 --every 1m --per agent"
            raise InvalidInput(message, code="rate.limit", hint=hint)
        return limit_of({"measure": "requests", **changes, "name": name})
    # The number is a person's now, and no plan's. A burst of the old amount goes with it.
    body = known.as_json() | {"plan": "", "burst": 0} | dict(changes)
    return limit_of(body)


def charges_of(action: Action, limits: Limits, agents: Mapping[str, Agent]) -> tuple[Charge, ...]:
    """What ``action`` asks of which limits; nothing for kinds without a rate."""
    known = limits.by_kind.get(action.kind, ())
    if action.key and limits.by_key:
        known += limits.by_key.get((action.kind, action.key), ())
    if not known:
        return ()
    found: list[Charge] = []
    for limit in known:
        agent = agents.get(action.principal.id) if action.principal.kind is ActorKind.AGENT else None
        if limit.agent_kind and (agent is None or agent.kind != limit.agent_kind):
            continue
        if limit.target and limit.target != _target(action):
            continue
        sharer = _sharer(limit.per, action, agent)
        if sharer is not None:
            subject, whose = sharer
            mission = action.mission if limit.per is Per.MISSION_DOMAIN else ""
            cost = estimate(action, limit.measure)
            demand = Demand(limit.bucket(subject), limit.unit_us, limit.units, cost, mission)
            found.append(Charge(limit, demand, whose))
    return tuple(found)


def estimate(action: Action, measure: Measure) -> int:
    """Units that an action will use, before it is known."""
    match measure:
        case Measure.REQUESTS:
            return 1
        case Measure.TOKENS:
            request: Mapping[str, object] = action.effect.request if isinstance(action.effect, Model) else {}
            bounds = (request.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"))
            answer = next((bound for bound in bounds if isinstance(bound, int) and bound >= 0), ANSWER_TOKENS)
            if isinstance(action.effect, Model) and action.effect.wire in _ANSWERLESS:
                answer = 0
            times = request.get("n")  # so many answers to one request
            answer *= times if isinstance(times, int) and times > 1 else 1
            return len(action.payload) // BYTES_A_TOKEN + 1 + answer
        case Measure.MINUTES:
            arguments: Mapping[str, object] = action.effect.arguments if isinstance(action.effect, Tool) else {}
            return _seconds(arguments) or 60


def used(value: Mapping[str, object], measure: Measure) -> int | None:
    """Units that an outcome's value says were used; ``None`` when it doesn't say.

    Tokens: ``usage.total_tokens``, or the sum of what ``usage`` counts in and out (OpenAI's and Anthropic's names).
    Minutes: ``seconds`` or ``minutes``.
    """
    if measure is Measure.TOKENS:
        usage = value.get("usage")
        if not isinstance(usage, Mapping):
            return None
        told = cast("Mapping[str, object]", usage)
        total = told.get("total_tokens")
        if isinstance(total, int) and total >= 0:
            return total
        names = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")
        names += ("cache_creation_input_tokens", "cache_read_input_tokens")
        counts = [count for name in names if isinstance(count := told.get(name), int) and count >= 0]
        return sum(counts) if counts else None
    return _seconds(value) if measure is Measure.MINUTES else None


def _seconds(value: Mapping[str, object]) -> int | None:
    for name, factor in (("seconds", 1), ("minutes", 60)):
        figure = value.get(name)
        if isinstance(figure, int | float) and not isinstance(figure, bool) and 0 <= figure <= MOST:
            return -int(-figure * factor // 1)
    return None


def _target(action: Action) -> str:
    return domain_of(action.target) if isinstance(action.effect, Fetch) else action.target


def domain_of(url: str) -> str:
    """The host that a URL asks, as DNS has it; empty when that can't be told (such a fetch is refused)."""
    found = known_url(url)
    return "" if found is None else found.host


def _sharer(per: Per, action: Action, agent: Agent | None) -> tuple[str, str] | None:
    """Whose bucket an action draws on: its key, and its name for people; ``None``: this limit does not concern it."""
    found: tuple[str, str] | None = None
    match per:
        case Per.AGENT if agent is not None:
            found = f"agent:{agent.name}", f"the agent {agent.name}"
        case Per.KEY if action.key:
            found = f"key:{action.key}", f"the key {action.key}"
        case Per.TEAM if agent is not None and agent.team:
            found = f"team:{agent.team}", f"the team {agent.team}"
        case Per.WORKSPACE:
            found = "", "the workspace"
        case Per.DOMAIN:
            domain = domain_of(action.target)
            found = domain, domain
        case Per.MISSION_DOMAIN if action.mission:
            domain = domain_of(action.target)
            found = f"{action.mission}|{domain}", f"{domain} in one mission"
        case Per.TOOL:
            found = action.target, f"the tool {action.target}"
        case _:
            pass
    return found


# --------------------------------------------------------------------------------------------------------------- orders


async def set_limit(journal: Journal, limit: Limit, *, workspace: str, by: Principal, clock: Clock) -> None:
    """Put a limit in force in a workspace, in place of the one of its name or beside the others, and audit it.

    Raises:
        Denied: ``by`` may not administer the workspace.
    """
    body = canonical(limit.as_json()).decode()
    payload: dict[str, Json] = {"limit": limit.as_json()}
    await journal.commit("guard.limit", _order(workspace, limit.name, body, by, payload=payload, clock=clock))


async def lift_limit(journal: Journal, name: str, *, workspace: str, by: Principal, clock: Clock) -> None:
    """Take a limit out of force in a workspace, and audit it.

    Raises:
        Denied: ``by`` may not administer the workspace.
        NotFound: There is no such limit; the message names the nearest.
    """
    limits = await journal.read(lambda tx: read_limits(tx, workspace))
    find_limit(limits, name)
    await journal.commit("guard.limit", _order(workspace, name, "", by, payload={"off": True}, clock=clock))


async def reset_limit(journal: Journal, name: str, *, workspace: str, by: Principal, clock: Clock) -> None:
    """Forget a workspace's own order about a limit: the shipped one holds again, if there is one. Audited.

    Raises:
        Denied: ``by`` may not administer the workspace.
    """
    await journal.commit("guard.limit", _order(workspace, name, None, by, payload={"reset": True}, clock=clock))


def find_limit(limits: Limits, name: str) -> Limit:
    """The limit called ``name``.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    if name in limits.by_name:
        return limits.by_name[name]
    near = difflib.get_close_matches(name, limits.by_name, 1)
    message = f"There is no limit {name[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="rate.limit", hint="remit limits")


def _order(
    workspace: str, name: str, body: str | None, by: Principal, *, payload: Mapping[str, Json], clock: Clock
) -> Callable[[Tx], None]:
    entry = Entry(
        actor=by,
        action="guard.limit.set",
        domain="guard",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=name,
    )
    now = micros_of(clock.now())

    def op(tx: Tx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        if body is None:
            tx.execute(_RESET, {"of": workspace, "called": name})
        else:
            tx.execute(_PUT, {"workspace": workspace, "name": name, "body": body, "set_by": str(by), "set_us": now})
        tx.append(entry, payload)

    return op


def plans_of(limit: Limit) -> Sequence[tuple[PlanName, int | None]]:
    """What each plan makes of a shipped limit, for the documentation and ``remit limits``."""
    shipped = next((each for each in SHIPPED if each.name == limit.name), limit)
    planned: Iterable[tuple[PlanName, Limit | None]] = ((name, _planned(shipped, plan)) for name, plan in PLANS.items())
    return [(name, None if each is None else each.amount) for name, each in planned]
