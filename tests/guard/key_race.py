"""Callers in several processes race for what one key has left; each process is this file, told by lines of JSON.

A round: a key whose budget, tokens or requests fit exactly k calls. Every call reserves one k-th before it is forwarded
and uses exactly that, so exactly k may pass, however many ask at once and wherever. In rounds with disconnects callers
go away at random moments, while they wait to be admitted or while their answer streams; those pay for what was counted
until then, so no more than k's worth is ever spent, every call is settled once and none stays reserved.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.key_orders import create_key
from remit.accounts.keys import Key
from remit.accounts.owner import create_local_owner
from remit.accounts.tables import BUDGET
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key as create_signer
from remit.adapters.store.keyfile import load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import rate_limits
from remit.guard.budget_audit import check_ledger
from remit.guard.guard import Guard
from remit.guard.rate_limits import Limit, Measure, Per
from remit.guard.rate_tables import RATE_TAKEN
from remit.guard.rules.revisions import save
from remit.guard.tables import ACTION
from remit.kernel import permits
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Model
from remit.kernel.errors import BudgetExceeded, RateLimited
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import Money
from remit.kernel.permits import Head
from remit.kernel.usage import Usage
from remit.redact.redactor import Redactor

WORKSPACE = "race"
OWNER = Principal(ActorKind.USER, "ada")
HELPER = Principal(ActorKind.AGENT, "helper")
CLOCK = SystemClock()
PRICE = 1_000  # micros of one call
YEAR = 365 * 86_400  # a period so long that nothing refills during a race


@dataclass(frozen=True, slots=True)
class Raced:
    """One round: what was raced for, how many fit, how many passed whole, what is wrong (nothing, it should be)."""

    what: str
    fits: int
    passed: int
    left: int
    wrong: tuple[str, ...]


class Upstream:
    """Answers in pieces and says what it has used so far, as the adapter of models does."""

    def __init__(self, seed: int) -> None:
        self.rand = random.Random(seed)

    async def perform(self, action: Action) -> Outcome:
        delivery = permits.delivery()
        assert delivery is not None
        effect = action.effect
        assert isinstance(effect, Model)
        tokens = rate_limits.estimate(action, Measure.TOKENS)
        permits.first_byte()
        await delivery.begin(Head(200))
        for piece in range(1, 4):
            permits.spent(Money(PRICE * piece // 4), Usage("acme", "m", tokens_in=tokens * piece // 4, estimated=True))
            await delivery.write(b"piece")
            await asyncio.sleep(self.rand.random() * 0.002)
        return Outcome(ok=True, cost=Money(PRICE), usage=Usage("acme", "m", tokens_in=tokens))


class Sink:
    """A client that keeps nothing."""

    async def begin(self, head: Head) -> None:
        del head

    async def write(self, data: bytes) -> None:
        del data


def open_store(folder: Path, url: str) -> Store:
    signer = load_key(folder / "audit.key")
    if url:
        return PostgresStore(url, [signer], heads=folder / "heads.log")
    return SqliteStore(folder / "remit.db", [signer], heads=folder / "heads.log")


def guard_on(store: Store, seed: int) -> Guard:
    redactor = Redactor(b"tests only: 16 bytes or more")
    return Guard(store, {"model": Upstream(seed)}, redactor=redactor, clock=CLOCK, rand=lambda: 0.0)


def asking(key: str) -> Action:
    return Action(
        id=new_id(),
        effect=Model("acme", "m", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 40}),
        principal=HELPER,
        on_behalf_of=OWNER,
        workspace=WORKSPACE,
        estimate=Money(PRICE),
        key=key,
    )


async def one(guard: Guard, key: str, goes_after: float | None) -> str:
    """``passed``, ``refused``, or ``gone``: its caller went away first."""
    task = asyncio.create_task(guard.run(asking(key), tap=Sink()))
    if goes_after is not None:
        await asyncio.sleep(goes_after)
        task.cancel()
    try:
        await task
    except (BudgetExceeded, RateLimited):
        return "refused"
    except asyncio.CancelledError:
        return "gone"
    return "passed"


async def together(guard: Guard, told: dict[str, Any]) -> dict[str, int]:
    """All callers of a process at once; how each ended."""
    await guard.register.refresh(WORKSPACE)
    rand = random.Random(told["seed"])
    after = [rand.random() * 0.05 if rand.random() < told["leaving"] else None for _ in range(told["callers"])]
    ended = await asyncio.gather(*(one(guard, told["key"], each) for each in after))
    await guard.journal.commit("guard.settle", lambda _tx: None)  # what was queued for those who left is written
    return {name: ended.count(name) for name in ("passed", "refused", "gone")}


async def serve(folder: Path, url: str) -> None:
    """One process: runs until its input ends."""
    store = open_store(folder, url)
    guard = guard_on(store, 7)
    loop = asyncio.get_running_loop()
    try:
        print("ready", flush=True)  # noqa: T201 - the line that the race reads
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await together(guard, json.loads(line))), flush=True)  # noqa: T201 - as above
    finally:
        store.close()


@contextmanager
def processes(number: int, folder: Path, url: str) -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield started
    finally:
        for each in started:
            assert each.stdin is not None
            assert each.stdout is not None
            each.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                each.wait(60)
            if each.poll() is None:
                each.kill()
                each.wait()
            each.stdout.close()


async def prepare(store: Store) -> None:
    await create_local_owner(store, workspace=WORKSPACE, user="ada", name="Ada", clock=CLOCK)
    agent = Agent(WORKSPACE, "helper", "ada", kind="gateway", effects=frozenset({"model"}))
    await register_agent(store, agent, by=OWNER, clock=CLOCK)
    await save(store, "use: []\n", workspace=WORKSPACE, name="r.yaml", reason="race", by=OWNER, clock=CLOCK)
    for shipped in ("model.tokens",):
        await rate_limits.lift_limit(store, shipped, workspace=WORKSPACE, by=OWNER, clock=CLOCK)


async def limited(store: Store, key: str, what: str, fits: int) -> None:
    """A key with room for exactly so many calls."""
    made = Key(WORKSPACE, key, "helper", "ada")
    await create_key(store, made, by=OWNER, clock=CLOCK, rand=secrets.token_bytes)
    if what == "money":
        limit = Money(fits * PRICE)
        await set_limit(store, BudgetScope.KEY, workspace=WORKSPACE, name=key, limit=limit, by=OWNER)
        return
    measure = Measure(what)
    amount = fits if measure is Measure.REQUESTS else fits * rate_limits.estimate(asking(key), Measure.TOKENS)
    bound = Limit(f"key.{key}.{what}", Per.KEY, amount, YEAR, measure=measure, key=key)
    await rate_limits.set_limit(store, bound, workspace=WORKSPACE, by=OWNER, clock=CLOCK)


def judged(store: Store, key: str, fits: int, *, told: dict[str, int], leaving: float) -> tuple[str, ...]:
    """What the store says that should not be."""
    store.seal()
    rows = [row for row in store.view(lambda tx: tx.rows(select(ACTION))) if row["key"] == key]
    wrong: list[str] = []
    passed = sum(row["state"] == "ok" for row in rows)
    if any(row["state"] == "open" for row in rows):
        wrong.append("an action is open")
    if store.view(lambda tx: tx.rows(select(RATE_TAKEN))):
        wrong.append("something taken is not settled")
    if passed < told["passed"] or (not leaving and passed != told["passed"]):
        wrong.append(f"{told['passed']} callers passed, {passed} actions did")
    if passed > fits:
        wrong.append(f"{passed} passed where {fits} fit")
    if not leaving and passed != fits:
        wrong.append(f"{passed} passed, not exactly {fits}")
    wrong += [
        f"{row['reserved']} reserved, {row['spent']} spent of {row['limit_micros']}"
        for row in store.view(lambda tx: tx.rows(select(BUDGET)))
        if row["name"] == key and (row["reserved"] or row["spent"] > row["limit_micros"])
    ]
    wrong += store.view(lambda tx: check_ledger(tx, tx, WORKSPACE))
    return tuple(wrong)


def key_race(
    folder: Path,
    *,
    url: str = "",
    rounds: int,
    callers: int = 60,
    workers: int = 2,
    seed: int = 0,
    leaving: float = 0.0,
) -> list[Raced]:
    """Race ``callers`` in ``workers`` processes and this one for a key with room for k, ``rounds`` times, k at random.

    ``leaving``: which share of the callers goes away within 50 ms.
    """
    rand = random.Random(seed)
    folder.mkdir(exist_ok=True)
    create_signer(folder / "audit.key")
    (folder / "heads.log").touch()
    store = open_store(folder, url)
    found: list[Raced] = []
    try:
        store.migrate()
        asyncio.run(prepare(store))
        with processes(workers, folder, url) as started:
            for number in range(rounds):
                what = ("money", "tokens", "requests")[number % 3]
                fits, key = rand.randint(1, 10), f"key-{number}"
                asyncio.run(limited(store, key, what, fits))
                share = callers // (workers + 1)
                orders = [
                    {"key": key, "callers": share, "leaving": leaving, "seed": rand.getrandbits(32)}
                    for _ in range(workers + 1)
                ]
                for each, order in zip(started, orders[1:], strict=True):
                    assert each.stdin is not None
                    each.stdin.write(json.dumps(order) + "\n")
                    each.stdin.flush()
                told = asyncio.run(together(guard_on(store, number), orders[0]))
                for each in started:
                    assert each.stdout is not None
                    more = json.loads(each.stdout.readline())
                    told = {name: told[name] + more[name] for name in told}
                wrong = judged(store, key, fits, told=told, leaving=leaving)
                found.append(Raced(what, fits, told["passed"], told["gone"], wrong))
        assert store.verify().ok
    finally:
        store.close()
    return found


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
