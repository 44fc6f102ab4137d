"""Callers in several processes race for one limit; each process is this file, told by lines of JSON what to do.

A line names a run: which tool, how many callers at once, which way. The answer counts those that got through. A
caller takes the guard's whole path, ``guard.run`` over its process's own store and guard; or (``guarded`` false, for
many runs) only the intent's transaction of it, without the refusals' records.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remit.accounts.owner import create_local_owner
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import rate
from remit.guard.guard import Guard
from remit.guard.rate_limits import Limit, Per, charges_of, read_limits, set_limit
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.effects import Tool
from remit.kernel.errors import RateLimited
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.redact.redactor import Redactor

WORKSPACE = "race"
OWNER = Principal(ActorKind.USER, "ada")
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: how many fitted, and how many got through."""

    fits: int
    passed: int
    refused: int


class Done:
    """An adapter that has always done it."""

    async def perform(self, action: Action) -> Outcome:
        del action
        return Outcome(ok=True)


def open_store(folder: Path, url: str) -> Store:
    signer = load_key(folder / "audit.key")
    if url:
        return PostgresStore(url, [signer], heads=folder / "heads.log")
    return SqliteStore(folder / "remit.db", [signer], heads=folder / "heads.log")


def guard_on(store: Store) -> Guard:
    return Guard(
        store,
        {"tool": Done()},
        redactor=Redactor(b"tests only: 16 bytes or more"),
        clock=SystemClock(),
        rand=lambda: 0.0,
    )


async def ask(guard: Guard, tool: str, *, guarded: bool) -> bool:
    action = Action(id=new_id(), effect=Tool(tool), principal=OWNER, on_behalf_of=OWNER, workspace=WORKSPACE)
    try:
        if guarded:
            await guard.run(action)
        else:
            limits = await guard.journal.read(lambda tx: read_limits(tx, WORKSPACE))
            charges = charges_of(action, limits, {})
            now_us = micros_of(guard.clock.now())
            await guard.journal.commit(
                "guard.intent", lambda tx: rate.take(tx, action, charges, limits=limits, now_us=now_us)
            )
    except RateLimited:
        return False
    return True


async def together(guard: Guard, told: dict[str, Any]) -> int:
    """All callers of a process at once; how many got through."""
    await guard.register.refresh(WORKSPACE)
    calls = (ask(guard, told["tool"], guarded=told["guarded"]) for _ in range(told["callers"]))
    return sum(await asyncio.gather(*calls))


async def serve(folder: Path, url: str) -> None:
    """One process: runs until its input ends."""
    store = open_store(folder, url)
    guard = guard_on(store)
    loop = asyncio.get_running_loop()
    try:
        print("ready", flush=True)  # noqa: T201 - the line that the race reads
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps({"passed": await together(guard, json.loads(line))}), flush=True)  # noqa: T201 - as above
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
            each.wait(60)
            each.stdout.close()


def rate_race(
    folder: Path, *, url: str = "", runs: int, callers: int = 200, workers: int = 3, seed: int = 0, guarded: int = 1
) -> list[Ran]:
    """Race ``callers`` in ``workers`` processes and this one for a limit of k an hour, ``runs`` times, k at random.

    The limit's refill is slower than the race, so exactly k may pass: not one fewer, not one more. Every ``guarded``-th
    run takes the whole path.
    """
    rand = random.Random(seed)
    create_key(folder / "audit.key")
    (folder / "heads.log").touch()
    store = open_store(folder, url)
    found: list[Ran] = []
    try:
        store.migrate()
        asyncio.run(create_local_owner(store, workspace=WORKSPACE, user="ada", name="Ada", clock=SystemClock()))
        with processes(workers, folder, url) as started:
            for number in range(runs):
                fits = rand.randint(0, 9) + 1
                limit = Limit("race", Per.TOOL, fits, HOUR, kind="tool")
                asyncio.run(set_limit(store, limit, workspace=WORKSPACE, by=OWNER, clock=SystemClock()))
                told = json.dumps(
                    {"tool": f"tool-{number}", "callers": callers // (workers + 1), "guarded": number % guarded == 0}
                )
                for each in started:
                    assert each.stdin is not None
                    each.stdin.write(told + "\n")
                    each.stdin.flush()
                passed = asyncio.run(together(guard_on(store), json.loads(told)))
                for each in started:
                    assert each.stdout is not None
                    passed += int(json.loads(each.stdout.readline())["passed"])
                found.append(Ran(fits, passed, callers - passed))
        assert store.verify().ok
    finally:
        store.close()
    return found


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
