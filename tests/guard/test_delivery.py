"""Answers whose bytes go on while they come: none before the intent, none again once they began, the right bill."""

import asyncio
import gc
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.permit import Permit
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.effects import Model
from remit.kernel.errors import Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.permits import Delivery, Head
from remit.kernel.usage import Usage

from .fakes import OWNER, WORKSPACE, HandClock, World, act, make_world

ASKED, OTHER = (Model("acme", name, {"messages": []}) for name in ("large", "small"))
HEAD = Head(200, (("content-type", "text/event-stream"),))


@dataclass
class Client:
    """Keeps what reaches it, with how many actions were in the store when it began."""

    world: World
    got: list[bytes] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    async def begin(self, head: Head) -> None:
        self.heads.append(head)
        self.rows = list(self.world.rows())

    async def write(self, data: bytes) -> None:
        self.got.append(data)


async def stream(_: Action) -> Outcome:
    delivery = permits.delivery()
    assert delivery is not None
    await delivery.begin(HEAD)
    await delivery.write(b"one ")
    await delivery.write(b"two")
    return Outcome(ok=True, cost=usd("0.01"))


async def cut(_: Action) -> Outcome:
    await stream(_)
    permits.spent(usd("0.02"), Usage(tokens_out=2, estimated=True))
    raise Unavailable("the connection was cut")


async def cut_before(_: Action) -> Outcome:
    raise Unavailable("the connection was cut")


@pytest.fixture
async def world(store: SqliteStore) -> World:
    world = await make_world(store, clock=HandClock())
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("1"), by=OWNER)
    return world


async def test_bytes_pass_once_the_intent_is_in_the_store(world: World) -> None:
    client = Client(world)
    world.adapter.moves = [stream]
    assert (await world.guard.run(act(ASKED), tap=client)).ok
    assert (client.heads, client.got) == ([HEAD], [b"one ", b"two"])
    assert [row["state"] for row in client.rows] == ["open"]


async def test_nothing_is_tried_again_and_nobody_stands_in_once_it_began(world: World) -> None:
    client = Client(world)
    world.adapter.moves = [cut]
    with pytest.raises(Unavailable):
        await world.guard.run(act(ASKED, estimate=usd("0.5")), tap=client, alternatives=[OTHER])
    assert len(world.adapter.calls) == 1
    assert client.got == [b"one ", b"two"]
    (row,) = world.rows()
    assert (row["state"], row["tries"], row["cost_micros"]) == ("failed", 1, 20_000)


async def test_before_it_began_it_is_tried_again_and_somebody_stands_in(world: World) -> None:
    client = Client(world)
    world.adapter.moves = [cut_before, cut_before, cut_before, cut_before, stream]
    assert (await world.guard.run(act(ASKED), tap=client, alternatives=[OTHER])).ok
    assert len(client.heads) == 1
    assert world.adapter.calls[-1].target == "acme/small"


async def test_who_goes_away_pays_what_was_used_until_then(world: World) -> None:
    client, begun = Client(world), asyncio.Event()

    async def endless(_: Action) -> Outcome:
        delivery = permits.delivery()
        assert delivery is not None
        await delivery.begin(HEAD)
        permits.spent(usd("0.03"), Usage("acme", "large", tokens_in=5, tokens_out=7, estimated=True))
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    world.adapter.moves = [endless]
    asked = act(ASKED, estimate=usd("0.5"))
    task = asyncio.create_task(world.guard.run(asked, tap=client))
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    (row,) = world.rows()
    assert (row["state"], row["cost_micros"]) == ("cancelled", 30_000)
    (budget,) = [each for each in world.rows(BUDGET) if each["scope"] == "workspace"]
    assert (budget["spent"], budget["reserved"]) == (30_000, 0)
    (outcome,) = world.audit("guard.outcome")
    assert outcome.payload is not None
    assert outcome.payload["usage"] == {"tokens_in": 5, "tokens_out": 7, "estimated": True} | {
        "provider": "acme",
        "model": "large",
    }


def permits_in_memory() -> int:
    return sum(isinstance(each, Permit | Delivery) for each in gc.get_objects())


async def test_a_call_leaves_nothing_for_the_collector_of_cycles(world: World) -> None:
    """What refers to itself stays until all of memory is looked through: a tenth of a busy gateway's time."""
    world.adapter.moves = [stream]
    await world.guard.run(act(ASKED), tap=Client(world))
    await world.settled()
    gc.collect()
    gc.disable()
    before = permits_in_memory()  # other tests' errors hold some
    try:
        for _ in range(5):
            await world.guard.run(act(ASKED), tap=Client(world))
        await world.settled()
        assert permits_in_memory() == before
    finally:
        gc.enable()
