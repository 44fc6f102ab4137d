"""The feed of what was done: out of the log, for whoever may read, and never in anybody's way."""

import pytest

from remit.accounts.activity import activity
from remit.accounts.people import remove_user, set_user_role
from remit.accounts.roles import Role
from remit.accounts.sessions import person_of
from remit.accounts.teams import Team, create_team, set_member
from remit.audit.refusal import Refused

from .conftest import OWNER, Gate

MIA, VERA, BOB = person_of("mia"), person_of("vera"), person_of("bob")


async def happen(gate: Gate) -> None:
    store, clock = gate.store, gate.clock
    await create_team(store, Team("acme", "red", "Red"), by=OWNER, clock=clock)
    await create_team(store, Team("acme", "blue", "Blue"), by=OWNER, clock=clock, owner="bob")
    await set_member(store, "mia", team="red", workspace="acme", by=OWNER, role=Role.VIEWER, clock=clock)
    await set_user_role(store, "mia", workspace="acme", by=OWNER, role=None)
    with pytest.raises(Refused):
        await remove_user(store, "vera", workspace="acme", by=MIA)
    store.seal()


async def test_whoever_may_read_sees_what_was_done_and_a_team_its_own(gate: Gate) -> None:
    await happen(gate)
    everything = [row.text for row in await activity(gate.store, workspace="acme", by=VERA)]
    assert everything[:5] == [
        "was refused: admin member",
        "made mia nothing of the workspace",
        "made mia viewer of red",
        "made the team blue",
        "made the team red",
    ]
    red = await activity(gate.store, workspace="acme", by=MIA, team="red")
    assert [row.text for row in red] == ["made mia viewer of red", "made the team red"]
    for team in ("", "blue"):
        with pytest.raises(Refused):
            await activity(gate.store, workspace="acme", by=MIA, team=team)


async def test_a_page_goes_on_where_the_last_one_ended(gate: Gate) -> None:
    await happen(gate)
    every = [row.seq for row in await activity(gate.store, workspace="acme", by=OWNER)]
    found: list[int] = []
    while page := await activity(
        gate.store, workspace="acme", by=OWNER, limit=2, before=found[-1] if found else 1 << 62
    ):
        found += [row.seq for row in page]
    assert found == every == sorted(every, reverse=True)


async def test_sign_ins_of_others_are_not_in_it(gate: Gate) -> None:
    await gate.password("mia")
    await gate.enter("mia")
    gate.store.seal()
    told = str(await activity(gate.store, workspace="acme", by=OWNER))
    assert "sign_in" not in told
    assert "link" not in told
