"""Teams and people: never without an owner, each order only by who may give it, every other refused on record."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from remit.accounts.access import Permission, Resource, reading, require, rights_of
from remit.accounts.agents import Agent, register_agent
from remit.accounts.invitations import Invitation, accept, invite, list_invitations, revoke_invitation
from remit.accounts.people import Person, add_user, list_users, remove_user, set_user_role
from remit.accounts.plans import PlanName, plan_of
from remit.accounts.roles import BITS, NONE, ROLE_RIGHTS, Role, names_of
from remit.accounts.team_tables import INVITATION, MEMBER, TEAM
from remit.accounts.teams import (
    Team,
    change_team,
    create_team,
    delete_team,
    find_member,
    leave_team,
    list_teams,
    set_member,
    show_team,
)
from remit.accounts.workspaces import create_workspace, set_plan, show_plan
from remit.adapters.store.journal import Store
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, InvalidInput, NotFound

from .conftest import OWNER, Place, person

CLOCK = SystemClock()
BOB, MIA, VERA, ZOE = (person(name) for name in ("bob", "mia", "vera", "zoe"))
ROBOT = Principal(ActorKind.AGENT, "coder")
RED = Team("acme", "red", "The reds", "bills@example.com")


class Later:
    def __init__(self, **ahead: float) -> None:
        self.at = datetime.now(UTC) + timedelta(**ahead)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


async def red(place: Place) -> None:
    """The team ``red``, owned by Ada."""
    await create_team(place.store, RED, by=OWNER, clock=CLOCK)


async def put(
    store: Store, who: str, role: Role, *, by: Principal = OWNER, granted: int = NONE, revoked: int = NONE
) -> None:
    await set_member(
        store, who, team="red", workspace="acme", by=by, role=role, clock=CLOCK, granted=granted, revoked=revoked
    )


async def refused(place: Place, order: Awaitable[object], by: Principal, reason: str = "not_permitted") -> None:
    """The order is refused, and the log says who may not do what in which team, without the order's own entry."""
    before = len(place.log("accounts.refused"))
    with pytest.raises(Refused) as told:
        await order
    assert told.value.code == f"accounts.{reason}"
    assert told.value.row.exit == 3
    *_, entry = place.log("accounts.refused")
    assert len(place.log("accounts.refused")) == before + 1
    assert (entry.header["actor"], entry.header["result"], entry.header["reason"]) == (str(by), "blocked", reason)
    assert entry.payload is not None
    assert entry.payload["user"] == str(by)
    assert place.store.verify().ok


async def test_a_team_is_made_with_its_owner_or_not_at_all(place: Place) -> None:
    await red(place)
    view = await show_team(place.store, "red", workspace="acme", by=OWNER)
    assert view.team == RED
    assert [(member.user, member.role) for member in view.members] == [("ada", Role.OWNER)]
    with pytest.raises(NotFound):
        await create_team(place.store, Team("acme", "blue", "Blue"), by=OWNER, clock=CLOCK, owner="nobody")
    assert [row["slug"] for row in place.store.view(lambda tx: tx.rows(select(TEAM)))] == ["red"]
    with pytest.raises(Conflict):
        await red(place)
    (entry,) = place.log("accounts.team.created")
    assert (entry.header["actor"], entry.header["subject"]) == ("user:ada", "red")


@pytest.mark.parametrize(
    ("slug", "name", "mail"),
    [("Red", "x", ""), ("", "x", ""), ("red", "", ""), ("red", "x" * 201, ""), ("red", "a\nb", ""), ("red", "x", "no")],
)
def test_a_team_that_can_not_be_is_told_in_words(slug: str, name: str, mail: str) -> None:
    with pytest.raises(InvalidInput, match="can't be made"):
        Team("acme", slug, name, mail)


