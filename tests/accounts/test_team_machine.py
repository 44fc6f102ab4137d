"""Whatever people order in whatever order: no team is ever without an owner, and rights are what the bit mask says."""

import asyncio
import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from remit.accounts.access import ACTIVE, Permission, Resource, require, rights_of
from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person, add_user, remove_user, set_user_role
from remit.accounts.roles import BITS, EVERY, NEEDS, NONE, ROLE_RIGHTS, Role, effective, may
from remit.accounts.tables import USER
from remit.accounts.team_tables import MEMBER, TEAM
from remit.accounts.teams import Team, create_team, delete_team, leave_team, set_member
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, InvalidInput, NotFound, RemitError
from remit.testing.memory_journal import MemoryJournal

CLOCK = SystemClock()
PEOPLE = ("ada", "bob", "mia", "zoe")
TEAMS = ("red", "blue")

who = st.sampled_from(PEOPLE)
slug = st.sampled_from(TEAMS)
role = st.sampled_from(list(Role))
bits = st.sampled_from([NONE, NONE, NONE, *BITS.values(), EVERY])


class Teams(RuleBasedStateMachine):
    """A model in two dictionaries, beside the real orders on real tables."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()
        self.people: dict[str, tuple[Role | None, int, int]] = {}
        self.teams: dict[str, dict[str, tuple[Role, int, int]]] = {}

    def teardown(self) -> None:
        self.journal.close()

    @initialize()
    def begin(self) -> None:
        owner = create_local_owner(self.journal, workspace="acme", user="ada", name="Ada", clock=CLOCK)
        asyncio.run(owner)
        self.people["ada"] = (Role.OWNER, NONE, NONE)

    # ---------------------------------------------------------------------------------------------------- the model

    def rights(self, person: str, team: str = "") -> int:
        if person not in self.people:
            return NONE
        rights = effective(*self.people[person])
        if person in self.teams.get(team, {}):
            rights |= effective(*self.teams[team][person])
        return rights

    def owners(self, team: str) -> list[str]:
        return [name for name, held in self.teams[team].items() if held[0] is Role.OWNER]

    def order(self, coroutine: Any, *, may_order: bool) -> bool:
        """Give an order; whether it was carried out. Who may not is refused on record, and on record only."""
        before = len(self.journal.entries)
        try:
            asyncio.run(coroutine)
        except Refused:
            assert [draft.fields["action"] for draft in self.journal.entries[before:]] == ["accounts.refused"]
            return False
        except (Conflict, NotFound, InvalidInput):
            assert may_order
            assert len(self.journal.entries) == before
            return False
        assert may_order
        assert len(self.journal.entries) == before + 1
        return True

    # ---------------------------------------------------------------------------------------------------- the orders

    @rule(by=who, name=who, new=st.one_of(st.none(), role))
    def add(self, by: str, name: str, new: Role | None) -> None:
        allowed = may(self.rights(by), Permission.ADMIN, Resource.MEMBER)
        made = add_user(self.journal, Person("acme", name, name, role=new), by=_person(by), clock=CLOCK)
        if self.order(made, may_order=allowed):
            assert name not in self.people
            self.people[name] = (new, NONE, NONE)

    @rule(by=who, name=who, new=st.one_of(st.none(), role), plus=bits, minus=bits)
    def promote(self, by: str, name: str, new: Role | None, plus: int, minus: int) -> None:
        allowed = may(self.rights(by), Permission.ADMIN, Resource.MEMBER) or _impossible(new, plus, minus)
        made = set_user_role(
            self.journal, name, workspace="acme", by=_person(by), role=new, granted=plus, revoked=minus
        )
        if self.order(made, may_order=allowed):
            assert not (effective(new, plus, minus) | self.rights(name)) & ~self.rights(by)
            self.people[name] = (new, plus, minus)

    @rule(by=who, name=who)
    def remove(self, by: str, name: str) -> None:
        allowed = may(self.rights(by), Permission.ADMIN, Resource.MEMBER)
        if self.order(remove_user(self.journal, name, workspace="acme", by=_person(by)), may_order=allowed):
            del self.people[name]
            for members in self.teams.values():
                members.pop(name, None)

    @rule(by=who, team=slug, owner=who)
    def create(self, by: str, team: str, owner: str) -> None:
        allowed = may(self.rights(by), Permission.ADMIN, Resource.TEAM)
        made = create_team(self.journal, Team("acme", team, team), by=_person(by), clock=CLOCK, owner=owner)
        if self.order(made, may_order=allowed):
            assert team not in self.teams
            self.teams[team] = {owner: (Role.OWNER, NONE, NONE)}

    @rule(by=who, team=slug)
    def delete(self, by: str, team: str) -> None:
        allowed = may(self.rights(by, team), Permission.DELETE, Resource.TEAM)
        if self.order(
            delete_team(self.journal, team, workspace="acme", by=_person(by), clock=CLOCK), may_order=allowed
        ):
            assert by in self.owners(team) or self.people[by][0] is Role.OWNER
            del self.teams[team]

    @precondition(lambda self: self.teams)
    @rule(by=who, team=slug, name=who, new=role, plus=bits, minus=bits)
    def put(self, by: str, team: str, *, name: str, new: Role, plus: int, minus: int) -> None:
        allowed = may(self.rights(by, team), Permission.ADMIN, Resource.MEMBER) or _impossible(new, plus, minus)
        made = set_member(
            self.journal,
            name,
            team=team,
            workspace="acme",
            by=_person(by),
            role=new,
            clock=CLOCK,
            granted=plus,
            revoked=minus,
        )
        if self.order(made, may_order=allowed):
            assert not effective(new, plus, minus) & ~self.rights(by, team)
            self.teams[team][name] = (new, plus, minus)

    @precondition(lambda self: self.teams)
    @rule(by=who, team=slug, name=who)
    def leave(self, by: str, team: str, name: str) -> None:
        allowed = (
            may(self.rights(by, team), Permission.ADMIN, Resource.MEMBER)
            if by != name
            else self.rights(by, team) != NONE
        )
        if self.order(leave_team(self.journal, team, workspace="acme", by=_person(by), user=name), may_order=allowed):
            del self.teams[team][name]

    # ------------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def no_team_and_no_workspace_is_without_an_owner(self) -> None:
        rows = asyncio.run(self.journal.read(lambda tx: (tx.rows(select(TEAM)), tx.rows(select(MEMBER)))))
        assert {row["slug"] for row in rows[0]} == set(self.teams)
        for team in self.teams:
            assert any(row["team"] == team and row["role"] == "owner" for row in rows[1])
            assert {row["person"] for row in rows[1] if row["team"] == team} == set(self.teams[team])
            assert set(self.teams[team]) <= set(self.people)
        if self.people:
            users = asyncio.run(self.journal.read(lambda tx: tx.rows(select(USER))))
            assert any(row["role"] == "owner" and row["status"] == ACTIVE for row in users)

    @invariant()
    def rights_are_what_the_bit_mask_says(self) -> None:
        for person in PEOPLE:
            for team in ("", *TEAMS):
                rights = self.rights(person, team)
                held = asyncio.run(
                    self.journal.read(lambda tx, of=(person, team): rights_of(tx, of[0], workspace="acme", team=of[1]))
                )
                assert held == rights
                for (permission, resource), need in NEEDS.items():
                    assert may(held, permission, resource) == (rights & need == need)

    @invariant()
    def an_order_is_refused_exactly_when_the_bit_mask_says_so(self) -> None:
        for person in PEOPLE:
            for permission in Permission:
                allowed = may(self.rights(person, "red"), permission, Resource.TEAM)
                try:
                    asyncio.run(
                        self.journal.read(
                            lambda tx, of=(person, permission): require(
                                tx,
                                _person(of[0]),
                                workspace="acme",
                                permission=of[1],
                                resource=Resource.TEAM,
                                team="red",
                            )
                        )
                    )
                except RemitError:
                    assert not allowed
                else:
                    assert allowed


def _person(name: str) -> Principal:
    return Principal(ActorKind.USER, name)


def _impossible(new: Role | None, plus: int, minus: int) -> bool:
    """An order that can't be meant is told so before anybody asks who gives it."""
    return bool(plus & minus) or (new is Role.OWNER and bool(plus or minus))


assert ROLE_RIGHTS[Role.OWNER] > EVERY

TestTeams = Teams.TestCase
TestTeams.settings = settings(
    max_examples=300 if os.environ.get("REMIT_PROVE") == "1" else 12, stateful_step_count=30, deadline=None
)
