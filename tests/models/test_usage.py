"""What was used: by whatever people ask for, the same before and after it is rolled up, and read by an index."""

import asyncio
import os
import sqlite3
import tempfile
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from remit.accounts.budget_periods import DAY_US, HOUR_US
from remit.accounts.budget_tables import USAGE, USAGE_HOUR
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import budget_rollup
from remit.guard.budget_expiry import expire
from remit.guard.budget_rollup import By, Where, roll_up, statements, usage_by
from remit.guard.records import Ending, State, Verdicts, intent, outcome, settle_abandoned, verdicts
from remit.guard.scene import allowed
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.errors import InvalidInput
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money, usd
from remit.kernel.usage import Usage
from remit.models import usage as models_usage
from remit.models.usage import calls, usage

from ..guard.fakes import (  # noqa: TID252 - tests are loaded by path
    CODER,
    OWNER,
    WORKSPACE,
    HandClock,
    World,
    act,
    make_store,
    make_world,
)
from ..guard.keyed import HELPER, make_key, register  # noqa: TID252 - as above
from .fakes_usage import Opener, opener, postgres_server, postgres_url

__all__ = ["opener", "postgres_server", "postgres_url"]

SAID: Verdicts = verdicts((allowed("budget"),))
SMALL, LARGE = (Model("acme", name, {"messages": []}) for name in ("small", "large"))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(opener: Opener, clock: HandClock) -> World:
    return await make_world(opener(), clock=clock)


def call(
    effect: Model = LARGE,
    *,
    key: str = "",
    who: Principal = OWNER,
    estimate: str = "0.5",
    mission: str = "",
    **more: Any,
) -> Action:
    asked = act(effect, principal=who, mission=mission, estimate=usd(estimate))
    return replace(asked, key=key, **more)


def write(world: World, action: Action, used: Usage, *, cost: str, state: State = State.OK) -> None:
    """A call from its intent to its outcome, as the guard writes it."""
    now_us = micros_of(world.clock.now())
    begin = intent(action, SAID, target="x", policy_rev="r", facts="{}", now_us=now_us, owner="me")
    world.store.write("guard.intent", begin)
    done = Outcome(ok=True, cost=usd(cost), usage=used)
    ending = Ending(state, "", outcome=done, cost=done.cost, usage=used)
    end = outcome(action, ending, policy_rev="r", now_us=now_us + 1_500_000, lenient=False)
    world.store.write("guard.outcome", end)


def some_calls(world: World, clock: HandClock) -> None:
    tokens = Usage("acme", "large-2026", tokens_in=100, tokens_out=20, tokens_cached=40, tokens_cost=usd("0.30"))
    write(world, call(key="k1", who=CODER, mission="m1"), tokens, cost="0.30")
    clock.advance(3600)
    write(world, call(key="k1"), replace(tokens, estimated=True), cost="0.30")
    write(world, call(SMALL, key="k2"), Usage(kept=True, saved=usd("0.30")), cost="0")
    clock.advance(86_400)
    write(world, call(SMALL, estimate="0", priced=False), Usage(), cost="0")
    write(world, call(SMALL, estimate="0"), Usage(tokens_in=7), cost="0")


def told(world: World, by: By, *, where: Where = models_usage.EVERYTHING, **more: int) -> models_usage.Report:
    now_us = micros_of(world.clock.now())
    return world.store.view(lambda tx: usage(tx, WORKSPACE, by=by, now_us=now_us, where=where, **more))


