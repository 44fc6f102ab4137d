"""The hot budget row: what the plain way costs, and whether many processes at once ever spend a micro too much.

``figures`` measures what leasing slices of a budget to each process could gain at most. Workers write intents and
outcomes as fast as they can, in three ways that take turns:

- ``shared``: all of them reserve in one workspace's budget, the hot row;
- ``own``: each in the budget of a workspace of its own: the same statements, and nobody waits for another's row;
- ``none``: the attempt's usage row is written and no budget is touched, which no slice could beat.

``budget_race`` lets 200 callers in several processes ask for a budget that suffices for k of them, again and again;
now and then a process is killed (SIGKILL) in the middle. ``python benchmarks/budget.py worker ...`` is such a process.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks.harness import fresh_database, postgres, report  # noqa: E402 - after the path
from remit.accounts.budget_periods import Period  # noqa: E402 - as above
from remit.accounts.budget_tables import BUDGET  # noqa: E402 - as above
from remit.accounts.budgets import BudgetScope, set_limit  # noqa: E402 - as above
from remit.accounts.owner import create_local_owner  # noqa: E402 - as above
from remit.adapters.store.keyfile import create_key, load_key  # noqa: E402 - as above
from remit.guard.budget_audit import check_ledger  # noqa: E402 - as above
from remit.guard.budget_expiry import expire  # noqa: E402 - as above
from remit.guard.budget_usage import open_usage, payer_of, settle_usage  # noqa: E402 - as above
from remit.guard.guard import Guard  # noqa: E402 - as above
from remit.guard.permit import both  # noqa: E402 - as above
from remit.guard.records import Ending, State, Within, intent, outcome, verdicts  # noqa: E402 - as above
from remit.guard.scene import allowed  # noqa: E402 - as above
from remit.kernel.action import Action, ActorKind, Principal  # noqa: E402 - as above
from remit.kernel.canonical import Json  # noqa: E402 - as above
from remit.kernel.clock import SystemClock, micros_of  # noqa: E402 - as above
from remit.kernel.effects import Tool  # noqa: E402 - as above
from remit.kernel.errors import BudgetExceeded  # noqa: E402 - as above
from remit.kernel.ids import new_id  # noqa: E402 - as above
from remit.kernel.mission import Outcome  # noqa: E402 - as above
from remit.kernel.money import ZERO, Money, usd  # noqa: E402 - as above
from remit.kernel.ports import ReadTx, Row  # noqa: E402 - as above
from remit.kernel.usage import NOTHING  # noqa: E402 - as above
from remit.redact.redactor import Redactor  # noqa: E402 - as above

OWNER = Principal(ActorKind.USER, "ada")
CLOCK = SystemClock()
SHARED = "shared"
WAYS = ("shared", "own", "none")
PATIENCE_S = 60.0


def _open(url: str, folder: Path) -> Any:  # noqa: ANN401 - either store
    signer = load_key(folder / "audit.key")
    if url:
        from remit.adapters.store.postgres import PostgresStore

        return PostgresStore(url, [signer], heads=folder / "heads.log")
    from remit.adapters.store.sqlite import SqliteStore

    return SqliteStore(folder / "remit.db", [signer], heads=folder / "heads.log")


def _action(
    workspace: str, *, mission: str = "", estimate: Money = ZERO, told: Mapping[str, Json] | None = None
) -> Action:
    return Action(
        id=new_id(),
        effect=Tool("nothing", told or {}),
        principal=OWNER,
        on_behalf_of=OWNER,
        workspace=workspace,
        mission=mission,
        step="s",
        estimate=estimate,
    )


# ------------------------------------------------------------------------------------------------------------ processes


@dataclass(slots=True)
class Process:
    """A worker: orders go in and answers come out, one JSON object a line."""

    popen: subprocess.Popen[str]
    name: str = ""
    callers: int = 0

    def order(self, **what: object) -> None:
        """Tell it what to do."""
        into = cast("IO[str]", self.popen.stdin)
        into.write(json.dumps(what) + "\n")
        into.flush()

    def answer(self) -> Mapping[str, Any]:
        """Its answer; nothing when it died."""
        line = cast("IO[str]", self.popen.stdout).readline()
        found: Mapping[str, Any] = json.loads(line) if line else {}
        return found

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.popen.poll() is None

    def end(self) -> None:
        """Let it close its store and go."""
        with self.popen:
            if self.lives and self.popen.stdin is not None:
                self.popen.stdin.close()
                try:
                    self.popen.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    self.popen.kill()


def _start(url: str, folder: Path, callers: int) -> Process:
    argv = [sys.executable, str(Path(__file__).resolve()), "worker", url, str(folder)]
    made = Process(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True), callers=callers)
    made.name = str(made.answer()["name"])
    return made


async def _work(url: str, folder: Path) -> None:
    name = new_id()
    store = _open(url, folder)
    guard = Guard(
        store,
        {"tool": _Paid()},
        redactor=Redactor(b"benchmarks: 16 bytes or more"),
        clock=CLOCK,
        rand=random.random,
        owner=name,
    )
    print(json.dumps({"name": name}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        do = _hammer if "way" in order else _ask
        print(json.dumps(await do(guard, store, order)), flush=True)
    store.close()


class _Paid:
    """A tool that takes a moment, and costs what it is told."""

    async def perform(self, action: Action) -> Outcome:
        """Succeed."""
        told = cast("Tool", action.effect).arguments
        await asyncio.sleep(random.random() * cast("float", told["pause_s"]))
        return Outcome(ok=True, cost=Money(cast("int", told["cost"])))


async def _ask(guard: Guard, store: Any, order: Mapping[str, Any]) -> Mapping[str, object]:  # noqa: ANN401 - either store
    """One round of the race: every caller asks at once."""
    del store

    async def one() -> str:
        told = {"cost": order["cost"], "pause_s": order["pause_s"]}
        try:
            await guard.run(
                _action(order["workspace"], mission=order["mission"], estimate=Money(order["price"]), told=told)
            )
        except BudgetExceeded:
            return "refused"
        except Exception as error:  # noqa: BLE001 - counted, and told
            return f"{type(error).__name__}: {error}"
        return "ok"

    got = await asyncio.gather(*(one() for _ in range(order["callers"])))
    other = [each for each in got if each not in {"ok", "refused"}]
    return {"ok": got.count("ok"), "refused": got.count("refused"), "other": other[:3]}


# ----------------------------------------------------------------------------------------------------------------- race


@dataclass(slots=True)
class Race:
    """What happened. ``wrong`` says what should not have."""

    rounds: int = 0
    exact: int = 0
    killed: int = 0
    left_open: int = 0
    wrong: list[str] = field(default_factory=list[str])


def budget_race(
    url: str,
    folder: Path,
    *,
    rounds: int,
    seed: int,
    callers: int = 200,
    processes: tuple[int, ...] = (4, 1, 1),
    kill_every: int = 10,
) -> Race:
    """Let ``callers`` in several processes ask at once for a budget of k, ``rounds`` times.

    Checked after each round: the counters never exceed the limit by a micro, and when every caller costs what it was
    estimated at, exactly k succeed. After a kill: what was left open is settled once. At the end, for each workspace,
    the whole ledger is computed again from attempts and audit log (``check_ledger``).

    Args:
        url: A Postgres database, or nothing for SQLite in ``folder``.
        folder: Where key, heads and database are.
        rounds: How many times.
        seed: Of budgets, prices, scopes, periods and kills.
        callers: At once.
        processes: How the callers are shared out: SQLite one server and two small writers, Postgres equal workers.
        kill_every: A process is killed in one round of so many; 0 for never.
    """
    dice = random.Random(seed)
    found = Race()
    folder.mkdir(parents=True, exist_ok=True)
    create_key(folder / "audit.key")
    share = [max(callers * part // sum(processes), 1) for part in processes]
    share[0] += callers - sum(share)
    with ExitStack() as stack:
        store = _open(url, folder)
        stack.callback(store.close)
        store.migrate()
        workers = [_start(url, folder, part) for part in share]
        stack.callback(lambda: [each.end() for each in workers])
        for number in range(rounds):
            kill = bool(kill_every) and number % kill_every == kill_every - 1
            _round(store, workers, number, dice, found, kill=kill)
            for place, each in enumerate(workers):
                if not each.lives:
                    each.end()
                    workers[place] = _start(url, folder, each.callers)
        store.seal()
        for number in range(rounds):
            found.wrong += store.view(_checked(f"race-{number}"))
        if not store.verify().ok:
            found.wrong.append("the audit log does not verify")
    return found


def _round(store: Any, workers: list[Process], number: int, dice: random.Random, found: Race, *, kill: bool) -> None:  # noqa: ANN401 - either store
    workspace, mission = f"race-{number}", f"mission-{number}"
    total = sum(each.callers for each in workers)
    price, k = dice.randint(1, 5_000_000), dice.randint(0, total)
    cost = price if dice.random() < 0.75 else dice.randint(0, price)
    most = k * price + dice.randrange(price)
    scope, name = dice.choice(((BudgetScope.WORKSPACE, ""), (BudgetScope.MISSION, mission)))
    period = dice.choice(tuple(Period))
    asyncio.run(create_local_owner(store, workspace=workspace, user=OWNER.id, name="Ada", clock=CLOCK))
    order = set_limit(store, scope, workspace=workspace, name=name, limit=Money(most), by=OWNER, period=period)
    asyncio.run(order)
    for each in workers:
        each.order(
            workspace=workspace,
            mission=mission,
            price=price,
            cost=cost,
            callers=each.callers,
            pause_s=0.5 if kill else 0.004,
        )
    if kill:
        time.sleep(0.05 + dice.random() * 0.4)
        dice.choice(workers).popen.kill()
        found.killed += 1
    answers = [each.answer() for each in workers]
    names = {each.name: bool(answer) for each, answer in zip(workers, answers, strict=True)}
    now_us = micros_of(CLOCK.now()) + 2 * 3_600_000_000  # an hour and more later no mission comes back for it
    settled = asyncio.run(expire(store, workspace, alive=names.get, alone=False, now_us=now_us))
    found.left_open += len(settled)
    found.rounds += 1
    where = f"round {number} ({scope.value}, {period.value}, {k} of {total} at {price}, cost {cost})"
    (row,) = store.view(_counters(workspace))
    if row["spent"] > most or row["reserved"]:
        found.wrong.append(f"{where}: {row['spent']} spent and {row['reserved']} reserved of {most}")
    other = [each for answer in answers for each in answer.get("other", ())]
    if other:
        found.wrong.append(f"{where}: {other[0]}")
    if not kill:
        _judge(row, answers, where, found, k=k, price=price, cost=cost)


def _counters(workspace: str) -> Callable[[ReadTx], list[Row]]:
    return lambda tx: [row for row in tx.rows(BUDGET.select()) if row["workspace"] == workspace]


def _checked(workspace: str) -> Callable[[Any], list[str]]:
    return lambda tx: check_ledger(tx, tx, workspace)


def _judge(
    row: Mapping[str, Any],
    answers: list[Mapping[str, Any]],
    where: str,
    found: Race,
    *,
    k: int,
    price: int,
    cost: int,
) -> None:
    passed = sum(int(answer["ok"]) for answer in answers)
    if row["spent"] != passed * cost:
        found.wrong.append(f"{where}: {passed} succeeded, yet {row['spent']} was spent")
    if cost == price:
        found.exact += 1
        if passed != k:
            found.wrong.append(f"{where}: {passed} succeeded")
    elif passed < k:
        found.wrong.append(f"{where}: only {passed} succeeded")


# --------------------------------------------------------------------------------------------------------------- slices


async def _hammer(guard: Guard, store: Any, order: Mapping[str, Any]) -> Mapping[str, object]:  # noqa: ANN401 - either store
    """Write intents and outcomes until the time is over; how many, and how long an intent took."""
    del guard
    way, until = order["way"], time.monotonic() + float(order["seconds"])
    workspace = SHARED if way != "own" else order["own"]
    waits: list[float] = []

    async def one(number: int) -> None:
        while time.monotonic() < until:
            begin, close = _writes(workspace, f"{order['own']}-{number}", touch=way != "none")
            began = time.perf_counter()
            await store.commit("guard.intent", begin)
            waits.append(time.perf_counter() - began)
            await store.commit("guard.outcome", close)

    await asyncio.gather(*(one(number) for number in range(order["callers"])))
    return {"attempts": len(waits), "p95_ms": 1000 * sorted(waits)[int(len(waits) * 0.95)] if waits else 0.0}


_SAID = verdicts((allowed("budget"),))


def _writes(workspace: str, mission: str, *, touch: bool) -> tuple[Within, Within]:
    cost = Money(1) if touch else ZERO
    action = _action(workspace, mission=mission, estimate=cost)
    ending = Ending(State.OK, "", outcome=Outcome(ok=True, cost=cost), cost=cost)
    begin = intent(action, _SAID, target="nothing", policy_rev="bench", facts="{}", now_us=1)
    close = outcome(action, ending, policy_rev="bench", now_us=2, lenient=False)
    if touch:
        return begin, close
    payer = payer_of(action)
    return (
        both(begin, lambda tx: open_usage(tx, payer, estimate=1, priced=True, holds=(), opened_us=1)),
        both(close, lambda tx: [settle_usage(tx, payer, cost=1, usage=NOTHING, now_us=2)].clear()),
    )


@contextmanager
def _hammers(url: str, folder: Path, *, workers: int, callers: int) -> Generator[list[Process]]:
    folder.mkdir(parents=True, exist_ok=True)
    create_key(folder / "audit.key")
    with _open(url, folder) as store:
        store.migrate()
        for workspace in (SHARED, *(f"own-{number}" for number in range(workers))):
            asyncio.run(create_local_owner(store, workspace=workspace, user=OWNER.id, name="Ada", clock=CLOCK))
            scope = BudgetScope.WORKSPACE
            asyncio.run(set_limit(store, scope, workspace=workspace, name="", limit=usd(1_000_000), by=OWNER))
    running = [_start(url, folder, callers) for _ in range(workers)]
    try:
        yield running
    finally:
        for each in running:
            each.end()


def _rates(url: str, folder: Path, *, workers: int, callers: int, seconds: float, turns: int) -> dict[str, float]:
    """Attempts a second by way, all workers together: medians over the turns; and each way's p95 of an intent."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    waits: dict[str, list[float]] = {way: [] for way in WAYS}
    with _hammers(url, folder, workers=workers, callers=callers) as running:
        for _ in range(turns):
            for way in WAYS:
                for number, each in enumerate(running):
                    each.order(way=way, own=f"own-{number}", callers=callers, seconds=seconds)
                answers = [each.answer() for each in running]
                rates[way].append(sum(answer["attempts"] for answer in answers) / seconds)
                waits[way].append(max(answer["p95_ms"] for answer in answers))
    return {
        **{f"{way}_per_s": round(statistics.median(rates[way]), 1) for way in WAYS},
        **{f"{way}_p95_ms": round(statistics.median(waits[way]), 2) for way in WAYS},
    }


