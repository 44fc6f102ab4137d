"""Teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.accounts.roles import Role
from remit.accounts.teams import Team, create_team, set_member

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

TEAM = "/api/v1/teams/{team}"


async def a_team(api: Api) -> Params:
    slug = api.name("team")
    who, runtime = api.runtime.owner, api.runtime
    await create_team(runtime.store, Team("default", slug, "A team"), by=who, clock=runtime.clock)
    await set_member(
        runtime.store, "viewer", team=slug, workspace="default", by=who, role=Role.VIEWER, clock=runtime.clock
    )
    return {"team": slug, "user": "viewer"}


async def a_name(api: Api) -> Params:
    return {"new": api.name("new")}


SAMPLES = {
    ("GET", "/api/v1/teams"): Sample(a_team),
    ("POST", "/api/v1/teams"): Sample(a_name, lambda made: {"team": made["new"], "name": "New"}),
    ("GET", TEAM): Sample(a_team),
    ("PATCH", TEAM): Sample(a_team, lambda _made: {"name": "Renamed"}),
    ("DELETE", TEAM): Sample(a_team),
    ("GET", f"{TEAM}/members"): Sample(a_team),
    ("PUT", f"{TEAM}/members/{{user}}"): Sample(a_team, lambda _made: {"role": "member"}),
    ("DELETE", f"{TEAM}/members/{{user}}"): Sample(a_team),
}