@pytest.mark.parametrize("rolled", [False, True])
async def test_it_is_told_by_whatever_people_ask_for(world: World, clock: HandClock, *, rolled: bool) -> None:
    some_calls(world, clock)
    if rolled:
        clock.advance(3600)
        assert await roll_up(world.journal, WORKSPACE, now_us=micros_of(clock.now())) == 5

    def by(what: By) -> dict[str, tuple[int, str]]:
        return {used.key: (used.attempts, str(used.cost.usd)) for used in told(world, what).groups}

    assert by(By.KEY) == {"k1": (2, "0.6"), "none": (2, "0"), "k2": (1, "0")}
    assert by(By.AGENT) == {"user:ada": (4, "0.3"), "agent:coder": (1, "0.3")}
    assert by(By.USER) == {"user:ada": (5, "0.6")}
    assert by(By.MISSION) == {"none": (4, "0.3"), "m1": (1, "0.3")}
    assert by(By.PROVIDER) == {"acme": (5, "0.6")}
    assert by(By.MODEL) == {"acme/large-2026": (2, "0.6"), "acme/small": (3, "0")}
    assert by(By.KIND) == {"model": (5, "0.6")}
    assert list(by(By.HOUR)) == ["2026-01-01T00:00Z", "2026-01-01T01:00Z", "2026-01-02T01:00Z"]
    assert list(by(By.DAY)) == ["2026-01-01", "2026-01-02"]
    report = told(world, By.KEY)
    shown = report.as_json()
    assert [each["share"] for each in shown["usage"]] == [1.0, 0.0, 0.0]  # type: ignore[index,union-attr,call-overload]
    total = report.total
    assert (total.attempts, total.unpriced, total.cost, total.saved) == (5, 1, usd("0.6"), usd("0.3"))
    assert (total.sums["kept"], total.sums["estimated"], total.sums["tokens_cached"]) == (1, 1, 80)
    assert report.share(report.groups[0]) == Decimal(1)


async def test_filters_hold_for_groups_totals_and_forecast(world: World, clock: HandClock) -> None:
    some_calls(world, clock)
    await roll_up(world.journal, WORKSPACE, now_us=micros_of(clock.now()))
    for where, attempts, cost in (
        (Where(key="k1"), 2, "0.6"),
        (Where(agent="coder"), 1, "0.3"),
        (Where(user="ada"), 0, "0"),
        (Where(model="small", provider="acme"), 3, "0"),
        (Where(mission="m1", key="k2"), 0, "0"),
        (Where(kind="tool"), 0, "0"),
    ):
        report = told(world, By.MODEL, where=where)
        if where.user:
            assert report.total.attempts == 5
            continue
        assert (report.total.attempts, report.total.cost) == (attempts, usd(cost)), where
        assert report.month.spent == usd(cost)
    day = micros_of(datetime(2026, 1, 2, tzinfo=UTC))
    assert told(world, By.DAY, since_us=day).total.attempts == 2
    assert told(world, By.DAY, until_us=day).total.attempts == 3
    assert told(world, By.HOUR, since_us=day - DAY_US + 1, until_us=day - DAY_US + HOUR_US).total.attempts == 1


async def test_another_workspace_sees_nothing_of_it(world: World, clock: HandClock) -> None:
    some_calls(world, clock)
    await roll_up(world.journal, WORKSPACE, now_us=micros_of(clock.now()))
    for by in By:
        found = world.store.view(lambda tx, by=by: usage(tx, "other", by=by, now_us=1))  # type: ignore[misc]
        assert (list(found.groups), found.total.attempts) == ([], 0)
    assert world.store.view(lambda tx: calls(tx, "other")).calls == []


