"""Whose what a provider keeps is, on both databases: the first to be told it, for as long as somebody uses it."""

from dataclasses import replace

import pytest

from remit.guard.continuing import CONTINUED, KEPT_US, Party, Reference, check, reference, remember
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.errors import NotFound

from ..guard.fakes import CODER, HandClock, act, make_world  # noqa: TID252 - tests are loaded by path
from .fakes_usage import Opener, opener, postgres_server, postgres_url

__all__ = ["opener", "postgres_server", "postgres_url"]

PLACE = "https://api.example/v1"
ANN = Principal(ActorKind.USER, "ann")
OTHER = Principal(ActorKind.AGENT, "reviewer")


def told(action: Action) -> Party:
    return Party(action.workspace, action.principal, action.on_behalf_of)


async def test_the_first_to_be_told_is_whose_it_is_until_nobody_used_it_for_long(opener: Opener) -> None:
    clock = HandClock()
    world = await make_world(opener(), clock=clock)
    mine = act(Model("house", "big", {"messages": []}), principal=CODER)
    theirs = replace(mine, principal=OTHER)
    elsewhere = replace(mine, workspace="elsewhere")

    def made(action: Action, *ids: str) -> None:
        refs = [reference(PLACE, each) for each in ids]
        now_us = micros_of(clock.now())
        world.store.write("guard.outcome", lambda tx: remember(tx, action, refs, now_us=now_us))

    async def may(action: Action, which: str, *, own: bool = True, account: str = PLACE) -> bool:
        try:
            await check(world.journal, told(action), [Reference("x", which, own)], accounts=[account])
        except NotFound as error:
            said.add((error.code, error.place, error.message.replace(which, "")))
            return False
        return True

    said = set[tuple[str, str | None, str]]()

    made(mine, "resp_1", "conv_1")
    made(theirs, "conv_1", "resp_2")
    made(elsewhere, "conv_1", "resp_3")
    assert [await may(mine, each) for each in ("resp_1", "conv_1", "resp_2", "resp_3", "resp_4")] == [
        *(True, True),
        *(False, False, False),
    ]
    assert not await may(theirs, "conv_1", own=False)
    assert not await may(replace(mine, on_behalf_of=ANN), "resp_1")
    assert not await may(mine, "resp_1", account="https://api.other/v1"), "an id is good at one provider"
    assert await may(theirs, "conv_2", own=False), "nobody's yet"
    both = ["https://api.other/v1", PLACE]
    assert await check(world.journal, told(mine), [Reference("x", "resp_1")], accounts=both) == PLACE
    assert await check(world.journal, told(mine), [Reference("x", "conv_9", own=False)], accounts=both) == both[0]

    assert len(said) == 1, "it tells what there is"

    clock.advance(KEPT_US // 2_000_000)
    made(mine, "conv_1")
    clock.advance(KEPT_US // 2_000_000 + 1)
    made(theirs, "resp_9")
    left = {row["ref"] for row in world.rows(CONTINUED)}
    assert left == {reference(PLACE, each) for each in ("conv_1", "resp_9")}


@pytest.mark.parametrize("name", ["\ud800", "é" * 300])
def test_an_id_is_any_text(name: str) -> None:
    assert len(reference(PLACE, name)) == 40
