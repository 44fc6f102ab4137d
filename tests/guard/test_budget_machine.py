"""The ledger beside a model in plain Python: any order of reserving, settling, dying, expiring and moving time."""

import asyncio
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from remit.accounts.budget_periods import Period, end_of, start_of
from remit.accounts.budget_tables import BUDGET, BUDGET_EVENT, BUDGET_PAST
from remit.accounts.budgets import BudgetScope, Limit, remove_limit, set_limit
from remit.accounts.owner import create_local_owner
from remit.guard.budget_audit import check_ledger
from remit.guard.budget_expiry import expire
from remit.guard.budget_rollup import By, roll_up, usage_by
from remit.guard.records import Ending, State, Verdicts, intent, outcome, settle_abandoned, verdicts
from remit.guard.scene import allowed
from remit.kernel.action import Action
from remit.kernel.clock import micros_of
from remit.kernel.errors import BudgetExceeded, NotFound
from remit.kernel.mission import Outcome
from remit.kernel.money import Money

from .fakes import CODER, OWNER, WORKSPACE, HandClock, act, make_store

SAID: Verdicts = verdicts((allowed("budget"),))
SCOPES = [
    (scope, name, period)
    for scope, name in (
        (BudgetScope.WORKSPACE, ""),
        (BudgetScope.AGENT, "coder"),
        (BudgetScope.MISSION, "m1"),
        (BudgetScope.MISSION, "m2"),
    )
    for period in Period
]
THRESHOLDS = (80, 100)

type Key = tuple[BudgetScope, str, Period]


@dataclass
class Attempt:
    """One attempt as the model knows it: what it asked, when, and what became of it."""

    action: Action
    at_us: int
    cost: int | None = None  # settled


@dataclass
class Model:
    """Everything that was asked and let through; all else follows from it."""

    limits: dict[Key, int] = field(default_factory=dict[Key, int])
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    def of(self, key: Key, at_us: int) -> list[Attempt]:
        """The attempts that a limit counts in the period of a moment."""
        scope, name, period = key
        starts = start_of(period, at_us)
        until = end_of(period, starts) or 1 << 62
        return [
            each
            for each in self.attempts
            if starts <= each.at_us < until
            and (
                scope is BudgetScope.WORKSPACE
                or (scope is BudgetScope.MISSION and each.action.mission == name)
                or (scope is BudgetScope.AGENT and each.action.principal == CODER)
            )
        ]

    def used(self, key: Key, at_us: int) -> tuple[int, int]:
        """Spent and reserved."""
        mine = self.of(key, at_us)
        spent = sum(each.cost for each in mine if each.cost is not None)
        return spent, sum(each.action.estimate.micros for each in mine if each.cost is None)

    def fits(self, action: Action, at_us: int) -> bool:
        """Whether every limit that counts it has room for its estimate."""
        new = Attempt(action, at_us)
        self.attempts.append(new)
        try:
            return all(
                sum(self.used(key, at_us)) <= most for key, most in self.limits.items() if new in self.of(key, at_us)
            )
        finally:
            self.attempts.remove(new)