async def test_every_order_is_refused_on_record_to_whoever_may_not(place: Place) -> None:
    await red(place)
    store = place.store
    await put(store, "mia", Role.MEMBER)
    lab = Team("lab", "lab", "Lab")
    invitation = invite(
        store, "red", workspace="acme", email="x@example.com", role=Role.VIEWER, by=MIA, clock=CLOCK, rand=bytes
    )
    for who, order in (
        (MIA, create_team(store, Team("acme", "blue", "Blue"), by=MIA, clock=CLOCK)),
        (MIA, change_team(store, "red", workspace="acme", by=MIA, name="Mine")),
        (BOB, delete_team(store, "red", workspace="acme", by=BOB, clock=CLOCK)),
        (MIA, put(store, "vera", Role.VIEWER, by=MIA)),
        (MIA, leave_team(store, "red", workspace="acme", by=MIA, user="ada")),
        (ZOE, leave_team(store, "red", workspace="acme", by=ZOE)),
        (ZOE, show_team(store, "red", workspace="acme", by=ZOE)),
        (ZOE, list_teams(store, workspace="acme", by=ZOE)),
        (MIA, invitation),
        (VERA, add_user(store, Person("acme", "new", "New"), by=VERA, clock=CLOCK)),
        (VERA, set_user_role(store, "vera", workspace="acme", by=VERA, role=Role.OWNER)),
        (MIA, remove_user(store, "vera", workspace="acme", by=MIA)),
        (ZOE, list_users(store, workspace="acme", by=ZOE)),
        (BOB, set_plan(store, PlanName.PRO, workspace="acme", by=BOB)),
        (VERA, create_workspace(store, "lab", home="acme", team=lab, name="", by=VERA, clock=CLOCK)),
    ):  # fmt: skip
        await refused(place, order, who)
    assert [row["slug"] for row in store.view(lambda tx: tx.rows(select(TEAM)))] == ["red"]
    view = await show_team(store, "red", workspace="acme", by=OWNER)
    assert [member.user for member in view.members] == ["ada", "mia"]


async def test_an_agent_gives_no_order_whoever_it_acts_for(here: Place) -> None:
    await red(here)
    store = here.store
    for order in (
        create_team(store, Team("acme", "blue", "Blue"), by=ROBOT, clock=CLOCK),
        delete_team(store, "red", workspace="acme", by=ROBOT, clock=CLOCK),
        put(store, "vera", Role.OWNER, by=ROBOT),
        leave_team(store, "red", workspace="acme", by=ROBOT, user="ada"),
        set_plan(store, PlanName.PRO, workspace="acme", by=ROBOT),
        list_users(store, workspace="acme", by=ROBOT),
    ):
        await refused(here, order, ROBOT, "agent_administers")


async def test_remit_itself_and_strangers_have_no_rights(here: Place) -> None:
    for who in (Principal(ActorKind.SYSTEM, "ada"), person("nobody")):
        order = reading(here.store, lambda tx, who=who: require(tx, who, workspace="acme", permission=Permission.READ))
        await refused(here, order, who)


async def test_only_an_owner_ends_a_team_and_nothing_of_it_is_left(place: Place) -> None:
    await red(place)
    store = place.store
    await put(store, "mia", Role.OWNER)
    await put(store, "bob", Role.ADMIN)
    await invite(
        store, "red", workspace="acme", email="x@example.com", role=Role.VIEWER, by=OWNER, clock=CLOCK, rand=bytes
    )
    await refused(place, delete_team(store, "red", workspace="acme", by=BOB, clock=CLOCK), BOB)
    agent = Agent("acme", "coder", "mia", team="red")
    await register_agent(store, agent, by=OWNER, clock=CLOCK)
    with pytest.raises(Conflict, match="coder"):
        await delete_team(store, "red", workspace="acme", by=MIA, clock=CLOCK)
    from remit.accounts.agent_orders import retire_agent

    await retire_agent(store, "coder", workspace="acme", reason="over", by=OWNER)
    await delete_team(store, "red", workspace="acme", by=MIA, clock=CLOCK)
    assert store.view(lambda tx: tx.rows(select(TEAM))) == []
    assert store.view(lambda tx: tx.rows(select(MEMBER))) == []
    assert [row["status"] for row in store.view(lambda tx: tx.rows(select(INVITATION)))] == ["revoked"]


async def test_the_last_owner_neither_leaves_nor_is_demoted_nor_removed(place: Place) -> None:
    await red(place)
    store = place.store
    with pytest.raises(Conflict, match="last owner"):
        await leave_team(store, "red", workspace="acme", by=OWNER)
    with pytest.raises(Conflict, match="last owner"):
        await put(store, "ada", Role.ADMIN)
    with pytest.raises(Conflict, match="last owner of the workspace"):
        await remove_user(store, "ada", workspace="acme", by=OWNER)
    with pytest.raises(Conflict, match="last owner of the workspace"):
        await set_user_role(store, "ada", workspace="acme", by=OWNER, role=None)
    await put(store, "mia", Role.OWNER)
    await leave_team(store, "red", workspace="acme", by=OWNER)
    with pytest.raises(Conflict, match="last owner of red"):
        await remove_user(store, "mia", workspace="acme", by=OWNER)
    await set_user_role(store, "bob", workspace="acme", by=OWNER, role=Role.OWNER)
    await set_user_role(store, "ada", workspace="acme", by=BOB, role=Role.VIEWER)
    await refused(place, set_user_role(store, "ada", workspace="acme", by=OWNER, role=Role.OWNER), OWNER)


