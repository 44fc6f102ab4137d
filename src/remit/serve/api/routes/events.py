"""What happens, as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.serve.api.access import Access
from remit.serve.api.caller import Asking
from remit.serve.live.asked import asked_of, still_of
from remit.serve.live.hub import Hub
from remit.serve.live.sse import MEDIA_TYPE, opened_stream

ROUTES = APIRouter(prefix="/api/v1/events", tags=["events"])
ACCESS = (Access("GET", "/api/v1/events", Permission.READ, Resource.MISSION),)


@ROUTES.get(
    "",
    summary="Watch what happens",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "Server-sent events"}},
)
async def watch(
    request: Request,
    caller: Asking,
    *,
    mission: Annotated[str, Query(max_length=64, description="Only this mission's; all when left out.")] = "",
    kinds: Annotated[str, Query(max_length=400, description="Only these, as `mission,step,approval`.")] = "",
    after: Annotated[str, Query(max_length=20, description="Begin after this event; now when left out.")] = "",
    follow: Annotated[bool, Query(description="Go on with what comes; else end where the log ends.")] = True,
    last_event_id: Annotated[str, Header(max_length=20, description="As `after`; it counts before it.")] = "",
) -> Response:
    """Server-sent events from the audit log, numbered as it is; `Last-Event-ID` resumes exactly.

    `ready` is the first and says where the stream begins. `entry` is an event and the only one with a number. `state`
    says where a step of the mission stands now. `reset`: the number was beyond the log. The last one is `dropped` (too
    slow: come back), `gone` (you may not watch any more) or `end`.
    """
    hub: Hub = request.app.state.live
    watcher = asked_of(caller, mission=mission, kinds=kinds, after=last_event_id or after, follow=follow)
    return await opened_stream(hub.watch(watcher, still=still_of(request.scope, caller)))
