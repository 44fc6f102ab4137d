"""One approval and many callers in several processes: exactly one performs, seen by a witness outside."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request
from remit.guard.approval_terms import ApprovalTerms
from remit.kernel.effects import Notify
from remit.kernel.errors import ApprovalPending
from remit.kernel.money import usd
from remit.testing.witness import requests, witness

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .fakes import OWNER, WORKSPACE, World, act, make_store, make_world

__all__ = ["postgres_server", "postgres_url"]

PROVE = os.environ.get("REMIT_PROVE") == "1"

pytestmark = pytest.mark.timeout(3000 if PROVE else 120)

PROCESSES, CALLERS = 2, 100
ROUNDS = 500 if PROVE else 4  # on each store: 1,000 in all

#: One process: as many callers at once, each with a key of its own, told apart by the witness.
CALL = """
import asyncio, json, sys
from pathlib import Path
from remit.adapters.notify import NotifyAdapter
from remit.adapters.store.keyfile import load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.guard import Guard
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Notify
from remit.kernel.errors import ApprovalPending
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.redact.redactor import Redactor

url, folder, address, name = sys.argv[1:]
signers, heads = [load_key(Path(folder) / "audit.key")], Path(folder) / "heads.log"
make = SqliteStore if url.endswith(".db") else PostgresStore
store = make(Path(url) if url.endswith(".db") else url, signers, heads=heads)
owner = Principal(ActorKind.USER, "ada")
redactor, clock = Redactor(bytes(16)), SystemClock()
adapter = NotifyAdapter((), allow=(f"{address}/*",), home=Path(folder), clock=clock, register=redactor.register)
guard = Guard(store, {"notify": adapter}, redactor=redactor, clock=clock, rand=lambda: 0.0, approvals=ApprovalTerms())

def action(what, number):
    return Action(new_id(), Notify(f"{address}/ship", "shipped", what), owner, owner, "acme", mission="m1", step="s1",
                  effect_key=f"{what}/{name}-{number}", estimate=usd(12))

async def main():
    print("ready", flush=True)
    while line := sys.stdin.readline():
        what, callers = line.split()
        got = await asyncio.gather(*(guard.run(action(what, n)) for n in range(int(callers))), return_exceptions=True)
        print(json.dumps({
            "done": sum(isinstance(each, Outcome) for each in got),
            "pending": sorted({each.approval_id for each in got if isinstance(each, ApprovalPending)}),
            "asked": sum(isinstance(each, ApprovalPending) for each in got),
            "other": [repr(each) for each in got if not isinstance(each, (Outcome, ApprovalPending))][:3],
        }), flush=True)

asyncio.run(main())
store.close()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, str]]:
    """A migrated store, and the address by which other processes open it."""
    if request.param == "sqlite":
        with make_store(tmp_path) as store:
            yield store, str(store.path)
        return
    url: str = request.getfixturevalue("postgres_url")
    create_key(tmp_path / "audit.key")
    store = PostgresStore(url, [load_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    store.migrate()
    yield store, url
    store.close()


class Crowd:
    """Processes that wait for a word and then ask for the same thing, all at once."""

    def __init__(self, place: list[str]) -> None:
        self.place = place
        self.started = 0
        self.processes = [self._start() for _ in range(PROCESSES)]

    def _start(self) -> subprocess.Popen[str]:
        self.started += 1
        pipe = subprocess.PIPE
        argv = [sys.executable, "-c", CALL, *self.place, f"p{self.started}"]
        made = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True)
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        return made

    def ask(self, what: str, callers: int, *, kill_after_s: float | None = None) -> list[dict[str, Any]]:
        """What each process came to; one that is killed (the first, after so long) comes to nothing and is replaced."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{what} {callers}\n")
            process.stdin.flush()
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            self.processes[0].kill()
        told: list[dict[str, Any]] = []
        for process in self.processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if line:
                told.append(json.loads(line))
        if kill_after_s is not None:
            self._end(self.processes[0])
            self.processes[0] = self._start()
        return told

    def close(self) -> None:
        for process in self.processes:
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


async def _approve(world: World, store: Store, address: str, what: str) -> None:
    """Have one person approve exactly this, once."""
    with pytest.raises(ApprovalPending) as pending:
        await world.guard.run(act(Notify(f"{address}/ship", "shipped", what), estimate=usd(12)))
    asked = store.view(lambda tx: read_request(tx, WORKSPACE, pending.value.approval_id))
    await decide(
        store,
        asked.id,
        workspace=WORKSPACE,
        by=OWNER,
        approve=True,
        subject_hash=asked.subject_hash,
        reason="once",
        clock=world.clock,
        redactor=world.redactor,
    )


async def test_callers_of_several_processes_share_one_approval(place: tuple[Store, str], tmp_path: Path) -> None:
    """Random crowds, each for an approval of its own; now and then a process is killed (-9) in the middle."""
    store, url = place
    assert isinstance(store, SqliteStore | PostgresStore)
    log = tmp_path / "witness.log"
    turns = random.Random(20261121)
    with witness(log) as address:
        world = await make_world(store, approvals=ApprovalTerms())
        crowd = Crowd([url, str(tmp_path), address])
        try:
            seen = killed = 0
            for number in range(ROUNDS):
                what = f"round-{number}"
                await _approve(world, store, address, what)
                callers = CALLERS if number == 0 else turns.randint(2, 20)
                kill = turns.random() * 0.05 if number % 25 == 3 else None
                got = await asyncio.to_thread(crowd.ask, what, callers, kill_after_s=kill)
                before, seen = seen, sum(requests(log).values())
                assert [each["other"] for each in got] == [[]] * len(got), what
                assert seen - before <= 1, "seen from outside"
                if kill is None:
                    assert (sum(each["done"] for each in got), seen - before) == (1, 1), what
                    assert sum(each["asked"] for each in got) == PROCESSES * callers - 1
                    fresh = {which for each in got for which in each["pending"]}
                    assert len(fresh) == 1, "whoever came too late asks for one and the same"
                else:
                    killed += 1
                    assert sum(each["done"] for each in got) <= 1
            assert killed == len(range(3, ROUNDS, 25))
        finally:
            await asyncio.to_thread(crowd.close)
    store.seal()
    assert store.verify().ok
