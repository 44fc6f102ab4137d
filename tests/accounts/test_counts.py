"""What the page of people and its lists ask the store: as many statements for many teams as for few."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from remit.accounts.activity import activity
from remit.accounts.invitations import invite, list_invitations, open_invitations
from remit.accounts.people import Person, add_user, list_users
from remit.accounts.plans import PlanName
from remit.accounts.roles import Role
from remit.accounts.team_listing import teams_page
from remit.accounts.teams import Team, create_team, list_teams, set_member, show_team
from remit.accounts.workspaces import set_plan

from .conftest import CLOCK, OWNER, Place, person

NUMBERS = count(1 << 60)


class Counting:
    """A store that counts the statements of what is read."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.statements = 0

    async def read(self, op: Callable[[Any], Any]) -> Any:
        return await self._journal.read(lambda tx: op(_Counted(tx, self)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class _Counted:
    def __init__(self, tx: Any, counts: Counting) -> None:
        self._tx = tx
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        if name in {"row", "rows", "tuples"}:
            self._counts.statements += 1
        return getattr(self._tx, name)


async def counted(place: Place, read: Callable[[Any], Awaitable[Any]]) -> int:
    counting = Counting(place.store)
    await read(counting)
    assert counting.statements
    return counting.statements


def random(size: int) -> bytes:
    return next(NUMBERS).to_bytes(size, "big")


async def grow(place: Place, first: int, last: int) -> None:
    store = place.store
    await set_plan(store, PlanName.ENTERPRISE, workspace="acme", by=OWNER)
    for number in range(first, last):
        slug = f"team{number:02}"
        await create_team(store, Team("acme", slug, slug, "bills@example.com"), by=OWNER, clock=CLOCK)
        role = Role.ADMIN if number % 2 else Role.VIEWER
        await set_member(store, "mia", team=slug, workspace="acme", role=role, by=OWNER, clock=CLOCK)
        newcomer = Person("acme", f"p{number}", "P", f"p{number}@example.com", Role.VIEWER)
        await add_user(store, newcomer, by=OWNER, clock=CLOCK)
        for which in range(2):
            email = f"new{which}@example.com"
            await invite(
                store, slug, workspace="acme", email=email, role=Role.VIEWER, by=OWNER, clock=CLOCK, rand=random
            )


async def test_lists_of_people_and_teams_cost_the_same_however_many_there_are(here: Place) -> None:
    terms: dict[str, Any] = {"workspace": "acme"}
    reads: dict[str, Callable[[Any], Awaitable[Any]]] = {}
    for who in (OWNER, person("mia"), person("zoe")):
        reads |= {
            f"teams {who}": lambda store, who=who: list_teams(store, by=who, **terms),
            f"page {who}": lambda store, who=who: teams_page(store, by=who, after="", limit=50, **terms),
            f"invitations {who}": lambda store, who=who: open_invitations(store, by=who, clock=CLOCK, **terms),
        }
    reads["users"] = lambda store: list_users(store, by=OWNER, **terms)
    reads["activity"] = lambda store: activity(store, by=OWNER, limit=20, **terms)
    await grow(here, 0, 2)
    await set_member(here.store, "zoe", team="team00", workspace="acme", role=Role.VIEWER, by=OWNER, clock=CLOCK)
    few = {name: await counted(here, read) for name, read in reads.items()}
    await grow(here, 2, 14)
    many = {name: await counted(here, read) for name, read in reads.items()}
    assert many == few
    assert max(many.values()) <= 8


async def test_what_is_read_at_once_is_what_is_read_one_by_one(here: Place) -> None:
    await grow(here, 0, 4)
    for who in (OWNER, person("mia")):
        views = await list_teams(here.store, workspace="acme", by=who)
        assert [view.team.slug for view in views] == [f"team{number:02}" for number in range(4)]
        for view in views:
            assert view == await show_team(here.store, view.team.slug, workspace="acme", by=who)
    every = await open_invitations(here.store, workspace="acme", by=OWNER, clock=CLOCK)
    assert set(every) == {f"team{number:02}" for number in range(4)}
    for slug, found in every.items():
        assert found == await list_invitations(here.store, slug, workspace="acme", by=OWNER, clock=CLOCK)
    mine = await open_invitations(here.store, workspace="acme", by=person("mia"), clock=CLOCK)
    assert set(mine) == {"team01", "team03"}  # those that she administers
    assert await open_invitations(here.store, workspace="acme", by=person("vera"), clock=CLOCK) == {}
