"""Teams and who is in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.roles import BITS, Permission, Resource, Role, mask_of, names_of
from remit.accounts.team_listing import TeamRow, members_page, teams_page
from remit.accounts.teams import (
    Member,
    Team,
    TeamView,
    change_team,
    create_team,
    delete_team,
    find_team,
    leave_team,
    set_member,
    show_team,
    view_team,
)
from remit.kernel.clock import iso
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access, Elsewhere
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing, resource, unchanged
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut

ROUTES = APIRouter(prefix="/api/v1/teams", tags=["teams"])

_TEAM, _MEMBER = "/api/v1/teams/{team}", "/api/v1/teams/{team}/members/{user}"
ACCESS = (
    Access("GET", "/api/v1/teams", Permission.READ, Resource.TEAM, Elsewhere.EMPTY),
    Access("POST", "/api/v1/teams", Permission.ADMIN, Resource.TEAM),
    Access("GET", _TEAM, Permission.READ, Resource.TEAM),
    Access("PATCH", _TEAM, Permission.ADMIN, Resource.TEAM),
    Access("DELETE", _TEAM, Permission.DELETE, Resource.TEAM),
    Access("GET", f"{_TEAM}/members", Permission.READ, Resource.TEAM),
    Access("PUT", _MEMBER, Permission.ADMIN, Resource.MEMBER),
    Access("DELETE", _MEMBER, Permission.ADMIN, Resource.MEMBER, own=True),
)

type Slug = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["sales"])]
type User = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")]


class TeamItem(Shown):
    """A team in a list."""

    model_config = example(
        team="sales",
        name="Sales",
        billing_email="bills@example.org",
        created_at="2026-11-22T00:00:00Z",
        members=3,
        agents=1,
        role="admin",
    )

    team: str = Field(description="What orders call it.")
    name: str
    billing_email: str = Field(description="Where its bills go; may be empty.")
    created_at: str
    members: int = Field(description="How many people are in it.")
    agents: int = Field(description="How many agents belong to it.")
    role: Role | None = Field(description="Yours in it; null: you are not in it.")


class TeamMember(Shown):
    """Somebody in a team."""

    model_config = example(user="ann", role="member", granted=["delete"], revoked=[], may=["read", "write", "delete"])

    user: str
    role: Role
    granted: list[Permission] = Field(description="What they may beyond their role.")
    revoked: list[Permission] = Field(description="What their role may and they may not.")
    may: list[str] = Field(description="What comes of both; `own`: what takes an owner.")


class TeamShown(Shown):
    """A team."""

    model_config = example(
        team="sales",
        name="Sales",
        billing_email="bills@example.org",
        members=[{"user": "ann", "role": "owner", "granted": [], "revoked": [], "may": ["read", "write"]}],
        agents=["seller"],
    )

    team: str
    name: str
    billing_email: str
    members: list[TeamMember]
    agents: list[str]


class NewTeam(Asked):
    """A team to be made, together with its owner."""

    model_config = example(team="sales", name="Sales", billing_email="bills@example.org")

    team: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="A lower-case word.")
    name: str = Field(min_length=1, max_length=200)
    billing_email: str = Field(default="", max_length=254)
    owner: str = Field(default="", max_length=64, description="Its owner, who has an account; empty: you.")


class TeamChange(Asked):
    """What changes; what is left out or null stays."""

    model_config = example(name="Sales and service")

    name: str | None = Field(default=None, min_length=1, max_length=200)
    billing_email: str | None = Field(default=None, max_length=254)


class MemberChange(Asked):
    """Somebody's place in a team."""

    model_config = example(role="member", granted=["delete"])

    role: Role
    granted: list[Permission] = Field(default_factory=list[Permission], max_length=len(BITS))
    revoked: list[Permission] = Field(default_factory=list[Permission], max_length=len(BITS))


@ROUTES.get("", response_model=Page[TeamItem], summary="List teams")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """The teams that you may see, by slug."""
    rows = await teams_page(
        runtime.store,
        workspace=caller.workspace,
        by=caller.principal,
        after=paging.text(),
        limit=paging.limit + 1,
    )
    shown, following = cut(rows, paging, lambda row: (row.slug,))
    return answer(Page[TeamItem](items=[_item(row) for row in shown], next=following))