def figures(*, small: bool = False) -> dict[str, object]:
    """Attempts a second on a hot budget, beside the same without one: what slices could gain at most."""
    seconds, turns = (0.4, 1) if small else (3.0, 5)
    found: dict[str, object] = {}
    ratios: dict[str, object] = {}

    def measure(name: str, url: str, folder: Path, workers: int) -> None:
        rates = _rates(url, folder, workers=workers, callers=16, seconds=seconds, turns=turns)
        found.update({f"{name}_{workers}_{key}": value for key, value in rates.items()})
        ratios[f"{name}_{workers}_none/shared"] = round(rates["none_per_s"] / max(rates["shared_per_s"], 0.1), 2)
        ratios[f"{name}_{workers}_own/shared"] = round(rates["own_per_s"] / max(rates["shared_per_s"], 0.1), 2)

    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        for workers in (1, 2):
            measure("sqlite", "", Path(folder) / f"s{workers}", workers)
        for workers in (1, 2, 4) if server else ():
            with fresh_database(server, f"budget{workers}") as url:
                measure("postgres", url, Path(folder) / f"p{workers}", workers)
    return report("budget", found, ratios)


def prove_race(rounds: int = 500, *, seed: int | None = None) -> dict[str, object]:
    """The race in full: ``rounds`` on SQLite and as many on Postgres; ``missed`` counts what went wrong."""
    first = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    races: dict[str, Race] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, postgres() as server, fresh_database(server, "race") as url:
        runs: list[tuple[str, str, tuple[int, ...]]] = [("sqlite", "", (8, 1, 1))]
        if url:
            runs.append(("postgres", url, (1, 1, 1, 1)))
        for name, where, processes in runs:
            races[name] = budget_race(where, Path(folder) / name, rounds=rounds, seed=first, processes=processes)
    found: dict[str, object] = {"seed": first, "seconds": round(time.monotonic() - began, 1)}
    for name, race in races.items():
        found |= {f"{name}_rounds": race.rounds, f"{name}_exact_rounds": race.exact}
        found |= {f"{name}_killed": race.killed, f"{name}_left_open_and_settled": race.left_open}
    wrong = [f"{name}: {each}" for name, race in races.items() for each in race.wrong]
    found |= {"rounds": sum(race.rounds for race in races.values()), "missed": len(wrong), "what": wrong[:20]}
    return report("budget_race", found, {})


def main(argv: list[str]) -> int:
    """``worker URL FOLDER`` is a process of the race; ``race [ROUNDS]`` and nothing print figures."""
    match argv:
        case ["worker", url, folder]:
            asyncio.run(_work(url, Path(folder)))
        case ["race", *rounds]:
            print(json.dumps(prove_race(int(rounds[0]) if rounds else 500), indent=2))
        case _:
            print(json.dumps(figures(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
