"""Tool servers (MCP): which there are, what their tools say of themselves, accepting what changed.

Which program is started, or which address is reached, is ordered at the machine (``remit mcp servers add``).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.guard.mcp_tools import Pinned, Pinning, Server, accept_tools, list_servers, list_tools
from remit.kernel.clock import iso
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, bad_cursor, cut
from remit.serve.api.reads import read

PLACE = "/api/v1/mcp"
ROUTES = APIRouter(prefix=PLACE, tags=["tools"])
ACCESS = (
    Access("GET", f"{PLACE}/servers", Permission.READ, Resource.AGENT),
    Access("GET", f"{PLACE}/tools", Permission.READ, Resource.AGENT),
    Access("POST", f"{PLACE}/tools/accept", Permission.ADMIN, Resource.AGENT),
)


class ServerShown(Shown):
    """A registered server; of variables and headers the names alone."""

    model_config = example(server="files", command=["mcp-files"], env=[], url="", headers=[], pinning="hold")

    server: str
    command: list[str] = Field(description="Empty: it is reached at `url`.")
    env: list[str]
    url: str
    headers: list[str]
    pinning: Pinning = Field(description="What happens when a tool changes.")


class ToolShown(Shown):
    """A tool as it is known here."""

    model_config = example(
        server="files", tool="read", held=False, why="", sha256="00" * 32, accepted_by="user:ann",
        description="Reads a file.", signs="", first_at="2026-11-22T00:00:00Z", changed_at="2026-11-22T00:00:00Z",
    )  # fmt: skip

    server: str
    tool: str
    held: bool = Field(description="It may not be used until somebody accepts what it says now.")
    why: str
    sha256: str = Field(description="Of everything that it says of itself now.")
    accepted_by: str
    description: str
    signs: str = Field(description="Why its words look like an attack; empty: they don't.")
    first_at: str
    changed_at: str


class Acceptance(Asked):
    """What is accepted."""

    model_config = example(server="files", tools=["read"], sha256="3f0ae81c90a4")

    server: str = Field(min_length=1, max_length=64)
    tools: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default=[], max_length=200, description="None: every one of the server that is held."
    )
    sha256: str = Field(
        default="",
        pattern="^([0-9a-f]{8,64})?$",
        description="How the hash begins that was looked at; only that counts.",
    )


class Accepted(Shown):
    """What was accepted."""

    items: list[ToolShown]


@ROUTES.get("/servers", response_model=Page[ServerShown], summary="List tool servers")
async def servers(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Those that are registered, by name."""
    after = paging.text()
    found = await read(runtime, caller, lambda tx: list_servers(tx, caller.workspace), resource=Resource.AGENT)
    rest = sorted((each for each in found if each.name > after), key=lambda each: each.name)
    shown, following = cut(rest, paging, lambda each: (each.name,))
    return answer(Page[ServerShown](items=[_server(each) for each in shown], next=following))


@ROUTES.get("/tools", response_model=Page[ToolShown], summary="List tools")
async def tools(
    caller: Asking, runtime: Open, paging: AskedPage, server: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """What servers offered, of one or of all, and which of it is held."""
    match paging.after:
        case None:
            after = ("", "")
        case (str(where), str(name)):
            after = (where, name)
        case _:
            raise bad_cursor()
    found = await read(
        runtime, caller, lambda tx: list_tools(tx, caller.workspace, server=server), resource=Resource.AGENT
    )
    rest = sorted(
        (each for each in found if (each.server, each.name) > after), key=lambda each: (each.server, each.name)
    )
    shown, following = cut(rest, paging, lambda each: (each.server, each.name))
    return answer(Page[ToolShown](items=[_tool(each) for each in shown], next=following))


@ROUTES.post("/tools/accept", response_model=Accepted, summary="Accept what tools say")
async def accept(caller: Asking, runtime: Open, asked: Acceptance) -> Response:
    """From now on they may be used as they describe themselves now; when they change they are held again."""
    done = await accept_tools(
        runtime.store,
        asked.server,
        asked.tools,
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        sha256=asked.sha256,
    )
    return answer(Accepted(items=[_tool(each) for each in done]))


def _server(each: Server) -> ServerShown:
    return ServerShown(
        server=each.name,
        command=list(each.command),
        env=sorted(each.env),
        url=each.url,
        headers=sorted(each.headers),
        pinning=each.pinning,
    )


def _tool(each: Pinned) -> ToolShown:
    return ToolShown(
        server=each.server,
        tool=each.name,
        held=each.held,
        why=each.why,
        sha256=each.sha256,
        accepted_by=each.accepted_by,
        description=each.description,
        signs=each.signs,
        first_at=iso(each.first_us),
        changed_at=iso(each.changed_us),
    )
