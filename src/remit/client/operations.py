"""Every operation of the control API, and the documents that it takes and gives.

Written by ``scripts/client_operations.py`` from ``docs/openapi.json``: change the routes, then run it.
"""
# ruff: noqa: D101

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NotRequired, TypedDict, cast

from remit.client.steps import Call


class Cleared(TypedDict):
    cleared: int


class Component(TypedDict):
    state: State
    detail: NotRequired[str]


class Consistency(TypedDict):
    old: int
    new: int
    proof: list[str]


class Database(TypedDict):
    database: str
    rows: dict[str, int]
    bytes: int
    wal_bytes: int
    queued: int
    connections: dict[str, int]
    signed: int
    seal_error: str


class FormToken(TypedDict):
    token: str
    header: NotRequired[str]
    field: NotRequired[str]


class Health(TypedDict):
    status: State
    components: NotRequired[dict[str, Component]]


class KeptResponses(TypedDict):
    endpoint: str
    kept: int
    hits: int
    misses: int


class LogKeys(TypedDict):
    keys: list[str]
    checkpoint: str | None
    handovers: list[str]
    consistency: str


class MemberChange(TypedDict):
    role: Role
    granted: NotRequired[list[Permission]]
    revoked: NotRequired[list[Permission]]


class NewTeam(TypedDict):
    team: str
    name: str
    billing_email: NotRequired[str]
    owner: NotRequired[str]


class PageTeamItem(TypedDict):
    items: list[TeamItem]
    next: str | None


class PageTeamMember(TypedDict):
    items: list[TeamMember]
    next: str | None


type Permission = Literal["read", "write", "delete", "approve", "admin"]


class Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    hint: str
    docs: str
    retryable: bool
    request_id: str
    place: NotRequired[str | None]
    problems: NotRequired[list[str] | None]


class ResponseCache(TypedDict):
    bytes: int
    most_bytes: int
    endpoints: list[KeptResponses]


type Role = Literal["owner", "admin", "member", "viewer"]


type State = Literal["ok", "failed", "draining"]


class TeamChange(TypedDict):
    name: NotRequired[str | None]
    billing_email: NotRequired[str | None]


class TeamItem(TypedDict):
    team: str
    name: str
    billing_email: str
    created_at: str
    members: int
    agents: int
    role: Role | None


class TeamMember(TypedDict):
    user: str
    role: Role
    granted: list[Permission]
    revoked: list[Permission]
    may: list[str]


class TeamShown(TypedDict):
    team: str
    name: str
    billing_email: str
    members: list[TeamMember]
    agents: list[str]


class AboutCalls:
    """About about."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def description(self) -> dict[str, Any]:
        """This description."""
        return cast("dict[str, Any]", self._run(Call("GET", "/openapi.json")))

    def form_token(self) -> FormToken:
        """The token of a session's forms."""
        return cast("FormToken", self._run(Call("GET", "/api/v1/csrf")))


class AuditCalls:
    """About audit."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def consistency(self, *, old: int, new: int) -> Consistency:
        """Prove that the log was only added to."""
        return cast("Consistency", self._run(Call("GET", "/api/v1/audit/consistency", query={"old": old, "new": new})))

    def keys(self) -> LogKeys:
        """The keys of the audit log."""
        return cast("LogKeys", self._run(Call("GET", "/.well-known/remit-audit")))


class HealthCalls:
    """About health."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def health(self) -> Health:
        """Of what it is made, and how it is."""
        return cast("Health", self._run(Call("GET", "/health")))

    def live(self) -> Health:
        """Whether the process lives."""
        return cast("Health", self._run(Call("GET", "/health/live")))

    def ready(self) -> Health:
        """Whether requests may come."""
        return cast("Health", self._run(Call("GET", "/health/ready")))


