"""Rows that the operations of a batch move one after another: read once, written once, and nobody can tell."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from sqlalchemy import bindparam, insert, select, update

from remit.accounts.budget_periods import Period, start_of
from remit.accounts.budget_tables import BUDGET
from remit.adapters.store.journal import Store
from remit.adapters.store.transaction import WriteTransaction
from remit.guard import budget
from remit.guard.gcra import Demand
from remit.guard.rate_store import SqlRates
from remit.guard.rate_tables import RATE
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Model
from remit.kernel.errors import BudgetExceeded, RemitError
from remit.kernel.ids import new_id
from remit.kernel.money import Money

ADD = insert(RATE)
READ = select(RATE.c.key, RATE.c.tat_us).order_by(RATE.c.key)
MOVE = update(RATE).where(RATE.c.key == bindparam("which")).values(tat_us=bindparam("to"))
NOW_US = 1_790_000_000_000_000
AGENT = Principal(ActorKind.AGENT, "coder")
ROOM = Demand("b", 3_600_000_000, 1000, 3)  # so slow that nothing comes back meanwhile


class Tally:
    """All buckets, as somebody who counts in memory would keep them."""

    tables: ClassVar = frozenset({RATE.name})
    made = 0
    written = 0

    def __init__(self) -> None:
        Tally.made += 1
        self._rows: dict[str, int] = {}

    def one_more(self, tx: WriteTransaction, key: str) -> int:
        if key not in self._rows:
            self._rows |= {row["key"]: row["tat_us"] for row in tx.stored(READ) if row["key"] not in self._rows}
        self._rows[key] += 1
        return self._rows[key]

    def write(self, tx: Any) -> None:
        Tally.written += 1
        tx.execute(MOVE, [{"which": key, "to": value} for key, value in self._rows.items()])


@pytest.fixture(autouse=True)
def fresh(store: Store) -> None:
    Tally.made = Tally.written = 0
    rows = [{"workspace": "w", "key": key, "mission": "", "tat_us": 0} for key in "ab"]
    store.write("step.start", lambda tx: tx.execute(ADD, rows))


def moves(key: str) -> Callable[[WriteTransaction], int]:
    def op(tx: WriteTransaction) -> int:
        kept = tx.kept(Tally)
        if kept is not None:
            return kept.one_more(tx, key)
        before = {row["key"]: row["tat_us"] for row in tx.rows(READ)}[key]
        tx.execute(MOVE, {"which": key, "to": before + 1})
        return before + 1

    return op


def found(store: Store) -> dict[str, int]:
    return {row["key"]: row["tat_us"] for row in store.view(lambda tx: tx.rows(READ))}


async def together(store: Store, *ops: Callable[[WriteTransaction], Any]) -> list[Any]:
    """The operations as one batch; each one's answer, or what it raised."""
    futures = [asyncio.wrap_future(store.submit("step.start", op)) for op in ops]
    return await asyncio.gather(*futures, return_exceptions=True)


async def test_a_batch_reads_once_and_writes_once(store: Store) -> None:
    assert await together(store, moves("a"), moves("b"), moves("a"), moves("a")) == [1, 1, 2, 3]
    assert (Tally.made, Tally.written) == (1, 1)
    assert found(store) == {"a": 3, "b": 1}


async def test_who_is_alone_keeps_nothing(store: Store) -> None:
    assert await together(store, moves("a")) == [1]
    assert Tally.made == 0
    assert found(store) == {"a": 1, "b": 0}


async def test_who_reads_or_writes_the_table_finds_what_was_moved(store: Store) -> None:
    def doubles(tx: WriteTransaction) -> int:
        now = {row["key"]: row["tat_us"] for row in tx.rows(READ)}["a"]
        tx.execute(MOVE, {"which": "a", "to": 2 * now})
        return now

    def waits(tx: WriteTransaction) -> int:
        tx.put(MOVE, {"which": "a", "to": 50})
        return 50

    assert await together(store, moves("a"), moves("a"), doubles, moves("a")) == [1, 2, 2, 5]
    assert await together(store, moves("a"), waits, moves("a"), moves("b")) == [6, 50, 51, 1]
    assert found(store) == {"a": 51, "b": 1}


async def test_one_that_fails_takes_only_its_own_with_it(store: Store) -> None:
    def fails(tx: WriteTransaction) -> None:
        moves("a")(tx)
        message = "no"
        raise RuntimeError(message)

    told = await together(store, moves("a"), fails, moves("a"))
    assert [told[0], told[2]] == [1, 2]
    assert isinstance(told[1], RuntimeError)
    assert found(store) == {"a": 2, "b": 0}


async def test_what_can_not_be_written_back_harms_only_its_operations(store: Store) -> None:
    class Broken(Tally):
        def write(self, tx: Any) -> None:
            tx.execute(ADD, {"workspace": "w", "key": "a", "mission": "", "tat_us": 1})

    def broken(tx: WriteTransaction) -> None:
        kept = tx.kept(Broken)
        (kept or Broken()).one_more(tx, "a")
        if kept is None:
            Broken().write(tx)

    told = await together(store, moves("b"), broken, moves("b"))
    assert [told[0], told[2]] == [1, 2]
    assert isinstance(told[1], RemitError)
    assert found(store) == {"a": 0, "b": 2}


