"""One approval and many callers in several processes: exactly one performs, seen by a witness outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request, recent
from remit.guard.approval_terms import ApprovalTerms
from remit.kernel.effects import Notify
from remit.kernel.errors import ApprovalPending
from remit.kernel.money import usd
from remit.testing.witness import requests, witness

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .fakes import OWNER, WORKSPACE, act, make_store, make_world

__all__ = ["postgres_server", "postgres_url"]

pytestmark = pytest.mark.timeout(120)

PROCESSES, CALLERS = 2, 100

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

url, folder, address, name, callers = sys.argv[1:]
signers, heads = [load_key(Path(folder) / "audit.key")], Path(folder) / "heads.log"
make = SqliteStore if url.endswith(".db") else PostgresStore
store = make(Path(url) if url.endswith(".db") else url, signers, heads=heads)
owner = Principal(ActorKind.USER, "ada")
redactor, clock = Redactor(bytes(16)), SystemClock()
adapter = NotifyAdapter((), allow=(f"{address}/*",), home=Path(folder), clock=clock, register=redactor.register)
guard = Guard(store, {"notify": adapter}, redactor=redactor, clock=clock, rand=lambda: 0.0, approvals=ApprovalTerms())

def action(number):
    return Action(new_id(), Notify(f"{address}/ship", "shipped", "once"), owner, owner, "acme", mission="m1", step="s1",
                  effect_key=f"{name}-{number}", estimate=usd(12))

async def main():
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
    got = await asyncio.gather(*(guard.run(action(n)) for n in range(int(callers))), return_exceptions=True)
    print(json.dumps({
        "done": sum(isinstance(each, Outcome) for each in got),
        "pending": sorted({each.approval_id for each in got if isinstance(each, ApprovalPending)}),
        "asked": sum(isinstance(each, ApprovalPending) for each in got),
        "other": [repr(each) for each in got if not isinstance(each, (Outcome, ApprovalPending))][:3],
    }))

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


def _call_all(place: list[str]) -> list[dict[str, Any]]:
    """Start the processes, let them go at the same time, and give what each came to."""
    argv, pipe = [sys.executable, "-c", CALL, *place], subprocess.PIPE
    processes = [
        subprocess.Popen([*argv, f"p{number}", str(CALLERS)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for number in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=90) for process in processes]
    return [json.loads(out) for out, err in told if not err.strip() or pytest.fail(err)]


async def test_callers_of_several_processes_share_one_approval(place: tuple[Store, str], tmp_path: Path) -> None:
    store, url = place
    assert isinstance(store, SqliteStore | PostgresStore)
    log = tmp_path / "witness.log"
    with witness(log) as address:
        world = await make_world(store, approvals=ApprovalTerms())
        with pytest.raises(ApprovalPending) as pending:
            await world.guard.run(act(Notify(f"{address}/ship", "shipped", "once"), estimate=usd(12)))
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
        got = await asyncio.to_thread(_call_all, [url, str(tmp_path), address])
    assert [each["other"] for each in got] == [[]] * PROCESSES
    assert sum(each["done"] for each in got) == 1
    assert sum(each["asked"] for each in got) == PROCESSES * CALLERS - 1
    assert sum(requests(log).values()) == 1, "seen from outside"
    known = {one.id: one for one in store.view(lambda tx: recent(tx, WORKSPACE))}
    assert known[asked.id].used_by is not None
    fresh = {which for each in got for which in each["pending"]}
    assert len(fresh) == 1, "whoever came too late asks for one and the same"
    assert {one.state(asked.requested_us) for which, one in known.items() if which in fresh} == {"pending"}
    store.seal()
    assert store.verify().ok