class Ledger(RuleBasedStateMachine):
    """The real operations on a real store, one at a time."""

    running: Bundle[Attempt] = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = HandClock()
        self.model = Model()

    @initialize(at=st.sampled_from([0.0, 86_399.0, 30 * 86_400.0 + 86_000]))
    def begin(self, at: float) -> None:
        self.clock.seconds = at
        self.store = make_store(Path(self.folder.name))
        self.do(create_local_owner(self.store, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=self.clock))

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @property
    def now_us(self) -> int:
        return micros_of(self.clock.now())

    @rule(key=st.sampled_from(SCOPES), most=st.sampled_from([0, 10, 50, 100, 1000]))
    def limit(self, key: Key, most: int) -> None:
        scope, name, period = key
        order = set_limit(
            self.store,
            scope,
            workspace=WORKSPACE,
            name=name,
            limit=Money(most),
            by=OWNER,
            period=period,
            clock=self.clock,
        )
        assert self.do(order) == self.model.limits.get(key)
        self.model.limits[key] = most

    @rule(key=st.sampled_from(SCOPES))
    def unlimit(self, key: Key) -> None:
        try:
            before = self.do(remove_limit(self.store, Limit(*key), workspace=WORKSPACE, by=OWNER))
        except NotFound:
            before = None
        assert before == self.model.limits.pop(key, None)

    @rule(
        target=running,
        estimate=st.sampled_from([0, 1, 7, 10, 50, 100]),
        mission=st.sampled_from(["", "m1", "m2"]),
        agent=st.booleans(),
        priced=st.booleans(),
        lag=st.sampled_from([0, 0, 0, 60, 86_400]),
    )
    def reserve(self, *, estimate: int, mission: str, agent: bool, priced: bool, lag: int) -> Any:
        """``lag``: the worker that asks has a clock that is behind."""
        who = CODER if agent else OWNER
        action = replace(act(principal=who, mission=mission, estimate=Money(estimate)), priced=priced)
        at_us = self.now_us - lag * 1_000_000
        write = intent(action, SAID, target="x", policy_rev="r", facts="{}", now_us=at_us, owner="dead")
        fits = not estimate or self.model.fits(action, at_us)
        try:
            self.store.write("guard.intent", write)
        except BudgetExceeded:
            # A lagging clock asks in its own period, in which an earlier limit may have held.
            assert not fits or lag, "what fits succeeds"
            return Attempt(action, at_us, cost=0)
        # A limit that was set after the period of a lagging clock had ended did not hold in that period.
        assert fits or lag, "never over"
        made_now = Attempt(action, at_us)
        self.model.attempts.append(made_now)
        return made_now

    @rule(attempt=consumes(running), extra=st.sampled_from([-100, -5, 0, 0, 0, 3, 40]))
    def settle(self, attempt: Attempt, extra: int) -> None:
        """Below the estimate, exactly, or above it."""
        if attempt.cost is not None:
            return
        cost = max(attempt.action.estimate.micros + extra, 0)
        done = Outcome(ok=True, cost=Money(cost))
        ending = Ending(State.OK, "", outcome=done, cost=done.cost)
        write = outcome(attempt.action, ending, policy_rev="r", now_us=self.now_us, lenient=False)
        self.store.write("guard.outcome", write)
        attempt.cost = cost

    @rule(mission=st.sampled_from(["m1", "m2"]))
    def resume(self, mission: str) -> None:
        """The process died: whoever resumes the mission settles what it left open."""
        self.store.write(
            "guard.settle", lambda tx: settle_abandoned(tx, mission, workspace=WORKSPACE, now_us=self.now_us)
        )
        for each in self.model.attempts:
            if each.cost is None and each.action.mission == mission:
                each.cost = each.action.estimate.micros

    @rule()
    def expire(self) -> None:
        """The process died, and nobody resumes anything."""
        now_us = self.now_us
        self.do(expire(self.store, WORKSPACE, alive={"dead": False}.get, alone=False, now_us=now_us))
        for each in self.model.attempts:
            if each.cost is None and (not each.action.mission or now_us - each.at_us > 3_600_000_000):
                each.cost = each.action.estimate.micros

    @rule(seconds=st.sampled_from([1, 1800, 7200, 86_400, 40 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def roll(self) -> None:
        before = self._sums()
        self.do(roll_up(self.store, WORKSPACE, now_us=self.now_us))
        assert self._sums() == before

    def _sums(self) -> list[dict[str, Any]]:
        return [used.as_json() for used in self.store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.DAY))]

    @invariant()
    def counters_are_what_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        rows = self.store.view(lambda tx: tx.rows(BUDGET.select()))
        assert len(rows) == len(self.model.limits)
        for row in rows:
            key = (BudgetScope(row["scope"]), row["name"], Period(row["period"]))
            assert row["limit_micros"] == self.model.limits[key]
            assert (row["spent"], row["reserved"]) == self.model.used(key, row["starts_us"] or self.now_us), key
        assert self.store.view(lambda tx: check_ledger(tx, tx, WORKSPACE)) == []

    @invariant()
    def thresholds_are_told_once_and_only_when_reached(self) -> None:
        if not hasattr(self, "store"):
            return
        events = self.store.view(lambda tx: tx.rows(BUDGET_EVENT.select()))
        told = Counter((row["scope"], row["name"], row["period"], row["starts_us"], row["percent"]) for row in events)
        assert set(told.values()) <= {1}
        assert all(row["spent"] * 100 >= row["limit_micros"] * row["percent"] for row in events)
        for row in self.store.view(lambda tx: tx.rows(BUDGET.select())):
            for percent in THRESHOLDS:
                if 0 < row["limit_micros"] * percent <= row["spent"] * 100:
                    key = (row["scope"], row["name"], row["period"], row["starts_us"], percent)
                    assert told[key] == 1, key

    @invariant()
    def nothing_is_reserved_for_ever(self) -> None:
        if not hasattr(self, "store"):
            return
        for row in self.store.view(lambda tx: tx.rows(BUDGET_PAST.select())):
            assert row["reserved"] >= 0
            assert row["spent"] >= 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            for mission in ("m1", "m2"):
                self.resume(mission)
            self.clock.advance(2 * 86_400)
            self.expire()
            for table in (BUDGET, BUDGET_PAST):
                rows = self.store.view(lambda tx, table=table: tx.rows(table.select()))  # type: ignore[misc]
                assert {row["reserved"] for row in rows} <= {0}
            assert self.store.verify().ok
            self.store.close()
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=300 if os.environ.get("REMIT_PROVE") == "1" else 15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
