"""The people of a workspace: their roles, links to set a password with, invitations, and what was done about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.activity import Happening, activity
from remit.accounts.invitations import (
    DAYS,
    MOST_DAYS,
    Invitation,
    accept,
    invite,
    list_invitations,
    revoke_invitation,
)
from remit.accounts.links import make_link
from remit.accounts.people import Person, add_user, list_users, remove_user, set_user_role
from remit.accounts.roles import BITS, Permission, Resource, Role, mask_of, names_of
from remit.accounts.sessions import end_sessions
from remit.kernel.clock import iso
from remit.kernel.errors import NotFound
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.api.routes.account import Ended, person_of

ROUTES = APIRouter(prefix="/api/v1", tags=["people"])

_USER, _INVITED = "/api/v1/users/{user}", "/api/v1/teams/{team}/invitations"
_ADMIN, _MEMBER = Permission.ADMIN, Resource.MEMBER
ACCESS = (
    Access("GET", "/api/v1/users", Permission.READ, _MEMBER),
    Access("POST", "/api/v1/users", _ADMIN, _MEMBER),
    Access("GET", _USER, Permission.READ, _MEMBER),
    Access("PUT", f"{_USER}/role", _ADMIN, _MEMBER),
    Access("DELETE", _USER, _ADMIN, _MEMBER),
    Access("POST", f"{_USER}/link", _ADMIN, _MEMBER),
    Access("DELETE", f"{_USER}/sessions", _ADMIN, _MEMBER),
    Access("GET", _INVITED, _ADMIN, Resource.INVITATION),
    Access("POST", _INVITED, _ADMIN, Resource.INVITATION),
    Access("DELETE", "/api/v1/invitations/{invitation}", _ADMIN, Resource.INVITATION),
    Access("POST", "/api/v1/invitations/accept", elsewhere=Elsewhere.SAME, who=Who.KNOWN),
    Access("GET", "/api/v1/activity", Permission.READ, Resource.WORKSPACE),
)

_WORD = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
type User = Annotated[str, Path(min_length=1, max_length=64, pattern=_WORD, examples=["ann"])]
type Slug = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["sales"])]
type Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]{1,64}$")]


class UserItem(Shown):
    """Somebody with an account."""

    user: str
    name: str
    email: str
    role: str | None = Field(description="In the workspace; null: only what teams give.")
    status: str = Field(description="`active` or `removed`.")
    may: list[str]
    teams: dict[str, list[str]]


class NewUser(Asked):
    """An account to be made. It has no password: make a link, or let them sign in by your provider."""

    model_config = Asked.model_config | example(user="ann", name="Ann", email="ann@example.org", role="member")

    user: str = Field(min_length=1, max_length=64, pattern=_WORD)
    name: str = Field(default="", max_length=200)
    email: str = Field(default="", max_length=254)
    role: Role | None = None


class RoleChange(Asked):
    """Somebody's role in the workspace, with exceptions."""

    role: Role | None = None
    granted: list[Permission] = Field(default_factory=list[Permission], max_length=len(BITS))
    revoked: list[Permission] = Field(default_factory=list[Permission], max_length=len(BITS))


class NewLink(Asked):
    """What a link is to do beside setting a password."""

    lost_factor: bool = Field(default=False, description="Turn their second factor off: they lost it.")


class LinkMade(Shown):
    """A one-time link; its token is in this answer alone."""

    user: str
    purpose: str = Field(description="`setup`, `reset` or `recover`.")
    path: str = Field(description="Where in the console it leads, token and all.")
    token: str
    expires_at: str


class InvitationItem(Shown):
    """An invitation; `token` is there once, in the answer that made it."""

    invitation: str
    team: str
    email: str
    role: Role
    status: str = Field(description="`open`, `accepted`, `revoked` or `expired`.")
    expires_at: str
    invited_by: str
    token: str | None = None


class Invitations(Shown):
    """A team's invitations, oldest first."""

    items: list[InvitationItem]


class NewInvitation(Asked):
    """Whom to invite as what."""

    model_config = Asked.model_config | example(email="zoe@example.org", role="member", days=7)

    email: str = Field(min_length=3, max_length=254)
    role: Role = Role.MEMBER
    days: int = Field(default=DAYS, ge=1, le=MOST_DAYS)


class Accepting(Asked):
    """An invitation's token."""

    token: str = Field(min_length=1, max_length=256)


class Joined(Shown):
    """Which team was joined."""

    team: str


class HappeningItem(Shown):
    """Something that was done about people, teams or agents."""

    seq: int = Field(description="Its entry in the audit log.")
    at: str
    who: str
    action: str
    subject: str
    team: str
    text: str = Field(description="The same in words.")


