"""Would what waits for a person fit the budgets and rates? A look: nothing is reserved, nothing taken.

The guard asks for rates and money last, when an action is admitted, which is after its approval. So whoever approves is
told beforehand what would refuse it as things stand. A look is no promise: what is free now may be gone when the action
comes, and what is short now may have come back; the intent's transaction alone decides.

With a request stands what only its action knew (its virtual key, what it asks of which rate). Budgets and limits
themselves are read whenever somebody looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import bindparam, select

from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budget_tables import BUDGET
from remit.accounts.budgets import BudgetScope
from remit.guard import budget
from remit.guard.approval_listing import Summary
from remit.guard.approval_rows import Request, Status
from remit.guard.budget_limits import told, way_out
from remit.guard.gcra import Demand, Short, short_of
from remit.guard.rate import spell
from remit.guard.rate_limits import Limit, Measure, charges_of, read_limits
from remit.guard.rate_store import tat_of
from remit.guard.scene import Scene
from remit.kernel.action import Action, ActorKind
from remit.kernel.canonical import Json
from remit.kernel.effects import Notify
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx, Row

#: Where a request keeps what its action asks of rates, and what did not fit when it was made.
DRAWS, WHEN_ASKED = "draws", "would_not_fit_when_asked"

type Scopes = frozenset[tuple[str, str]]
#: A request, or its line in a list.
type Asked = Request | Summary

_ROWS = select(BUDGET).where(
    BUDGET.c.workspace == bindparam("of"), BUDGET.c.name.in_(bindparam("names", expanding=True))
)
_RANK = {scope.value: rank for rank, scope in enumerate(BudgetScope)}


@dataclass(frozen=True, slots=True)
class Shortage:
    """What would refuse an action now: a ``budget``, ``rate`` or ``price``, and that in sentences for people."""

    what: str
    detail: str

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {"what": self.what, "detail": self.detail}


def draws_of(action: Action, scene: Scene) -> dict[str, Json]:
    """What a request keeps of its action, so that it can be looked at later."""
    limits = scene.standing.limits
    charges = () if limits is None else charges_of(action, limits, scene.standing.agents)
    said = budget.check(action, scene)
    return {
        "key": action.key,
        "rates": [
            {
                "limit": charge.limit.name,
                "subject": charge.demand.key.partition("|")[2].rpartition("|")[0],
                "whose": charge.whose,
                "cost": charge.demand.cost,
            }
            for charge in charges
        ],
        "unpriced": said.detail if said.reason == "unknown_price" and said is not budget.ALLOWED else "",
    }


def shortages(tx: ReadTx, request: Request, *, now_us: int) -> tuple[Shortage, ...]:
    """What would refuse the action of a request that may still lead to one: budgets first, then rates."""
    if request.state(now_us) not in {Status.PENDING, Status.APPROVED}:
        return ()
    draws = _map(request.details.get(DRAWS))
    found = [Shortage("price", text)] if (text := str(draws.get("unpriced") or "")) else []
    key = str(draws.get("key") or "")
    scopes = _scopes(request)
    if key:
        scopes |= {(BudgetScope.KEY.value, key)}
    rows = _short(request, _budgets(tx, request.workspace, scopes), scopes, now_us=now_us)
    found.extend(Shortage("budget", _sentence(row, request)) for row in rows)
    return (*found, *_rates(tx, request, draws))


def when_asked(request: Request) -> Sequence[str]:
    """What did not fit when the request was made, in sentences."""
    told = request.details.get(WHEN_ASKED)
    return [str(each) for each in told] if isinstance(told, list) else []


def over_budget(tx: ReadTx, workspace: str, asked: Sequence[Asked], *, now_us: int) -> frozenset[str]:
    """Those of a list for which a budget of the workspace, their agents or their mission is too small now.

    One statement for the whole list. Budgets of virtual keys and rates are told by ``shortages``.
    """
    waiting = [one for one in asked if one.open and one.expires_us > now_us]
    if not waiting:
        return frozenset()
    scopes = {one.id: _scopes(one) for one in waiting}
    rows = _budgets(tx, workspace, frozenset[tuple[str, str]]().union(*scopes.values()))
    return frozenset(one.id for one in waiting if any(_short(one, rows, scopes[one.id], now_us=now_us)))


def _scopes(one: Asked) -> Scopes:
    """As ``budget.scopes_of``, but for a virtual key."""
    remits = one.principal.startswith(f"{ActorKind.SYSTEM.value}:") and one.kind == Notify.trait.kind
    if remits and not one.estimate_micros:
        return frozenset()  # Remit's own notices are free, and don't wait for money
    parties = (each.partition(":") for each in (one.principal, one.on_behalf_of))
    agents = {(BudgetScope.AGENT.value, name) for kind, _, name in parties if kind == ActorKind.AGENT.value}
    mission = {(BudgetScope.MISSION.value, one.mission)} if one.mission else set[tuple[str, str]]()
    return frozenset({(BudgetScope.WORKSPACE.value, ""), *agents, *mission})


def _budgets(tx: ReadTx, workspace: str, scopes: Scopes) -> Mapping[tuple[str, str], Sequence[Row]]:
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    if scopes:
        for row in tx.rows(_ROWS, {"of": workspace, "names": sorted({name for _, name in scopes})}):
            found[row["scope"], row["name"]].append(row)
    return found


def _short(one: Asked, rows: Mapping[tuple[str, str], Sequence[Row]], scopes: Scopes, *, now_us: int) -> Iterable[Row]:
    """The budgets that what is asked does not fit, with the counters of the present period."""
    for scope in sorted(scopes, key=lambda each: (_RANK[each[0]], each[1])):
        for row in sorted(rows.get(scope, ()), key=lambda each: str(each["period"])):
            starts = start_of(Period(row["period"]), now_us)
            now = row if row["starts_us"] >= starts else {**row, "starts_us": starts, "spent": 0, "reserved": 0}
            if now["spent"] + now["reserved"] + one.estimate_micros > now["limit_micros"]:
                yield now


def _sentence(row: Row, request: Request) -> str:
    asks = (
        f", and this {request.kind} may cost {Money(request.estimate_micros)}."
        if request.estimate_micros
        else (": it is spent beyond its limit.")
    )
    return f"{told(row, row['reserved'])}{asks}{way_out(row)}"


def _rates(tx: ReadTx, request: Request, draws: Mapping[str, Json]) -> Iterable[Shortage]:
    asked = draws.get("rates")
    if not isinstance(asked, list) or not asked:
        return
    limits = read_limits(tx, request.workspace)
    for each in asked:
        drawn = _map(each)
        limit = limits.by_name.get(str(drawn.get("limit")))
        if limit is None:
            continue  # it was lifted since
        cost = int(cast("int", drawn.get("cost") or 0))
        demand = Demand(limit.bucket(str(drawn.get("subject"))), limit.unit_us, limit.units, cost)
        short = short_of(*tat_of(tx, request.workspace, demand), demand)
        if short is not None:
            yield Shortage("rate", _rate_sentence(limit, short, str(drawn.get("whose"))))


def _rate_sentence(limit: Limit, short: Short, whose: str) -> str:
    units = limit.measure.units
    asked = -(-short.demand.cost // units)
    wants = "" if limit.measure is Measure.REQUESTS else f", and this {limit.kind} may use {asked:,}"
    left = f"The limit of {limit} for {whose} has {short.level.remaining // units:,} left{wants}."
    if short.wait_us is None:
        return f"{left} It never fits."
    return f"{left} It fits again in {spell(short.wait_us / 1_000_000)}." if limit.period_s else left


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
