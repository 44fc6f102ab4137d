"""The guard's statements on Postgres, and two workers on one budget."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from remit.accounts.agents import Agent, list_agents, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.kills import KillScope, Target, kill, unkill
from remit.accounts.tables import BUDGET
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.guard.approval_rows import recent
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.records import running, settle_abandoned
from remit.guard.tables import BREAKER
from remit.guard.why import why
from remit.kernel.clock import SystemClock
from remit.kernel.errors import BudgetExceeded, Conflict, Denied, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.tables import METADATA

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .fakes import CODER, OWNER, WORKSPACE, HandClock, act, deploy, make_world
from .test_approval import flood, make_asking, too_many

__all__ = ["postgres_server", "postgres_url"]

CLOCK = SystemClock()


@pytest.fixture
def stores(postgres_url: str, tmp_path: Path) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    signer = create_key(tmp_path / "audit.key")
    first, second = (PostgresStore(postgres_url, [signer], heads=tmp_path / "heads.log") for _ in range(2))
    first.migrate()
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    METADATA.create_all(engine)
    engine.dispose()
    yield first, second
    second.close()
    first.close()


async def test_the_whole_path_works(stores: tuple[PostgresStore, PostgresStore]) -> None:
    world = await make_world(stores[0])
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"tool", "deploy"}), tools=frozenset({"echo"}))
    await register_agent(world.journal, agent, by=OWNER, clock=CLOCK, spend_limit=usd(1))
    world.adapter.moves = [Outcome(ok=True, cost=usd("0.25"))]
    action = act(principal=CODER, estimate=usd("0.50"))
    await world.guard.run(action)
    (view,) = await list_agents(world.journal, workspace=WORKSPACE, activity=running, clock=world.clock)
    assert (view.spent, view.reserved, view.running) == (usd("0.25"), usd(0), ())
    with pytest.raises(BudgetExceeded):
        await world.guard.run(act(principal=CODER, estimate=usd(1)))
    await world.guard.run(act(deploy(), key="k"))
    with pytest.raises(Conflict, match="done already"):
        await world.guard.run(act(deploy(), key="k"))
    world.store.seal()
    assert len((await why(world.journal, action.id, workspace=WORKSPACE)).actions[0].audit) == 2
    await kill(world.journal, Target(KillScope.AGENT, "coder"), workspace=WORKSPACE, reason="x", by=OWNER, clock=CLOCK)
    await asyncio.sleep(0.26)
    with pytest.raises(Denied):
        await world.guard.run(act(principal=CODER))
    await unkill(
        world.journal, Target(KillScope.AGENT, "coder"), workspace=WORKSPACE, reason="y", by=OWNER, clock=CLOCK
    )
    assert world.store.verify().ok


async def test_breakers_and_abandoned_actions_have_rows(stores: tuple[PostgresStore, PostgresStore]) -> None:
    world = await make_world(stores[0])
    world.adapter.moves = [Unavailable("gone", retry_after=999.0)]
    for _ in range(5):
        with pytest.raises(Unavailable):
            await world.guard.run(act())
    await world.settled()
    assert [row["phase"] for row in world.rows(BREAKER)] == ["open"]
    await world.guard.restore(WORKSPACE)
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(act(deploy(), key="k"))
    settled = await world.store.commit(
        "guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1)
    )
    assert [past.must_ask for past in settled] == [True]


async def test_two_workers_never_overspend_together(stores: tuple[PostgresStore, PostgresStore]) -> None:
    worlds = [await make_world(store) for store in stores]
    await set_limit(stores[0], BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("0.10"), by=OWNER)
    for world in worlds:
        world.adapter.moves = [Outcome(ok=True, cost=usd("0.01"))]
    got = await asyncio.gather(
        *(worlds[number % 2].guard.run(act(estimate=usd("0.01"))) for number in range(40)), return_exceptions=True
    )
    assert sum(isinstance(each, Outcome) for each in got) == 10, got
    assert sum(isinstance(each, BudgetExceeded) for each in got) == 30
    (row,) = worlds[0].rows(BUDGET)
    assert (row["spent"], row["reserved"]) == (100_000, 0)


async def test_two_workers_open_no_more_requests_of_an_agent_than_one_may(
    stores: tuple[PostgresStore, PostgresStore],
) -> None:
    terms = ApprovalTerms(most_open=5)
    worlds = [
        await make_asking(stores[0], most_open=5),
        await make_world(stores[1], clock=HandClock(), approvals=terms),
    ]
    heard = await flood(worlds, 30)
    assert len(too_many(heard)) == 25, heard
    assert len(stores[0].view(lambda tx: recent(tx, WORKSPACE))) == 5
