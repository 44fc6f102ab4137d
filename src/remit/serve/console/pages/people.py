"""People and teams: who may what, who joins, who leaves, and what was done about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remit.accounts.activity import Happening, activity
from remit.accounts.invitations import invite, open_invitations, revoke_invitation
from remit.accounts.links import make_link
from remit.accounts.people import list_users, remove_user, set_user_role
from remit.accounts.roles import Permission, Resource, Role, may, names_of
from remit.accounts.sessions import end_sessions
from remit.accounts.teams import Team, create_team, leave_team, list_teams, set_member
from remit.kernel.errors import InvalidInput
from remit.serve.console.asking import Ask, administers
from remit.serve.console.numbers import told
from remit.serve.console.page import Form, Shown, form, page

LATEST = 20


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody with an account."""

    id: str
    name: str
    email: str
    role: str
    may: tuple[str, ...]
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation that is open."""

    id: str
    email: str
    role: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class TeamRow:
    """A team with everybody in it; ``others`` have an account and are not."""

    slug: str
    name: str
    members: tuple[tuple[str, str], ...]
    agents: tuple[str, ...]
    invitations: tuple[InvitationRow, ...]
    administers: bool
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class People:
    """The page."""

    title: str
    said: str
    people: tuple[PersonRow, ...]
    teams: tuple[TeamRow, ...]
    happened: tuple[Happening, ...]
    administers: bool
    roles: tuple[str, ...] = tuple(role.value for role in Role)


SAID = {
    "role": "The role is changed, from now on",
    "removed": "The account has ended",
    "signed-out": "All their sign-ins have ended",
    "team": "The team is made",
    "member": "The team is changed",
    "taken-back": "The invitation is taken back",
}


@page("/people", template="people.html", group="Control", label="People and teams")
async def people(ask: Ask) -> People:
    """Everybody in the workspace, its teams, and what was done about them lately."""
    store, workspace, who = ask.runtime.store, ask.workspace, ask.who
    everybody = await list_users(store, workspace=workspace, by=who)
    active = [person for person in everybody if person.status == "active"]
    own = next((person for person in active if person.id == who.id), None)
    administers = own is not None and may(own.rights, Permission.ADMIN, Resource.MEMBER)
    teams: list[TeamRow] = []
    opens = ask.caller.opens(Permission.ADMIN.value)
    invited = await open_invitations(store, workspace=workspace, by=who, clock=ask.runtime.clock) if opens else {}
    for view in await list_teams(store, workspace=workspace, by=who):
        mine = administers or any(m.user == who.id and may(m.rights, Permission.ADMIN) for m in view.members)
        slug = view.team.slug
        open_ = tuple(InvitationRow(one.id, one.email, one.role.value, one.expires_us) for one in invited.get(slug, ()))
        members = tuple((member.user, member.role.value) for member in view.members)
        inside = {user for user, _ in members}
        others = tuple(person.id for person in active if person.id not in inside) if mine else ()
        teams.append(TeamRow(slug, view.team.name, members, view.agents, open_, mine, others))
    happened = await activity(store, workspace=workspace, by=who, limit=LATEST)
    said = SAID.get(ask.query.get("done", ""), "")
    return People(
        title=said or told(len(active), "person has an account", "people have an account"),
        said=said,
        people=tuple(
            PersonRow(
                person.id,
                person.name,
                person.email,
                person.role.value if person.role else "none",
                tuple(names_of(person.rights)),
                tuple(person.teams),
            )
            for person in active
        ),
        teams=tuple(teams),
        happened=tuple(happened),
        administers=administers,
    )


@form("/people/{user}/role", again=people)
async def role(ask: Ask) -> str:
    """Set somebody's role in the workspace."""
    await set_user_role(
        ask.runtime.store, ask.path["user"], workspace=ask.workspace, by=administers(ask), role=_role(ask, none=True)
    )
    return "/people?done=role"


@form("/people/{user}/remove", again=people)
async def remove(ask: Ask) -> str:
    """End an account."""
    await remove_user(ask.runtime.store, ask.path["user"], workspace=ask.workspace, by=administers(ask))
    ask.runtime.sign_in.forget()
    return "/people?done=removed"


@form("/people/{user}/sign-out", again=people)
async def sign_out(ask: Ask) -> str:
    """End all of somebody's sign-ins."""
    user = ask.path["user"]
    await end_sessions(ask.runtime.entrance, workspace=ask.workspace, by=administers(ask), person=user)
    return "/people?done=signed-out"


@form("/people/teams", again=people, about={"accounts.taken": "team"})
async def make_team(ask: Ask) -> str:
    """Make a team; whoever orders it owns it."""
    slug = ask.form.get("team", "")
    team = Team(ask.workspace, slug, ask.form.get("name", "") or slug)
    await create_team(ask.runtime.store, team, by=administers(ask), clock=ask.runtime.clock)
    return "/people?done=team"


@form("/people/teams/{team}/members", again=people)
async def member(ask: Ask) -> str:
    """Give somebody a role in a team, or take them out."""
    store, team, user = ask.runtime.store, ask.path["team"], ask.form.get("user", "")
    by = administers(ask)
    if ask.form.get("role") == "none":
        await leave_team(store, team, workspace=ask.workspace, by=by, user=user)
    else:
        chosen = _role(ask)
        assert chosen is not None  # noqa: S101 - none is no choice here
        await set_member(store, user, team=team, workspace=ask.workspace, by=by, role=chosen, clock=ask.runtime.clock)
    return "/people?done=member"


@form("/people/invitations/{id}/revoke", again=people)
async def take_back(ask: Ask) -> str:
    """Take an invitation back."""
    await revoke_invitation(
        ask.runtime.store, ask.path["id"], workspace=ask.workspace, by=administers(ask), clock=ask.runtime.clock
    )
    return "/people?done=taken-back"


@form("/people/{user}/link", again=people)
async def link(ask: Ask) -> Shown:
    """Make a link with which somebody sets a password."""
    made = await make_link(
        ask.runtime.entrance,
        ask.path["user"],
        workspace=ask.workspace,
        by=administers(ask),
        factor="lost" not in ask.form,
    )
    lead = f"With this link {made.person} sets a password, once, within an hour. It is not shown again."
    return Shown(f"A link for {made.person}", lead, path=made.path(), back="/people")


@form("/people/invite", again=people, about={"accounts.invitation": "email"})
async def invited(ask: Ask) -> Shown:
    """Invite somebody into a team."""
    role_ = _role(ask)
    assert role_ is not None  # noqa: S101 - none is no choice here
    made = await invite(
        ask.runtime.store,
        ask.form.get("team", ""),
        workspace=ask.workspace,
        email=ask.form.get("email", ""),
        role=role_,
        by=administers(ask),
        clock=ask.runtime.clock,
        rand=ask.runtime.entrance.rand,
    )
    lead = f"Send this link to {made.email}. It lets one person join {made.team}, within seven days."
    return Shown(f"An invitation into {made.team}", lead, path=f"/join#{made.token}", back="/people")


FORMS: Sequence[Form] = (role, remove, sign_out, make_team, member, take_back, link, invited)


def _role(ask: Ask, *, none: bool = False) -> Role | None:
    word = ask.form.get("role", "")
    if none and word == "none":
        return None
    if word not in {each.value for each in Role}:
        message = "Choose a role: owner, admin, member or viewer."
        raise InvalidInput(message, code="accounts.role", hint="remit users role --help")
    return Role(word)