@ROUTES.get("/users", response_model=Page[UserItem], summary="List people")
async def users(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Everybody with an account, by id, the removed ones included."""
    found = await list_users(runtime.store, workspace=caller.workspace, by=caller.principal)
    after = paging.text()
    rows = [person for person in found if person.id > after][: paging.limit + 1]
    shown, following = cut(rows, paging, lambda person: (person.id,))
    return answer(Page[UserItem](items=[_user(person) for person in shown], next=following))


@ROUTES.post("/users", response_model=UserItem, status_code=201, summary="Add somebody")
async def add(caller: Asking, runtime: Open, asked: NewUser) -> Response:
    """Give somebody an account."""
    person = Person(caller.workspace, asked.user, asked.name or asked.user, asked.email, asked.role)
    await add_user(runtime.store, person, by=caller.principal, clock=runtime.clock)
    return created(_user(person), f"/api/v1/users/{person.id}")


@ROUTES.get("/users/{user}", response_model=UserItem, summary="Show somebody")
async def show(caller: Asking, runtime: Open, user: User) -> Response:
    """One person."""
    return answer(await _shown(runtime, caller, user))


@ROUTES.put("/users/{user}/role", response_model=UserItem, summary="Set somebody's role")
async def role(caller: Asking, runtime: Open, user: User, asked: RoleChange) -> Response:
    """Set a person's role in the workspace, with exceptions; at once. The last owner stays one."""
    await set_user_role(
        runtime.store,
        user,
        workspace=caller.workspace,
        by=caller.principal,
        role=asked.role,
        granted=mask_of(asked.granted),
        revoked=mask_of(asked.revoked),
    )
    return answer(await _shown(runtime, caller, user))


@ROUTES.delete("/users/{user}", status_code=204, summary="End somebody's account")
async def remove(caller: Asking, runtime: Open, user: User) -> Response:
    """End an account: roles, sign-ins and keys go at once, what was done stays on record."""
    await remove_user(runtime.store, user, workspace=caller.workspace, by=caller.principal)
    runtime.sign_in.forget()
    return nothing()


@ROUTES.post("/users/{user}/link", response_model=LinkMade, status_code=201, summary="Make a one-time link")
async def link(caller: Asking, runtime: Open, user: User, asked: NewLink) -> Response:
    """A link with which somebody else sets a password; earlier ones end."""
    made = await make_link(
        runtime.entrance, user, workspace=caller.workspace, by=caller.principal, factor=not asked.lost_factor
    )
    shown = LinkMade(
        user=user, purpose=made.purpose.value, path=made.path(), token=made.token, expires_at=iso(made.expires_us)
    )
    found = created(shown, f"/api/v1/users/{user}")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.delete("/users/{user}/sessions", response_model=Ended, summary="Sign somebody out")
async def sign_out(caller: Asking, runtime: Open, user: User) -> Response:
    """End all of somebody's sign-ins."""
    ended = await end_sessions(runtime.entrance, workspace=caller.workspace, by=caller.principal, person=user)
    return answer(Ended(ended=ended))


@ROUTES.get("/teams/{team}/invitations", response_model=Invitations, summary="List invitations")
async def invitations(caller: Asking, runtime: Open, team: Slug) -> Response:
    """A team's invitations."""
    found = await list_invitations(
        runtime.store, team, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return answer(Invitations(items=[_invitation(one) for one in found]))


@ROUTES.post("/teams/{team}/invitations", response_model=InvitationItem, status_code=201, summary="Invite somebody")
async def invite_(caller: Asking, runtime: Open, team: Slug, asked: NewInvitation) -> Response:
    """Make an invitation; its token is in this answer alone. In the console it is `/join#TOKEN`."""
    made = await invite(
        runtime.store,
        team,
        workspace=caller.workspace,
        email=asked.email,
        role=asked.role,
        by=caller.principal,
        clock=runtime.clock,
        rand=runtime.entrance.rand,
        days=asked.days,
    )
    found = created(_invitation(made), f"/api/v1/invitations/{made.id}")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.delete("/invitations/{invitation}", status_code=204, summary="Take an invitation back")
async def revoke(caller: Asking, runtime: Open, invitation: Id) -> Response:
    """Take an open invitation back."""
    await revoke_invitation(
        runtime.store, invitation, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return nothing()


@ROUTES.post("/invitations/accept", response_model=Joined, summary="Accept an invitation")
async def accept_(caller: Asking, runtime: Open, asked: Accepting) -> Response:
    """Join a team with your own account; an invitation for another e-mail address is refused."""
    who = await person_of(caller, runtime, credentials=True)
    team = await accept(runtime.store, asked.token, workspace=caller.workspace, who=who, clock=runtime.clock)
    return answer(Joined(team=team))


@ROUTES.get("/activity", response_model=Page[HappeningItem], summary="List what was done")
async def happenings(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    team: Annotated[str, Query(max_length=64, pattern=r"^([a-z][a-z0-9_-]{0,63})?$")] = "",
) -> Response:
    """What was done about people, teams and agents, newest first; of one team, if one is named."""
    rows = await activity(
        runtime.store,
        workspace=caller.workspace,
        by=caller.principal,
        team=team,
        before=paging.number(1 << 62),
        limit=paging.limit + 1,
    )
    shown, following = cut(rows, paging, lambda row: (row.seq,))
    return answer(Page[HappeningItem](items=[_happening(row) for row in shown], next=following))


async def _shown(runtime: Open, caller: Asking, user: str) -> UserItem:
    found = await list_users(runtime.store, workspace=caller.workspace, by=caller.principal)
    for person in found:
        if person.id == user:
            return _user(person)
    message = f"There is no user {user!r}."
    raise NotFound(message, code="accounts.user", hint="remit users list")


def _user(person: Person) -> UserItem:
    return UserItem(
        user=person.id,
        name=person.name,
        email=person.email,
        role=person.role.value if person.role else None,
        status=person.status,
        may=names_of(person.rights),
        teams={team: names_of(rights) for team, rights in person.teams.items()},
    )


def _invitation(one: Invitation) -> InvitationItem:
    return InvitationItem(
        invitation=one.id,
        team=one.team,
        email=one.email,
        role=one.role,
        status=one.status,
        expires_at=iso(one.expires_us),
        invited_by=one.invited_by,
        token=one.token or None,
    )


def _happening(row: Happening) -> HappeningItem:
    return HappeningItem(
        seq=row.seq,
        at=iso(row.at_us),
        who=row.who,
        action=row.action,
        subject=row.subject,
        team=row.team,
        text=row.text,
    )
