"""A house that has spent: calls of models over some days, written as the guard writes them; budgets."""

from __future__ import annotations

from dataclasses import replace

from remit.accounts.budget_periods import HOUR_US, Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.guard.budget_rollup import roll_up
from remit.guard.records import Ending, State, intent, outcome, verdicts
from remit.guard.scene import allowed
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.usage import Usage

from .served import WORKSPACE, Served

#: Text that would do harm as markup, and hide itself.
HOSTILE = 'gpt"><script>alert(1)</script>\u202etxt\u200b<img src=x onerror=alert(2)> hx-get=/'
SAID = verdicts((allowed("budget"),))


async def call(
    served: Served,
    model: str,
    *,
    cost: str,
    ago_us: int = 0,
    agent: str = "lantern",
    by: str = "ines",
    mission: str = "",
    key: str = "",
    provider: str = "acme",
    usage: Usage | None = None,
) -> None:
    """A call from its intent to its outcome."""
    runtime = served.runtime
    who, owner = Principal(ActorKind.AGENT, agent), Principal(ActorKind.USER, by)
    action = Action(
        id=new_id(), effect=Model(provider, model, {"messages": []}), principal=who, on_behalf_of=owner,
        workspace=WORKSPACE, mission=mission, effect_key=f"test/{new_id()}", estimate=usd("0.5"),
    )  # fmt: skip
    now_us = micros_of(runtime.clock.now()) - ago_us
    action = replace(action, key=key)
    begin = intent(action, SAID, target=f"{provider}/{model}", policy_rev="r", facts="{}", now_us=now_us, owner="me")
    await runtime.store.commit("guard.intent", begin)
    spent = usd(cost)
    used = usage or Usage(provider, model, tokens_in=1400, tokens_out=180, tokens_cached=300, tokens_cost=spent)
    done = Outcome(ok=True, cost=spent, usage=used)
    ending = Ending(State.OK, "", outcome=done, cost=done.cost, usage=used)
    end = outcome(action, ending, policy_rev="r", now_us=now_us + 1_500_000, lenient=False)
    await runtime.store.commit("guard.outcome", end)


async def spent(served: Served) -> None:
    """Some days of calls, a mission that is dear, an answer that was kept, a model with a hostile name, budgets."""
    runtime = served.runtime
    mission = await served.mission("fine", run=False)
    for hours in range(0, 60, 3):
        await call(served, "large", cost="0.80", ago_us=hours * HOUR_US, mission=mission)
        await call(served, "small", cost="0.20", ago_us=hours * HOUR_US, agent="mason", by="tomas", key="k-lint")
    await call(served, HOSTILE, cost="0.10", agent="quill")
    await call(served, "small", cost="0", usage=Usage(kept=True, saved=usd("0.20")))
    render = Usage(gpu_ms=2_460_000, gpu_cost=usd("1.10"), storage_bytes=18 << 30, storage_cost=usd("0.20"),
                   network_bytes=6 << 20, network_cost=usd("0.05"))  # fmt: skip
    await call(served, "paint", cost="1.35", usage=render)
    await roll_up(runtime.store, WORKSPACE, now_us=micros_of(runtime.clock.now()))
    limits = (
        (BudgetScope.WORKSPACE, "", "50", Period.DAY),
        (BudgetScope.WORKSPACE, "", "1200", Period.MONTH),
        (BudgetScope.AGENT, "quill", "0.11", Period.DAY),
        (BudgetScope.AGENT, "mason", "0.01", Period.MONTH),
        (BudgetScope.MISSION, mission, "100", Period.TOTAL),
    )
    for scope, name, amount, period in limits:
        await set_limit(
            runtime.store, scope, workspace=WORKSPACE, name=name, limit=usd(amount), by=runtime.owner, period=period
        )
