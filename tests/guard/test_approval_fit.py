"""Before somebody approves, they are told what would refuse it all the same; a look, which takes nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET
from remit.adapters.store.sqlite import SqliteStore
from remit.cli.approval_views import request_lines
from remit.guard.approval_fit import Shortage, over_budget, shortages, when_asked
from remit.guard.approval_listing import Wanted, list_requests
from remit.guard.approval_notices import notice
from remit.guard.approval_rows import Request, as_json
from remit.guard.rate_limits import Limit, Per
from remit.guard.rate_limits import set_limit as set_rate
from remit.guard.rate_tables import RATE
from remit.kernel.clock import micros_of
from remit.kernel.effects import Deploy, Tool
from remit.kernel.errors import BudgetExceeded
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.ports import ReadTx

from .fakes import CODER, OWNER, WORKSPACE, World, act, deploy
from .test_approval import ask, decide, make_asking, request_of


@pytest.fixture
async def asked(store: SqliteStore) -> World:
    return await make_asking(store)


async def limit(
    world: World, scope: BudgetScope, amount: str, *, name: str = "", period: Period = Period.TOTAL
) -> None:
    await set_limit(
        world.journal,
        workspace=WORKSPACE,
        scope=scope,
        name=name,
        limit=usd(amount),
        period=period,
        by=OWNER,
        clock=world.clock,
    )


def look(world: World, request: Request, *, later_s: float = 0) -> tuple[Shortage, ...]:
    now_us = micros_of(world.clock.now()) + round(later_s * 1e6)
    return world.store.view(lambda tx: shortages(tx, request, now_us=now_us))


def listed(world: World) -> frozenset[str]:
    now_us = micros_of(world.clock.now())

    def op(tx: ReadTx) -> frozenset[str]:
        found = list_requests(tx, WORKSPACE, Wanted(), now_us=now_us, after=None, limit=50)
        return over_budget(tx, WORKSPACE, found.requests, now_us=now_us)

    return world.store.view(op)


async def test_the_approver_is_told_of_every_budget_that_is_too_small(asked: World) -> None:
    await limit(asked, BudgetScope.AGENT, "0.40", name="coder")
    await limit(asked, BudgetScope.WORKSPACE, "1", period=Period.DAY)
    await limit(asked, BudgetScope.MISSION, "50", name="m1")
    request = await ask(asked, act(deploy(), principal=CODER, key="k", estimate=usd("2")))
    told = look(asked, request)
    assert [each.what for each in told] == ["budget", "budget"]
    assert "daily budget of the workspace has $1.00 left of $1.00" in told[0].detail
    assert "budget of agent coder has $0.40 left of $0.40" in told[1].detail
    assert "this deploy may cost $2.00." in told[1].detail
    assert "remit budget set agent coder" in told[1].detail
    assert when_asked(request) == [each.detail for each in told]
    (entry,) = asked.audit("approval.requested")
    assert dict(entry.payload or {})["would_not_fit"] == [each.detail for each in told]
    assert "Would not fit now: The daily budget of the workspace" in notice(request)[1]
    lines = request_lines(request, [], now_us=0, wanting=told)
    assert sum(line.startswith("fits      not now: The ") for line in lines) == 2
    shown = as_json(request, [], now_us=0, short=[each.as_json() for each in told])
    assert "draws" not in shown
    assert [each["what"] for each in shown["would_not_fit"]] == ["budget", "budget"]  # type: ignore[index, union-attr, call-overload]
    assert listed(asked) == {request.id}


async def test_a_look_takes_nothing_and_follows_what_changes(asked: World) -> None:
    await limit(asked, BudgetScope.AGENT, "1", name="coder", period=Period.DAY)
    request = await ask(asked, act(deploy(), principal=CODER, key="k", estimate=usd("2")))
    before = asked.store.view(lambda tx: [*tx.rows(select(BUDGET)), *tx.rows(select(RATE))])
    assert len(look(asked, request)) == 1
    assert asked.store.view(lambda tx: [*tx.rows(select(BUDGET)), *tx.rows(select(RATE))]) == before
    await limit(asked, BudgetScope.AGENT, "2", name="coder", period=Period.DAY)
    assert look(asked, request) == ()
    assert listed(asked) == frozenset()
    assert when_asked(request_of(asked, request.id)) == when_asked(request) != []


async def test_what_was_spent_yesterday_is_not_short_today(store: SqliteStore) -> None:
    world = await make_asking(store, expires_s=3 * 86_400)
    await limit(world, BudgetScope.WORKSPACE, "3", period=Period.DAY)
    world.adapter.moves = [Outcome(ok=True, cost=usd("2"))]
    await world.guard.run(act(Tool("render"), estimate=usd("2")))
    request = await ask(world, act(deploy(), principal=CODER, key="k", estimate=usd("2")))
    (today,) = look(world, request)
    assert "has $1.00 left of $3.00 ($2.00 spent" in today.detail
    assert look(world, request, later_s=86_400) == ()
    await limit(world, BudgetScope.WORKSPACE, "1", period=Period.DAY)
    assert len(look(world, request, later_s=86_400)) == 1
    assert look(world, request, later_s=4 * 86_400) == (), "it has expired: there is nothing to tell"


async def test_told_and_approved_all_the_same_it_is_refused_and_the_leave_stays(asked: World) -> None:
    await limit(asked, BudgetScope.AGENT, "1", name="coder")
    action = act(deploy(), principal=CODER, key="k", estimate=usd("2"))
    request = await ask(asked, action)
    approved = await decide(asked, request)
    assert len(look(asked, approved)) == 1
    with pytest.raises(BudgetExceeded):
        await asked.guard.run(replace(action, id=f"{action.id[:-4]}beef"))
    await limit(asked, BudgetScope.AGENT, "2", name="coder")
    await asked.guard.run(replace(action, id=f"{action.id[:-4]}cafe"))
    used = request_of(asked, request.id)
    assert used.used_us is not None
    await limit(asked, BudgetScope.AGENT, "0.5", name="coder")
    assert look(asked, used) == ()


async def test_rates_are_looked_at_too(asked: World) -> None:
    rate = Limit("deploys", Per.AGENT, 1, 3600, kind="deploy")
    await set_rate(asked.journal, rate, workspace=WORKSPACE, by=OWNER, clock=asked.clock)
    await asked.guard.register.refresh(WORKSPACE)
    first = act(deploy(), principal=CODER, key="k1")
    await decide(asked, await ask(asked, first))
    await asked.guard.run(replace(first, id=f"{first.id[:-4]}cafe"))
    second = await ask(asked, act(Deploy("production", {"image": "app:2"}), principal=CODER, key="k2"))
    (told,) = look(asked, second)
    assert told.what == "rate"
    assert told.detail.startswith("The limit of 1 deploy request an hour for the agent coder has 0 left. It fits again")
    assert listed(asked) == frozenset(), "a list marks money alone"