# --------------------------------------------------------------------------------------------- those who keep something


def limit(scope: str, name: str, period: Period, micros: int) -> dict[str, object]:
    return {
        "workspace": "w",
        "scope": scope,
        "name": name,
        "period": period.value,
        "limit_micros": micros,
        "starts_us": start_of(period, NOW_US),
        "spent": 0,
        "reserved": 0,
        "carried": 0,
    }


def counters(store: Store) -> dict[tuple[str, str], tuple[int, int]]:
    rows = store.view(lambda tx: tx.rows(select(BUDGET)))
    return {(row["scope"], row["period"]): (row["spent"], row["reserved"]) for row in rows}


def reserves(action: Action) -> Callable[[WriteTransaction], Any]:
    return lambda tx: budget.reserve(tx, action, now_us=NOW_US)


def settles(action: Action, opened: Any, cost: int, *, now_us: int = NOW_US) -> Callable[[WriteTransaction], None]:
    payer = budget.payer_of(action)
    return lambda tx: budget.settle(
        tx, payer, cost=Money(cost), by=AGENT, opened_us=NOW_US, now_us=now_us, opened=opened
    )


def asked(estimate: int, principal: Principal = AGENT) -> Action:
    owner = Principal(ActorKind.USER, "ada")
    effect = Model("openai", "m", {})
    return Action(new_id(), effect, principal, owner, "w", estimate=Money(estimate))


async def test_exactly_what_fits_a_budget_is_reserved_by_a_batch(store: Store) -> None:
    store.write("step.start", lambda tx: tx.execute(insert(BUDGET), [limit("workspace", "", Period.MONTH, 100)]))
    actions = [asked(30) for _ in range(5)]
    told = await together(store, *(reserves(each) for each in actions))
    assert [isinstance(each, BudgetExceeded) for each in told] == [False, False, False, True, True]
    assert counters(store) == {("workspace", "month"): (0, 90)}


async def test_a_batch_moves_the_counters_of_several_payers(store: Store) -> None:
    """Two agents share the workspace's counter; in between, a limit is set."""
    other = Principal(ActorKind.AGENT, "other")
    limits = [limit("workspace", "", Period.MONTH, 10_000), limit("agent", "coder", Period.DAY, 10_000)]
    store.write("step.start", lambda tx: tx.execute(insert(BUDGET), limits))
    actions = [asked(30), asked(40, other), asked(50)]

    def late(tx: WriteTransaction) -> None:
        tx.execute(insert(BUDGET), [limit("agent", "other", Period.TOTAL, 10_000)])

    opened = await together(store, *(reserves(each) for each in actions), late)
    assert counters(store) == {("workspace", "month"): (0, 120), ("agent", "day"): (0, 80), ("agent", "total"): (0, 0)}
    ends = [settles(action, each, 20) for action, each in zip(actions, opened, strict=False)]
    assert await together(store, *ends) == [None, None, None]
    assert counters(store) == {("workspace", "month"): (60, 0), ("agent", "day"): (40, 0), ("agent", "total"): (20, 0)}


async def test_what_is_settled_when_its_period_is_over_is_charged_to_that_one(store: Store) -> None:
    store.write("step.start", lambda tx: tx.execute(insert(BUDGET), [limit("workspace", "", Period.DAY, 1000)]))
    tomorrow = NOW_US + 86_400_000_000
    old, new = asked(30), asked(50)
    (opened, _) = await together(store, reserves(old), reserves(asked(7)))

    def begun(tx: WriteTransaction) -> None:
        budget.reserve(tx, new, now_us=tomorrow)

    told = await together(store, begun, settles(old, opened, 25, now_us=tomorrow))
    assert not any(isinstance(each, Exception) for each in told)
    assert counters(store) == {("workspace", "day"): (0, 50)}


async def test_a_batch_takes_from_a_bucket_what_each_would_take_alone(store: Store) -> None:
    store.write("step.start", lambda tx: SqlRates(tx, "w").take([ROOM]))

    def takes(tx: WriteTransaction) -> Any:
        return SqlRates(tx, "w").take([ROOM])

    def gives(tx: WriteTransaction) -> None:
        SqlRates(tx, "w").add(ROOM, -2)

    assert await together(store, takes, gives, takes, takes) == [None] * 4
    level = store.write("step.start", lambda tx: SqlRates(tx, "w").peek(ROOM))
    assert level.remaining == 1000 - 4 * 3 + 2


async def test_exactly_what_fits_a_bucket_is_taken_by_a_batch(store: Store) -> None:
    tight = Demand("tight", 3_600_000_000, 5)
    store.write("step.start", lambda tx: SqlRates(tx, "w").take([tight]))

    def takes(tx: WriteTransaction) -> bool:
        return SqlRates(tx, "w").take([tight]) is None

    told = await together(store, *([takes] * 8))
    assert told == [True] * 4 + [False] * 4