async def test_the_forecast_goes_on_as_the_last_hours_and_days_went(world: World, clock: HandClock) -> None:
    for _ in range(10):
        write(world, call(), Usage(), cost="1")
        clock.advance(86_400)
    report = told(world, By.DAY)
    # Midnight of the eleventh: nothing today, ten dollars this month, seven of them in the last seven days.
    assert (report.day.spent, report.day.projected) == (ZERO, ZERO)
    assert (report.month.spent, report.month.projected) == (usd(10), usd(31))
    write(world, call(), Usage(), cost="1")
    clock.advance(3600)
    day = told(world, By.DAY).day
    assert day.spent == usd(1)
    assert day.projected.micros == 1_000_000 + -(-1_000_000 * 23 // 7)


# -------------------------------------------------------------------------------------------------- each call's one row


async def test_every_model_call_has_a_row_free_failed_and_unknown_ones_too(world: World) -> None:
    world.adapter.moves = [Outcome(ok=True)]
    await register(world)
    await make_key(world, "k9")
    free = call(estimate="0", key="k9", who=HELPER)
    await world.guard.run(free)
    world.adapter.moves = [ValueError("a fault")]
    failed = call(estimate="0")
    with pytest.raises(Exception, match="failed"):
        await world.guard.run(failed)
    await world.settled()
    rows = {row["action"]: row for row in world.rows(USAGE)}
    assert set(rows) == {free.id, failed.id}
    assert (rows[free.id]["key"], rows[free.id]["provider"], rows[free.id]["cost_micros"]) == ("k9", "acme", 0)
    assert all(row["settled_us"] is not None for row in rows.values())


async def test_calls_are_listed_newest_first_page_by_page(world: World, clock: HandClock) -> None:
    for number in range(25):
        write(
            world, call(key=f"k{number % 3}", who=CODER if number % 2 else OWNER), Usage(tokens_in=number), cost="0.01"
        )
        if number % 4 == 0:
            clock.advance(1)
    found: list[models_usage.Call] = []
    after, pages = "", 0
    while True:
        page = world.store.view(lambda tx, after=after: calls(tx, WORKSPACE, limit=10, after=after))  # type: ignore[misc]
        found += page.calls
        pages += 1
        after = page.after
        if not after:
            break
    assert pages == 3
    assert len({each.action for each in found}) == 25
    order = [(each.opened_us, each.action) for each in found]
    assert order == sorted(order, reverse=True)
    mine = world.store.view(lambda tx: calls(tx, WORKSPACE, where=Where(key="k1", agent="coder")))
    assert Counter(each.tokens_in for each in mine.calls) == Counter([1, 7, 13, 19])
    assert mine.calls[0].as_json()["seconds"] == 1.5
    for wrong in ("x", "12", "12."):
        with pytest.raises(InvalidInput, match="no place"):
            world.store.view(lambda tx, wrong=wrong: calls(tx, WORKSPACE, after=wrong))  # type: ignore[misc]
    with pytest.raises(InvalidInput, match="1 to 1000"):
        world.store.view(lambda tx: calls(tx, WORKSPACE, limit=0))


async def test_an_unknown_cost_is_told_as_unknown_and_an_open_call_as_reserved(world: World) -> None:
    write(world, call(estimate="0", priced=False), Usage(), cost="0")
    begin = intent(call(), SAID, target="x", policy_rev="r", facts="{}", now_us=micros_of(world.clock.now()) + 1)
    world.store.write("guard.intent", begin)
    opened, unknown = world.store.view(lambda tx: calls(tx, WORKSPACE)).calls
    assert (opened.cost, opened.reserved, opened.settled_us) == (None, usd("0.5"), None)
    assert (unknown.cost, unknown.reserved) == (None, ZERO)
    assert unknown.as_json()["cost_usd"] is None


async def test_who_looks_for_what_is_rare_looks_at_a_bounded_part(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: HandClock
) -> None:
    monkeypatch.setattr(models_usage, "LOOKED_AT", 10)
    write(world, call(SMALL), Usage(), cost="0.01")
    for _ in range(15):
        clock.advance(1)
        write(world, call(), Usage(), cost="0.01")
    where = Where(model="small")
    first = world.store.view(lambda tx: calls(tx, WORKSPACE, where=where))
    assert (list(first.calls), bool(first.after)) == ([], True)
    second = world.store.view(lambda tx: calls(tx, WORKSPACE, where=where, after=first.after))
    assert ([each.model for each in second.calls], second.after) == (["small"], "")


# ---------------------------------------------------------------------------------------------------- bounded, whatever


def fill(folder: Path, *, rolled: int, fresh: int) -> None:
    """A ledger of a month, straight into the file."""
    start = micros_of(datetime(2026, 1, 1, tzinfo=UTC))
    amounts = {column.name: 1 for column in USAGE.c if column.name.endswith(("_micros", "_bytes", "_ms"))}
    with closing(sqlite3.connect(folder / "remit.db")) as db:
        for number in range(rolled + fresh):
            row = {
                **amounts,
                **dict.fromkeys(("tokens_in", "tokens_out", "tokens_cached", "estimated", "kept"), 1),
                **dict.fromkeys(
                    ("mission", "step", "provider", "model", "principal", "on_behalf_of"), f"x{number % 7}"
                ),
                "action": f"a{number:07}",
                "workspace": WORKSPACE,
                "attempt": 1,
                "kind": "model",
                "priced": 1,
                "holds": "[]",
                "opened_us": start + number * 400_000_000,
                "settled_us": start + number * 400_000_000 + 5,
                "rolled": int(number < rolled),
                "key": f"k{number % 50}",
            }
            names = ", ".join(row)
            db.execute(f"INSERT INTO usage ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))  # noqa: S608 - our own names
        db.execute("ANALYZE")
        db.commit()


def plan(folder: Path, statement: Any, values: dict[str, object]) -> str:
    """SQLite's plan for a statement as the store sends it."""
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    given = {**compiled.params, **values}
    with closing(sqlite3.connect(folder / "remit.db")) as db:
        return "; ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {compiled}", given))