class OperationsCalls:
    """About operations."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def clear(self, *, endpoint: str | None = None, if_match: str = "") -> Cleared:
        """Forget kept answers."""
        return cast(
            "Cleared",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/response-cache",
                    query={"endpoint": endpoint},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def database(self) -> Database:
        """Database statistics."""
        return cast("Database", self._run(Call("GET", "/api/v1/database")))

    def kept(self) -> ResponseCache:
        """Kept answers."""
        return cast("ResponseCache", self._run(Call("GET", "/api/v1/response-cache")))


class TeamsCalls:
    """About teams."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def change(self, team: str, body: TeamChange, *, if_match: str = "") -> TeamShown:
        """Change a team."""
        return cast(
            "TeamShown",
            self._run(
                Call(
                    "PATCH",
                    "/api/v1/teams/{team}",
                    params={"team": team},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def end(self, team: str, *, if_match: str = "") -> None:
        """End a team."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}",
                params={"team": team},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def leave(self, team: str, user: str, *, if_match: str = "") -> None:
        """Take a member out."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}/members/{user}",
                params={"team": team, "user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageTeamItem:
        """List teams."""
        return cast("PageTeamItem", self._run(Call("GET", "/api/v1/teams", query={"limit": limit, "cursor": cursor})))

    def make(self, body: NewTeam) -> TeamShown:
        """Make a team."""
        return cast("TeamShown", self._run(Call("POST", "/api/v1/teams", body=body)))

    def members(self, team: str, *, limit: int | None = None, cursor: str | None = None) -> PageTeamMember:
        """List a team's members."""
        return cast(
            "PageTeamMember",
            self._run(
                Call(
                    "GET",
                    "/api/v1/teams/{team}/members",
                    params={"team": team},
                    query={"limit": limit, "cursor": cursor},
                )
            ),
        )

    def place(self, team: str, user: str, body: MemberChange, *, if_match: str = "") -> TeamMember:
        """Set a member's role."""
        return cast(
            "TeamMember",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/teams/{team}/members/{user}",
                    params={"team": team, "user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def show(self, team: str) -> TeamShown:
        """Show a team."""
        return cast("TeamShown", self._run(Call("GET", "/api/v1/teams/{team}", params={"team": team})))


class Operations:
    """Every operation, by its noun."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self.about = AboutCalls(run)
        self.audit = AuditCalls(run)
        self.health = HealthCalls(run)
        self.operations = OperationsCalls(run)
        self.teams = TeamsCalls(run)


class AsyncAboutCalls:
    """About about."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def description(self) -> dict[str, Any]:
        """This description."""
        return cast("dict[str, Any]", await self._run(Call("GET", "/openapi.json")))

    async def form_token(self) -> FormToken:
        """The token of a session's forms."""
        return cast("FormToken", await self._run(Call("GET", "/api/v1/csrf")))


class AsyncAuditCalls:
    """About audit."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def consistency(self, *, old: int, new: int) -> Consistency:
        """Prove that the log was only added to."""
        return cast(
            "Consistency", await self._run(Call("GET", "/api/v1/audit/consistency", query={"old": old, "new": new}))
        )

    async def keys(self) -> LogKeys:
        """The keys of the audit log."""
        return cast("LogKeys", await self._run(Call("GET", "/.well-known/remit-audit")))


class AsyncHealthCalls:
    """About health."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def health(self) -> Health:
        """Of what it is made, and how it is."""
        return cast("Health", await self._run(Call("GET", "/health")))

    async def live(self) -> Health:
        """Whether the process lives."""
        return cast("Health", await self._run(Call("GET", "/health/live")))

    async def ready(self) -> Health:
        """Whether requests may come."""
        return cast("Health", await self._run(Call("GET", "/health/ready")))


class AsyncOperationsCalls:
    """About operations."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def clear(self, *, endpoint: str | None = None, if_match: str = "") -> Cleared:
        """Forget kept answers."""
        return cast(
            "Cleared",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/response-cache",
                    query={"endpoint": endpoint},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def database(self) -> Database:
        """Database statistics."""
        return cast("Database", await self._run(Call("GET", "/api/v1/database")))

    async def kept(self) -> ResponseCache:
        """Kept answers."""
        return cast("ResponseCache", await self._run(Call("GET", "/api/v1/response-cache")))


class AsyncTeamsCalls:
    """About teams."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def change(self, team: str, body: TeamChange, *, if_match: str = "") -> TeamShown:
        """Change a team."""
        return cast(
            "TeamShown",
            await self._run(
                Call(
                    "PATCH",
                    "/api/v1/teams/{team}",
                    params={"team": team},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def end(self, team: str, *, if_match: str = "") -> None:
        """End a team."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}",
                params={"team": team},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def leave(self, team: str, user: str, *, if_match: str = "") -> None:
        """Take a member out."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}/members/{user}",
                params={"team": team, "user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageTeamItem:
        """List teams."""
        return cast(
            "PageTeamItem", await self._run(Call("GET", "/api/v1/teams", query={"limit": limit, "cursor": cursor}))
        )

    async def make(self, body: NewTeam) -> TeamShown:
        """Make a team."""
        return cast("TeamShown", await self._run(Call("POST", "/api/v1/teams", body=body)))

    async def members(self, team: str, *, limit: int | None = None, cursor: str | None = None) -> PageTeamMember:
        """List a team's members."""
        return cast(
            "PageTeamMember",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/teams/{team}/members",
                    params={"team": team},
                    query={"limit": limit, "cursor": cursor},
                )
            ),
        )

    async def place(self, team: str, user: str, body: MemberChange, *, if_match: str = "") -> TeamMember:
        """Set a member's role."""
        return cast(
            "TeamMember",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/teams/{team}/members/{user}",
                    params={"team": team, "user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def show(self, team: str) -> TeamShown:
        """Show a team."""
        return cast("TeamShown", await self._run(Call("GET", "/api/v1/teams/{team}", params={"team": team})))


class AsyncOperations:
    """Every operation, by its noun."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self.about = AsyncAboutCalls(run)
        self.audit = AsyncAuditCalls(run)
        self.health = AsyncHealthCalls(run)
        self.operations = AsyncOperationsCalls(run)
        self.teams = AsyncTeamsCalls(run)