async def test_two_owners_who_leave_at_once_do_not_both_get_away(pair: tuple[Store, Store]) -> None:
    from .conftest import furnish

    await furnish(pair[0])
    here = Place(pair[0], [pair[1]])
    for number in range(8):
        slug = f"t{number}"
        await create_team(pair[0], Team("acme", slug, slug), by=OWNER, clock=CLOCK)
        await set_member(pair[0], "bob", team=slug, workspace="acme", by=OWNER, role=Role.OWNER, clock=CLOCK)
        ends = await asyncio.gather(
            leave_team(pair[0], slug, workspace="acme", by=OWNER),
            leave_team(pair[1], slug, workspace="acme", by=BOB),
            return_exceptions=True,
        )
        assert sorted(type(end).__name__ for end in ends) == ["Conflict", "NoneType"]
        view = await show_team(here.store, slug, workspace="acme", by=OWNER)
        assert [member.role for member in view.members] == [Role.OWNER]


async def test_nobody_gives_or_takes_what_they_have_not(place: Place) -> None:
    await red(place)
    store = place.store
    await put(store, "bob", Role.ADMIN, revoked=BITS[Permission.APPROVE])
    for order in (
        put(store, "mia", Role.OWNER, by=BOB),
        put(store, "ada", Role.VIEWER, by=BOB),
        leave_team(store, "red", workspace="acme", by=BOB, user="ada"),
        set_user_role(store, "mia", workspace="acme", by=BOB, role=Role.OWNER),
        set_user_role(store, "ada", workspace="acme", by=BOB, role=Role.VIEWER),
        remove_user(store, "ada", workspace="acme", by=BOB),
        add_user(store, Person("acme", "eve", "Eve", role=Role.OWNER), by=BOB, clock=CLOCK),
        invite(store, "red", workspace="acme", email="x@example.com", role=Role.OWNER, by=BOB, clock=CLOCK, rand=bytes),
    ):
        await refused(place, order, BOB, "beyond_own")


async def test_overrides_give_and_take_single_permissions_at_once(place: Place) -> None:
    await red(place)
    store = place.store
    await put(store, "zoe", Role.MEMBER, granted=BITS[Permission.DELETE], revoked=BITS[Permission.WRITE])
    rights = store.view(lambda tx: rights_of(tx, "zoe", workspace="acme", team="red"))
    assert names_of(rights) == ["read", "delete"]
    assert store.view(lambda tx: rights_of(tx, "zoe", workspace="acme")) == NONE
    await set_user_role(store, "zoe", workspace="acme", by=OWNER, role=Role.VIEWER, granted=BITS[Permission.APPROVE])
    assert names_of(store.view(lambda tx: rights_of(tx, "zoe", workspace="acme"))) == ["read", "approve"]
    with pytest.raises(InvalidInput, match="not both"):
        await put(store, "zoe", Role.MEMBER, granted=BITS[Permission.READ], revoked=BITS[Permission.READ])
    with pytest.raises(InvalidInput, match="every permission"):
        await put(store, "ada", Role.OWNER, revoked=BITS[Permission.DELETE])


async def test_the_owning_teams_roles_hold_in_all_of_the_workspace(place: Place) -> None:
    store = place.store
    team = Team("lab", "crew", "The crew")
    await create_workspace(store, "lab", home="acme", team=team, name="Lab", by=BOB, clock=CLOCK)
    assert store.view(lambda tx: rights_of(tx, "bob", workspace="lab")) == ROLE_RIGHTS[Role.OWNER]
    assert store.view(lambda tx: rights_of(tx, "ada", workspace="lab")) == NONE
    await add_user(store, Person("lab", "mia", "Mia"), by=BOB, clock=CLOCK)
    await set_member(store, "mia", team="crew", workspace="lab", by=BOB, role=Role.MEMBER, clock=CLOCK)
    assert names_of(store.view(lambda tx: rights_of(tx, "mia", workspace="lab"))) == ["read", "write"]
    with pytest.raises(Conflict, match="owns the workspace"):
        await delete_team(store, "crew", workspace="lab", by=BOB, clock=CLOCK)
    with pytest.raises(Conflict):
        await create_workspace(store, "lab", home="acme", team=team, name="Lab", by=BOB, clock=CLOCK)


async def test_who_was_removed_may_nothing_at_once_and_can_come_back(place: Place) -> None:
    await red(place)
    store = place.store
    await put(store, "bob", Role.ADMIN)
    await remove_user(store, "bob", workspace="acme", by=OWNER)
    assert store.view(lambda tx: rights_of(tx, "bob", workspace="acme", team="red")) == NONE
    await refused(place, change_team(store, "red", workspace="acme", by=BOB, name="x"), BOB)
    await add_user(store, Person("acme", "bob", "Bob", role=Role.VIEWER), by=OWNER, clock=CLOCK)
    assert names_of(store.view(lambda tx: rights_of(tx, "bob", workspace="acme"))) == ["read"]


