"""Any order of asking, failing, cancelling, killing and losing the disk: one outcome each, and the money adds up."""

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import create_engine

from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.kills import KillScope, Target, kill, unkill
from remit.accounts.owner import create_local_owner
from remit.accounts.tables import BUDGET
from remit.guard import budget
from remit.guard.breaker import Numbers
from remit.guard.records import settle_abandoned
from remit.kernel.action import Action
from remit.kernel.effects import Command, Durability, Effect, Model, Tool
from remit.kernel.errors import BudgetExceeded, Cancelled, Failed, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import Money
from remit.kernel.ports import Tx

from .fakes import OWNER, WORKSPACE, HandClock, Move, World, act, deploy, make_store, make_world

LIMIT = 100


async def _hang(_action: Action) -> Outcome:
    await asyncio.sleep(60)
    raise AssertionError


MOVES: dict[str, Move] = {
    "ok": Outcome(ok=True, cost=Money(3)),
    "free": Outcome(ok=True),
    "not ok": Outcome(ok=False, cost=Money(1)),
    "failed": Failed("no"),
    "gone": Unavailable("gone"),
    "fault": RuntimeError("boom"),
    "no json": Outcome(ok=True, value={"bytes": b"\xff"}),  # type: ignore[dict-item]
    "cancelled": Cancelled("by a person"),
    "hang": _hang,
}
EFFECTS: dict[str, Effect] = {
    "tool": Tool("echo"),
    "command": Command(("ls",)),
    "model": Model("openai", "m", {}),
    "deploy": deploy(),
}
LOST = st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"guard.intent"}), frozenset({"guard.outcome"})])


class Ledger(RuleBasedStateMachine):
    """The guard on the real store, in a loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.killed = False
        self.keys = 0
        self.world: World

    @initialize()
    def begin(self) -> None:
        self.clock = HandClock()
        store = make_store(Path(self.folder.name))
        self.world = self.do(make_world(store, clock=self.clock, numbers=Numbers(failures=1000)))
        limit = set_limit(
            self.world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=Money(LIMIT), by=OWNER
        )
        self.do(limit)

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @rule(
        move=st.sampled_from(sorted(MOVES)),
        effect=st.sampled_from(sorted(EFFECTS)),
        cost=st.sampled_from([0, 0, 0, 5, 12, 60]),
        lost=LOST,
        cancel_after=st.one_of(st.none(), st.integers(0, 3)),
    )
    def ask(self, move: str, effect: str, cost: int, lost: frozenset[str], cancel_after: int | None) -> None:
        self.world.adapter.moves = [MOVES[move]]
        self.world.adapter.calls.clear()
        self.world.journal.failing = set(lost)
        action = act(EFFECTS[effect], key=f"key-{self.keys}", estimate=Money(cost))
        self.keys += 1
        got = self.do(self._one(action, move, cancel_after))
        self.world.journal.failing = set()
        self.do(self.world.settled())
        self._judge(action, got, lost)

    async def _one(self, action: Action, move: str, cancel_after: int | None) -> BaseException | Outcome:
        async def run() -> BaseException | Outcome:
            try:
                return await self.world.guard.run(action, timeout_s=0.02 if move == "hang" else None)
            except BaseException as error:  # noqa: BLE001 - judged by the caller
                return error

        task = asyncio.create_task(run())
        if cancel_after is not None:
            for _ in range(cancel_after):
                await asyncio.sleep(0)
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError as error:
            return error

    def _judge(self, action: Action, got: BaseException | Outcome, lost: frozenset[str]) -> None:
        rows = [row for row in self.world.rows() if row["id"] == action.id]
        entries = [entry.header for entry in self.world.audit() if entry.header["subject"] == action.id]
        called = len(self.world.adapter.calls)
        assert len(rows) <= 1
        if not rows:
            assert called == 0 or action.kind == "model", "no call without a committed intent"
            assert isinstance(got, BaseException)
            assert entries == []
            return
        (row,) = rows
        names = [entry["action"] for entry in entries]
        if row["state"] == "refused":
            assert names == ["guard.refused"]
            assert called == 0
        elif row["state"] == "open":
            assert "guard.outcome" in lost
            assert names == ["guard.intent"]
        else:
            assert names == ["guard.intent", "guard.outcome"], "exactly one outcome"
        if isinstance(got, Outcome):
            assert row["state"] == ("ok" if got.ok else "failed")
        if action.kind == "deploy":
            assert called <= 1

    @precondition(lambda self: self.killed or self.keys % 4 == 3)
    @rule()
    def switch(self) -> None:
        move = unkill if self.killed else kill
        self.do(
            move(
                self.world.journal,
                Target(KillScope.INSTALL),
                workspace=WORKSPACE,
                reason="x",
                by=OWNER,
                clock=self.clock,
            )
        )
        self.killed = not self.killed
        self.clock.advance(1)

    @precondition(lambda self: self.killed)
    @rule()
    def killed_means_nothing_starts(self) -> None:
        self.world.adapter.calls.clear()
        try:
            self.do(self.world.guard.run(act()))
        except RemitError as error:
            assert error.code == "guard.killed"  # noqa: PT017 - raises() can't say "if it is on"
        assert self.world.adapter.calls == []

    @rule()
    def resume(self) -> None:
        self.do(
            self.world.store.commit(
                "guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1)
            )
        )
        assert "open" not in self.world.states()

    @rule(seconds=st.sampled_from([0.1, 0.3, 5.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_money_adds_up(self) -> None:
        rows = self.world.rows()
        (purse,) = self.world.rows(BUDGET)
        assert purse["spent"] == sum(row["cost_micros"] for row in rows)
        assert purse["reserved"] == sum(row["estimate_micros"] for row in rows if row["state"] == "open")
        assert purse["reserved"] + purse["spent"] <= LIMIT + 3 * len(rows), (
            "only a true cost above its estimate goes over"
        )

    def teardown(self) -> None:
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()
        if hasattr(self, "world"):
            assert self.world.store.verify().ok
            self.world.store.close()
        self.folder.cleanup()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_threads_that_reserve_at_once_never_overspend(tmp_path: Path) -> None:
    with make_store(tmp_path) as store:
        asyncio.run(create_local_owner(store, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=HandClock()))
        asyncio.run(set_limit(store, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=Money(1000), by=OWNER))
        got: list[bool] = []

        def spend() -> None:
            for _ in range(50):
                action = act(estimate=Money(7))

                def reserve(tx: Tx, action: Action = action) -> None:
                    budget.reserve(tx, action, now_us=1)

                future = store.submit("guard.intent", reserve, durable=Durability.COMMIT)
                try:
                    future.result()
                    got.append(True)
                except BudgetExceeded:
                    got.append(False)

        threads = [threading.Thread(target=spend) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sum(got) == 1000 // 7
        (row,) = store.view(lambda tx: tx.rows(BUDGET.select()))
        assert row["reserved"] == 7 * (1000 // 7)


def test_what_is_open_is_read_through_the_partial_index(tmp_path: Path) -> None:
    """However many actions are closed: the agents' page and a resume look at the open ones only."""
    from remit.guard.records import _LEFT_OPEN, _RUNNING

    with make_store(tmp_path) as store:
        engine = create_engine(f"sqlite:///{store.path}")
        with engine.connect() as connection:
            for stmt, values in ((_RUNNING, ("acme",)), (_LEFT_OPEN, ("acme", "m1"))):
                sql = f"EXPLAIN QUERY PLAN {stmt.compile(dialect=engine.dialect)}"
                assert "ix_action_open" in str(connection.exec_driver_sql(sql, values).fetchall())
        engine.dispose()