def test_no_page_and_no_sum_reads_the_whole_ledger(tmp_path: Path) -> None:
    with make_store(tmp_path):
        pass
    fill(tmp_path, rolled=6000, fresh=200)
    values: dict[str, object] = {"of": WORKSPACE, "since": 0, "until": 1 << 62, "last": "", "most": 10}
    given: dict[str, object] = {
        f"only_{name}": "x1" for name in ("agent", "user", "key", "mission", "provider", "model", "kind")
    }
    for names in (frozenset[str](), frozenset({"key"}), frozenset({"mission", "model"})):
        for by in By:
            hours, fresh = statements(by, names)
            assert "usage_hour USING" in plan(tmp_path, hours, {**values, **given}), by
            assert "SCAN" not in plan(tmp_path, hours, {**values, **given}), by
            assert "ix_usage_unrolled (workspace=?" in plan(tmp_path, fresh, {**values, **given}), by
    wanted = {
        frozenset[str](): "ix_usage_workspace_opened_us (workspace=?",
        frozenset({"key"}): "ix_usage_key (workspace=? AND key=?",
        frozenset({"mission"}): "ix_usage_workspace_mission_opened_us (workspace=? AND mission=?",
    }
    for indexed, index in wanted.items():
        page = plan(tmp_path, models_usage._page(indexed), {**values, **given})  # pyright: ignore[reportPrivateUsage]
        assert index in page, page
        assert "SCAN" not in page
    take = plan(tmp_path, budget_rollup._TAKE, values)  # pyright: ignore[reportPrivateUsage]
    assert "ix_usage_unrolled (workspace=?" in take, take
    assert "SCAN" not in take, take


async def test_a_busy_hour_is_taken_in_before_it_is_over_in_batches(tmp_path: Path) -> None:
    with make_store(tmp_path) as store:
        fill(tmp_path, rolled=0, fresh=2500)
        start = micros_of(datetime(2026, 1, 1, tzinfo=UTC))
        before = store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.KEY))
        assert await roll_up(store, WORKSPACE, now_us=start) == 2000  # the rest is no batch yet, and its hour not over
        assert await roll_up(store, WORKSPACE, now_us=start) == 0
        assert [each.as_json() for each in store.view(lambda tx: usage_by(tx, WORKSPACE, by=By.KEY))] == [
            each.as_json() for each in before
        ]
        left = store.view(lambda tx: tx.rows(select(USAGE.c.action).where(USAGE.c.rolled == 0)))
        assert len(left) == 500


async def test_two_workers_take_each_attempt_in_once(opener: Opener, clock: HandClock) -> None:
    first, second = await make_world(opener(), clock=clock), opener()
    some_calls(first, clock)
    clock.advance(7200)
    now_us = micros_of(clock.now())
    taken = await asyncio.gather(*(roll_up(store, WORKSPACE, now_us=now_us) for store in (first.store, second) * 3))
    assert sum(taken) == 5
    assert sum(row["attempts"] for row in first.rows(USAGE_HOUR)) == 5


# ------------------------------------------------------------------------------------------- whatever happens, in order


