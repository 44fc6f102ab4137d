"""Lists of requests and who may decide about them, told beforehand: as the decision itself will say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import approval_decisions as decisions
from remit.guard.approval_listing import (
    ALL,
    Found,
    Wanted,
    count_waiting,
    counted_alike,
    list_requests,
    place_of,
)
from remit.guard.approval_rows import Request, read_request, votes
from remit.guard.approval_seats import seat_of
from remit.guard.approval_story import read_story
from remit.guard.approval_terms import Separation
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Deploy
from remit.kernel.errors import Conflict, Denied
from remit.kernel.ports import ReadTx

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from .fakes import CODER, OWNER, WORKSPACE, World, act
from .test_approval import INES, TOM, add_person, ask, decide, make_asking

__all__ = ["postgres_server", "postgres_url"]

EVERYBODY = (OWNER, INES, TOM, CODER, Principal(ActorKind.USER, "nobody-here"))


class Counted:
    """A read transaction that counts what it is asked."""

    def __init__(self, tx: ReadTx) -> None:
        self.tx = tx
        self.asked = 0

    def rows(self, stmt: Any, params: Any = None) -> list[Mapping[str, Any]]:
        self.asked += 1
        return self.tx.rows(stmt, params)

    def row(self, stmt: Any, params: Any = None) -> Mapping[str, Any] | None:
        self.asked += 1
        return self.tx.row(stmt, params)


def now(world: World) -> int:
    return micros_of(world.clock.now())


def page(world: World, wanted: Wanted, **more: Any) -> Found:
    asked = {"after": None, "limit": 50, "now_us": now(world), **more}
    return world.store.view(lambda tx: list_requests(tx, WORKSPACE, wanted, **asked))


async def some(world: World, number: int) -> list[Request]:
    made: list[Request] = []
    for each in range(number):
        world.clock.advance(10)  # pyright: ignore[reportAttributeAccessIssue] - the hand clock
        action = act(Deploy("production", {"n": each}), principal=CODER, key=f"k{each}")
        made.append(await ask(world, action))
    return made


async def test_pages_hold_each_request_once_soonest_deadline_first(store: SqliteStore) -> None:
    world = await make_asking(store)
    made = await some(world, 7)
    ids: list[str] = []
    after = None
    while True:
        found = page(world, Wanted(), after=after, limit=3)
        ids += [one.id for one in found.requests]
        after = found.next
        if after is None:
            break
    assert ids == [one.id for one in made]
    newest = page(world, Wanted(ALL), limit=3)
    assert [one.id for one in newest.requests] == [one.id for one in reversed(made)][:3]
    assert world.store.view(lambda tx: count_waiting(tx, WORKSPACE, now_us=now(world))) == 7
    assert world.store.view(lambda tx: count_waiting(tx, WORKSPACE, now_us=now(world), most=5)) == 5
    place = world.store.view(
        lambda tx: place_of(tx, WORKSPACE, made[2].id, expires_us=made[2].expires_us, now_us=now(world))
    )
    assert (place.number, place.of, place.before, place.after) == (3, 7, made[1].id, made[3].id)


async def test_they_do_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    store.migrate()
    try:
        world = await make_asking(store)  # pyright: ignore[reportArgumentType] - any store
        made = await some(world, 3)
        found = page(world, Wanted(), limit=2)
        assert [one.id for one in found.requests] == [one.id for one in made[:2]]
        assert [one.id for one in page(world, Wanted(), after=found.next).requests] == [made[2].id]
        older = page(world, Wanted(ALL), limit=2)
        assert [one.id for one in page(world, Wanted(ALL), after=older.next).requests] == [made[0].id]
        story = world.store.view(lambda tx: read_story(tx, WORKSPACE, made[1].id, who=INES, now_us=now(world)))
        assert story.place is not None
        assert (story.place.before, story.place.after, story.exact) == (made[0].id, made[2].id, True)
        assert story.alike == {"pending": 2}
    finally:
        await asyncio.to_thread(store.close)


async def test_each_state_has_its_list(store: SqliteStore) -> None:
    world = await make_asking(store)
    first, second, third, fourth = await some(world, 4)
    await decide(world, first)
    await decide(world, second, approve=False)
    await world.guard.run(act(Deploy("production", {"n": 0}), principal=CODER, key="k0"))
    world.clock.advance(86_400 - 5)  # pyright: ignore[reportAttributeAccessIssue] - the third is over, the fourth not
    states = {
        state: [one.id for one in page(world, Wanted(state)).requests]
        for state in ("waiting", "used", "approved", "denied", "expired")
    }
    assert states == {
        "waiting": [fourth.id], "used": [first.id], "approved": [], "denied": [second.id], "expired": [third.id],
    }  # fmt: skip
    assert [one.state(now(world)) for one in page(world, Wanted("expired")).requests] == ["expired"]
    assert page(world, Wanted(ALL, kind="fetch")).requests == ()
    assert len(page(world, Wanted(ALL, kind="deploy", on_behalf_of=first.on_behalf_of)).requests) == 4
    alike = world.store.view(
        lambda tx: counted_alike(tx, WORKSPACE, principal=first.principal, kind="deploy", since_us=0, but=fourth.id)
    )
    assert alike == {"approved": 1, "denied": 1, "pending": 1}


async def test_lists_cost_the_same_however_many_there_are(store: SqliteStore) -> None:
    world = await make_asking(store, quorum={"": 2}, separation=Separation.OFF)
    asked: list[tuple[int, int]] = []
    for number in (3, 9):
        made = await some(world, number) if number == 3 else [*await more(world, 3, 9)]
        for each in made[:2]:
            await decide(world, each)

        def op(tx: ReadTx, which: str = made[0].id) -> tuple[int, int]:
            listing, whole = Counted(tx), Counted(tx)
            list_requests(listing, WORKSPACE, Wanted(), now_us=now(world), after=None, limit=50)
            read_story(whole, WORKSPACE, which, who=INES, now_us=now(world))
            return listing.asked, whole.asked

        asked.append(world.store.view(op))
    assert asked[0] == asked[1]
    assert asked[0][0] == 2
    assert asked[0][1] <= 12


async def more(world: World, start: int, end: int) -> Sequence[Request]:
    return [
        await ask(world, act(Deploy("production", {"n": each}), principal=CODER, key=f"k{each}"))
        for each in range(start, end)
    ]


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_told_beforehand_is_what_the_decision_says(store: SqliteStore, seed: int) -> None:
    """Random quorums, separations, delegations, voices: ``why_not`` is empty exactly when ``decide`` goes through."""
    draw = random.Random(seed)
    separation = draw.choice(list(Separation))
    world = await make_asking(store, quorum={"": draw.randint(1, 3)}, separation=separation)
    for person in (INES, TOM):
        await add_person(world, person)
    for number in range(6):
        by = draw.choice((OWNER, INES))
        if draw.random() < 0.5:
            await lend(world, draw.choice((INES, TOM)))
        action = act(
            Deploy("production", {"n": f"{seed}/{number}"}), principal=CODER, origin=by, key=f"{seed}/{number}"
        )
        try:
            request = await ask(world, action)
        except Denied:
            continue
        for _ in range(4):
            who = draw.choice(EVERYBODY)
            why = told(world, request.id, who)
            try:
                await decide(world, request, by=who)
            except (Denied, Conflict):
                assert why, f"{who} was told that they may"
            else:
                assert not why, f"{who} was told: {why}"


def told(world: World, which: str, who: Principal) -> str:
    def op(tx: ReadTx) -> str:
        request = read_request(tx, WORKSPACE, which)
        seat = seat_of(tx, WORKSPACE, who, now_us=now(world))
        return seat.why_not(request, votes(tx, request), now_us=now(world))

    return world.store.view(op)


async def lend(world: World, taker: Principal) -> None:
    await decisions.delegate(
        world.journal,
        taker.id,
        workspace=WORKSPACE,
        by=OWNER,
        until=world.clock.now() + timedelta(days=1),
        reason="",
        clock=world.clock,
        redactor=world.redactor,
    )