# --------------------------------------------------------------------------------------------------------- invitations


async def invited(place: Place, *, email: str = "zoe@example.com", role: Role = Role.MEMBER) -> Invitation:
    import secrets

    return await invite(
        place.store, "red", workspace="acme", email=email, role=role, by=OWNER, clock=CLOCK, rand=secrets.token_bytes
    )


async def test_an_invitation_lets_one_person_join_once(place: Place) -> None:
    await red(place)
    made = await invited(place)
    assert made.token not in str(place.store.view(lambda tx: tx.rows(select(INVITATION))))
    assert made.token not in str([entry.payload for entry in place.log("accounts.invitation.made")])
    assert await accept(place.store, made.token, workspace="acme", who=ZOE, clock=CLOCK) == "red"
    member = place.store.view(lambda tx: find_member(tx, workspace="acme", team="red", user="zoe"))
    assert member is not None
    assert member.role is Role.MEMBER
    for who in (ZOE, MIA):
        await refused(
            place, accept(place.store, made.token, workspace="acme", who=who, clock=CLOCK), who, "invitation_refused"
        )


async def test_two_who_accept_at_once_do_not_both_join(pair: tuple[Store, Store]) -> None:
    from .conftest import furnish

    await furnish(pair[0])
    place = Place(pair[0], [pair[1]])
    await red(place)
    await set_plan(pair[0], PlanName.PRO, workspace="acme", by=OWNER)
    for number in range(5):
        made = await invited(place, email=f"n{number}@example.com")
        ends = await asyncio.gather(
            *(
                accept(store, made.token, workspace="acme", who=person(f"n{number}{side}"), clock=CLOCK)
                for side, store in zip("ab", pair, strict=True)
            ),
            return_exceptions=True,
        )
        assert sorted(type(end).__name__ for end in ends) == ["Refused", "str"]


async def test_a_wrong_old_revoked_or_somebody_elses_token_is_refused_on_record(place: Place) -> None:
    await red(place)
    store = place.store
    made = await invited(place)
    for who, token, clock in (
        (ZOE, "guessed", CLOCK),
        (ZOE, made.token, Later(days=8)),
        (MIA, made.token, CLOCK),  # her account has another address
        (ROBOT, made.token, CLOCK),
    ):
        await refused(place, accept(store, token, workspace="acme", who=who, clock=clock), who, "invitation_refused")
    listed = await list_invitations(store, "red", workspace="acme", by=OWNER, clock=Later(days=8))
    assert [one.status for one in listed] == ["expired"]
    await revoke_invitation(store, made.id, workspace="acme", by=OWNER, clock=CLOCK)
    await refused(place, accept(store, made.token, workspace="acme", who=ZOE, clock=CLOCK), ZOE, "invitation_refused")
    with pytest.raises(NotFound):
        await revoke_invitation(store, made.id, workspace="acme", by=OWNER, clock=CLOCK)


async def test_the_plan_says_how_many_and_which_plan_holds_more(place: Place) -> None:
    await red(place)
    store = place.store
    made = await invited(place, email="sixth@example.com")
    with pytest.raises(Refused, match="free holds 5 people and there are 5; the plan pro holds more") as told:
        await accept(store, made.token, workspace="acme", who=person("sixth"), clock=CLOCK)
    assert told.value.hint == "remit plan set pro"
    await refused(place, add_user(store, Person("acme", "six", "Six"), by=OWNER, clock=CLOCK), OWNER, "plan_members")
    await set_plan(store, PlanName.FREE, workspace="acme", by=OWNER, numbers={"members": 6})
    assert await accept(store, made.token, workspace="acme", who=person("sixth"), clock=CLOCK, name="Six") == "red"
    told_plan = await show_plan(store, workspace="acme", by=VERA)
    assert (told_plan["plan"], told_plan["own"]) == ("free", ["members"])
    assert store.view(lambda tx: plan_of(tx, "acme")).members == 6
    for wrong in ({"colour": 1}, {"members": 0}, {"retention_days": None}):
        with pytest.raises(InvalidInput):
            await set_plan(store, PlanName.FREE, workspace="acme", by=OWNER, numbers=wrong)


async def test_the_plan_says_how_many_agents(here: Place) -> None:
    await set_plan(here.store, PlanName.FREE, workspace="acme", by=OWNER, numbers={"agents": 1})
    await register_agent(here.store, Agent("acme", "one", "ada"), by=OWNER, clock=CLOCK)
    with pytest.raises(Refused, match="holds 1 agents and there are 1; the plan pro holds more"):
        await register_agent(here.store, Agent("acme", "two", "ada"), by=OWNER, clock=CLOCK)
    assert Resource.AGENT.value in here.log("accounts.refused")[0].header["subject"]