class Hours(RuleBasedStateMachine):
    """Hourly sums beside the rows: any order of opening, settling late, cancelling, dying, rolling up."""

    running: Bundle[Action] = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = HandClock()
        self.store: SqliteStore = make_store(Path(self.folder.name))

    @property
    def now_us(self) -> int:
        return micros_of(self.clock.now())

    @rule(
        target=running,
        model=st.sampled_from([SMALL, LARGE]),
        key=st.sampled_from(["", "k1", "k2"]),
        mission=st.sampled_from(["", "m1"]),
        estimate=st.sampled_from([0, 5]),
        priced=st.booleans(),
    )
    def open(self, *, model: Model, key: str, mission: str, estimate: int, priced: bool) -> Action:
        action = replace(
            act(model, mission=mission, principal=Principal(ActorKind.AGENT, "a"), estimate=Money(estimate)),
            key=key,
            priced=priced,
            id=new_id(),
        )
        begin = intent(action, SAID, target="x", policy_rev="r", facts="{}", now_us=self.now_us, owner="dead")
        self.store.write("guard.intent", begin)
        return action

    @rule(
        action=consumes(running),
        state=st.sampled_from([State.OK, State.FAILED, State.CANCELLED, State.UNUSED]),
        cost=st.sampled_from([0, 3, 9]),
        tokens=st.integers(0, 5),
        estimated=st.booleans(),
        kept=st.booleans(),
    )
    def settle(self, *, action: Action, state: State, cost: int, tokens: int, estimated: bool, kept: bool) -> None:
        used = Usage(
            "", "", tokens_in=tokens, tokens_cached=tokens, estimated=estimated, kept=kept, saved=Money(tokens)
        )
        ending = Ending(state, "", cost=Money(cost), usage=used)
        end = outcome(action, ending, policy_rev="r", now_us=self.now_us, lenient=True)
        self.store.write("guard.outcome", end)

    @rule()
    def die(self) -> None:
        self.loop.run_until_complete(
            expire(self.store, WORKSPACE, alive={"dead": False}.get, alone=False, now_us=self.now_us)
        )

    @rule()
    def resume(self) -> None:
        self.store.write("guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=self.now_us))

    @rule(seconds=st.sampled_from([1, 1800, 3600, 90_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(ahead=st.sampled_from([0, 0, 7200]))
    def roll(self, ahead: int) -> None:
        """Also by a worker whose clock is ahead."""
        self.loop.run_until_complete(roll_up(self.store, WORKSPACE, now_us=self.now_us + ahead * 1_000_000))

    @rule()
    def roll_undone(self) -> None:
        """It dies between taking and committing: nothing of it stands."""

        def op(tx: Any) -> None:
            values = {"of": WORKSPACE, "until": 1 << 62}
            budget_rollup._take(tx, values)  # pyright: ignore[reportPrivateUsage]
            message = "died"
            raise InvalidInput(message)

        with pytest.raises(InvalidInput):
            self.store.write("guard.budget", op)

    @invariant()
    def the_sums_are_those_of_the_rows(self) -> None:
        names = ("attempts", "unpriced", *budget_rollup.SUMS)
        parties = ("principal", "on_behalf_of", "mission", "kind", "provider", "model", "key")
        rows = self.store.view(lambda tx: tx.rows(select(USAGE)))
        want: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        rolled: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for row in rows:
            each = {"attempts": 1, "unpriced": 1 - row["priced"], **{name: row[name] for name in budget_rollup.SUMS}}
            at = (row["opened_us"] - row["opened_us"] % HOUR_US, *(row[name] for name in parties))
            if row["settled_us"] is not None:
                want[at].update(each)
            if row["rolled"]:
                assert row["settled_us"] is not None
                rolled[at].update(each)
        hours = self.store.view(lambda tx: tx.rows(select(USAGE_HOUR)))
        have = {
            (row["hour_us"], *(row[name] for name in parties)): Counter({name: row[name] for name in names})
            for row in hours
        }
        assert have == rolled
        for by, place in ((By.KEY, 7), (By.MODEL, None), (By.DAY, None)):
            found = self.store.view(lambda tx, by=by: usage_by(tx, WORKSPACE, by=by))  # type: ignore[misc]
            assert sum(used.attempts for used in found) == sum(each["attempts"] for each in want.values())
            assert sum(used.cost.micros for used in found) == sum(each["cost_micros"] for each in want.values())
            if place is not None:
                keys: Counter[str] = Counter()
                for at, each in want.items():
                    keys[at[place] or "none"] += each["saved_micros"]
                assert {used.key: used.saved.micros for used in found} == dict(keys)

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()
        self.folder.cleanup()


TestHours = Hours.TestCase
TestHours.settings = settings(
    max_examples=300 if os.environ.get("REMIT_PROVE") else 8,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