@ROUTES.post("", response_model=TeamShown, status_code=201, summary="Make a team")
async def make(caller: Asking, runtime: Open, asked: NewTeam) -> Response:
    """Make a team and its owner, in one transaction."""
    team = Team(caller.workspace, asked.team, asked.name, asked.billing_email)
    await create_team(runtime.store, team, by=caller.principal, clock=runtime.clock, owner=asked.owner)
    return created(await _shown(runtime, caller, team.slug), f"/api/v1/teams/{team.slug}")


@ROUTES.get("/{team}", response_model=TeamShown, summary="Show a team")
async def show(request: Request, caller: Asking, runtime: Open, team: Slug) -> Response:
    """One team with everybody in it."""
    return resource(request, await _shown(runtime, caller, team))


@ROUTES.patch("/{team}", response_model=TeamShown, summary="Change a team")
async def change(request: Request, caller: Asking, runtime: Open, team: Slug, asked: TeamChange) -> Response:
    """Change its name or where its bills go."""
    with unchanged(request, lambda tx: _read(tx, caller, team)):
        await change_team(
            runtime.store,
            team,
            workspace=caller.workspace,
            by=caller.principal,
            name=asked.name,
            billing=asked.billing_email,
        )
    return resource(request, await _shown(runtime, caller, team))


@ROUTES.delete("/{team}", status_code=204, summary="End a team")
async def end(request: Request, caller: Asking, runtime: Open, team: Slug) -> Response:
    """End a team: its members leave it, its open invitations end. Only an owner may."""
    with unchanged(request, lambda tx: _read(tx, caller, team)):
        await delete_team(runtime.store, team, workspace=caller.workspace, by=caller.principal, clock=runtime.clock)
    return nothing()


@ROUTES.get("/{team}/members", response_model=Page[TeamMember], summary="List a team's members")
async def members(caller: Asking, runtime: Open, paging: AskedPage, team: Slug) -> Response:
    """Who is in a team, by id."""
    rows = await members_page(
        runtime.store,
        team,
        workspace=caller.workspace,
        by=caller.principal,
        after=paging.text(),
        limit=paging.limit + 1,
    )
    shown, following = cut(rows, paging, lambda row: (row.user,))
    return answer(Page[TeamMember](items=[_member(row) for row in shown], next=following))


@ROUTES.put("/{team}/members/{user}", response_model=TeamMember, summary="Set a member's role")
async def place(caller: Asking, runtime: Open, team: Slug, user: User, asked: MemberChange) -> Response:
    """Give somebody with an account a role in a team; they join it when they are not in it."""
    granted, revoked = mask_of(asked.granted), mask_of(asked.revoked)
    await set_member(
        runtime.store,
        user,
        team=team,
        workspace=caller.workspace,
        by=caller.principal,
        role=asked.role,
        clock=runtime.clock,
        granted=granted,
        revoked=revoked,
    )
    return answer(_member(Member(team, user, asked.role, granted, revoked)))


@ROUTES.delete("/{team}/members/{user}", status_code=204, summary="Take a member out")
async def leave(caller: Asking, runtime: Open, team: Slug, user: User) -> Response:
    """Take somebody out of a team, or leave it yourself. The last owner stays."""
    await leave_team(runtime.store, team, workspace=caller.workspace, by=caller.principal, user=user)
    return nothing()


async def _shown(runtime: Open, caller: Asking, slug: str) -> TeamShown:
    return _view(await show_team(runtime.store, slug, workspace=caller.workspace, by=caller.principal))


def _read(tx: ReadTx, caller: Asking, slug: str) -> TeamShown:
    return _view(view_team(tx, find_team(tx, workspace=caller.workspace, slug=slug)))


def _view(view: TeamView) -> TeamShown:
    return TeamShown(
        team=view.team.slug,
        name=view.team.name,
        billing_email=view.team.billing_email,
        members=[_member(member) for member in view.members],
        agents=list(view.agents),
    )


def _member(member: Member) -> TeamMember:
    return TeamMember(
        user=member.user,
        role=member.role,
        granted=_permissions(member.granted),
        revoked=_permissions(member.revoked),
        may=names_of(member.rights),
    )


def _item(row: TeamRow) -> TeamItem:
    return TeamItem(
        team=row.slug,
        name=row.name,
        billing_email=row.billing_email,
        created_at=iso(row.created_us),
        members=row.people,
        agents=row.agents,
        role=row.role,
    )


def _permissions(mask: int) -> list[Permission]:
    return [permission for permission, bit in BITS.items() if mask & bit]
