"""For administrators: how the database is, and which answers are kept for a while."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.audit.entry import Entry, Result
from remit.bootstrap import Runtime
from remit.kernel.ports import Tx
from remit.serve.api.access import Access
from remit.serve.api.answers import Shown, answer, example
from remit.serve.api.cached import cached
from remit.serve.api.caller import Asking, Open
from remit.serve.edge.identity import Caller
from remit.serve.edge.responses import Responses

ROUTES = APIRouter(prefix="/api/v1", tags=["operations"])
ACCESS = (
    Access("GET", "/api/v1/database", Permission.ADMIN),
    Access("GET", "/api/v1/response-cache", Permission.ADMIN),
    Access("DELETE", "/api/v1/response-cache", Permission.ADMIN),
)

KEPT_S = 5.0


class Database(Shown):
    """How the database is."""

    model_config = example(
        database="sqlite",
        rows={"team": 3},
        bytes=1048576,
        wal_bytes=4096,
        queued=0,
        connections={"readers": 4, "writer": 1},
        signed=1201,
        seal_error="",
        more=[],
        sizes={},
        version="3.45.1",
        revision="0028",
        batches=120,
        writes=340,
    )

    database: str = Field(description="`sqlite` or `postgres`.")
    rows: dict[str, int] = Field(description="How many there are of each table, of every workspace; to 100,000.")
    bytes: int = Field(description="Its size.")
    wal_bytes: int = Field(description="Size of its write-ahead log.")
    queued: int = Field(description="Writes that wait.")
    connections: dict[str, int]
    signed: int = Field(description="Entries under the newest signed head that this process made.")
    seal_error: str = Field(description="Why heads can't be signed; empty: they can.")
    more: list[str] = Field(description="Tables that have 100,000 rows or more.")
    sizes: dict[str, int] = Field(description="Bytes of each table with its indexes (Postgres).")
    version: str = Field(description="Of the database engine.")
    revision: str = Field(description="Of the schema.")
    batches: int = Field(description="Transactions that the answering process wrote since it started.")
    writes: int = Field(description="Operations in them.")


class KeptResponses(Shown):
    """Answers that are kept, of one endpoint."""

    endpoint: str
    kept: int
    hits: int
    misses: int


class ResponseCache(Shown):
    """Which answers this process keeps."""

    model_config = example(
        bytes=2048, most_bytes=16777216, endpoints=[{"endpoint": "/api/v1/database", "kept": 1, "hits": 4, "misses": 2}]
    )

    bytes: int
    most_bytes: int
    endpoints: list[KeptResponses]


class Cleared(Shown):
    """What was forgotten."""

    model_config = example(cleared=3)

    cleared: int


@ROUTES.get("/database", response_model=Database, summary="Database statistics")
@cached(seconds=KEPT_S)
async def database(request: Request, caller: Asking, runtime: Open) -> Response:
    """Rows, sizes, queues and connections; at most five seconds old, for counting rows takes its time."""
    del request
    await _administer(caller, runtime)
    found = await asyncio.to_thread(runtime.store.statistics)
    shown = found.as_json()
    return answer(Database.model_validate(shown))


@ROUTES.get("/response-cache", response_model=ResponseCache, summary="Kept answers")
async def kept(request: Request, caller: Asking, runtime: Open) -> Response:
    """Which answers this process keeps for a while, and how often they were of use."""
    await _administer(caller, runtime)
    responses: Responses = request.app.state.responses
    entries = responses.entries()
    found = [
        KeptResponses(endpoint=each, kept=entries[each], hits=responses.hits[each], misses=responses.misses[each])
        for each in sorted({*responses.hits, *responses.misses})
    ]
    return answer(ResponseCache(bytes=responses.bytes, most_bytes=responses.most_bytes, endpoints=found))


@ROUTES.delete("/response-cache", response_model=Cleared, summary="Forget kept answers")
async def clear(
    request: Request,
    caller: Asking,
    runtime: Open,
    endpoint: Annotated[str, Query(max_length=200, description="Of this endpoint; empty: all.")] = "",
) -> Response:
    """Forget the answers that this process keeps; audited."""
    entry = Entry(
        actor=caller.principal,
        action="api.cache.cleared",
        domain="api",
        result=Result.SUCCESS,
        workspace=caller.workspace,
    )

    def op(tx: Tx) -> None:
        require(tx, caller.principal, workspace=caller.workspace, permission=Permission.ADMIN)
        tx.append(entry, {"endpoint": endpoint})

    await runtime.store.commit("accounts.workspace", op)
    responses: Responses = request.app.state.responses
    return answer(Cleared(cleared=responses.clear(endpoint)))


async def _administer(caller: Caller, runtime: Runtime) -> None:
    """Refuse whoever does not administer the workspace.

    Raises:
        Refused: They do not.
    """
    await reading(
        runtime.store,
        lambda tx: require(
            tx,
            caller.principal,
            workspace=caller.workspace,
            permission=Permission.ADMIN,
            resource=Resource.WORKSPACE,
        ),
    )
