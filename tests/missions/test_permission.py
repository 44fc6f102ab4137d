"""Orders about missions are given by people who may write in the workspace; every other is refused on record."""

from collections.abc import Callable
from typing import Any

import pytest

from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal

from .conftest import OWNER, World

VIEWER = Principal(ActorKind.USER, "vera")
AGENT = Principal(ActorKind.AGENT, "coder")


@pytest.mark.parametrize("who", [VIEWER, AGENT, Principal(ActorKind.USER, "stranger")], ids=str)
@pytest.mark.parametrize(
    "order",
    [
        lambda missions, _id, who: missions.create("w", "script", b"{}", name="x.json", originator=who),
        lambda missions, id_, who: missions.resume("w", id_, actor=who),
        lambda missions, id_, who: missions.rollback("w", id_, actor=who),
        lambda missions, id_, who: missions.branch("w", id_, from_step="a", actor=who),
        lambda missions, id_, who: missions.cancel("w", id_, actor=who),
    ],
    ids=["create", "resume", "rollback", "branch", "cancel"],
)
async def test_who_may_not_gives_no_order(world: World, who: Principal, order: Callable[..., Any]) -> None:
    person = Person("w", "vera", "Vera", role=Role.VIEWER)
    await add_user(world.journal, person, by=OWNER, clock=world.clock)
    before = len(world.journal.entries)
    with pytest.raises(Refused):
        await order(world.missions, "no-matter-which", who)
    (entry,) = world.journal.entries[before:]
    assert (entry.fields["actor"], entry.fields["action"]) == (str(who), "accounts.refused")
    assert entry.fields["subject"] == "write mission"
