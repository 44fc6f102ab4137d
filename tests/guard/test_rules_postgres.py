"""Rules and evidence on Postgres: the same statements, append-only, and two workers that save at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.guard.evidence import attest, standing
from remit.guard.rules.resolving import SHIPPED, prepare
from remit.guard.rules.revisions import Revision, history, install_shipped, save
from remit.guard.rules.shadow import try_on_recorded
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, Denied

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .fakes import OWNER, WORKSPACE, act, deploy, make_world

__all__ = ["postgres_server", "postgres_url"]

CLOCK = SystemClock()


@pytest.fixture
def stores(postgres_url: str, tmp_path: Path) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    signer = create_key(tmp_path / "audit.key")
    first, second = (PostgresStore(postgres_url, [signer], heads=tmp_path / "heads.log") for _ in range(2))
    first.migrate()
    yield first, second
    second.close()
    first.close()


async def test_rules_evidence_and_shadow_mode_work_there_too(stores: tuple[PostgresStore, PostgresStore]) -> None:
    world = await make_world(stores[0], rules=SHIPPED)
    with pytest.raises(Denied, match="tests of this release"):
        await world.guard.run(act(deploy(), key="k"))
    for critic in ("tests", "security", "review", "smoke"):
        await attest(
            world.store,
            critic,
            workspace=WORKSPACE,
            mission="m1",
            subject="",
            passed=True,
            reason="seen",
            by=OWNER,
            clock=CLOCK,
        )
    assert (await world.guard.run(act(deploy(), key="k"))).ok
    assert set(stores[1].view(lambda tx: standing(tx, WORKSPACE, "m1", ""))) == {"review", "security", "smoke", "tests"}
    book = prepare("use: []\n", name="x").book
    trial = stores[1].view(lambda tx: try_on_recorded(tx, book, workspace=WORKSPACE, since_us=0))
    assert (trial.judged, trial.moves) == (2, {("deny", "allow"): 1})
    for statement in ("UPDATE evidence SET passed = true", "DELETE FROM rule_revision"):
        with pytest.raises(Exception, match="append-only"):
            await world.store.commit("guard.evidence", lambda tx, statement=statement: tx.execute(text(statement)))


async def test_workers_that_save_at_once_make_one_line_of_revisions(
    stores: tuple[PostgresStore, PostgresStore],
) -> None:
    await make_world(stores[0])
    await asyncio.gather(*(install_shipped(store, workspace="other", clock=CLOCK) for store in stores))
    assert [each.number for each in stores[0].view(lambda tx: history(tx, "other"))] == [1]

    async def one(number: int) -> Revision | None:
        rule = f"use: []\nrules: [{{id: r.n{number}, on: tool, assert: 'hour < 25', else: warn, message: x}}]\n"
        try:
            return await save(
                stores[number % 2], rule, workspace=WORKSPACE, name="r", reason="race", by=OWNER, clock=CLOCK
            )
        except Conflict:
            return None

    saved = [made for made in await asyncio.gather(*map(one, range(8))) if made is not None]
    found = stores[0].view(lambda tx: history(tx, WORKSPACE))
    assert saved
    assert [each.number for each in found] == list(range(len(saved) + 2, 0, -1))
    assert {each.number: each.sha256 for each in found}.items() >= {made.number: made.sha256 for made in saved}.items()
    stores[0].seal()
    assert stores[0].verify().ok
