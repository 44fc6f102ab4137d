"""The API of itself: its description, and the token of a console session's forms."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.kernel.errors import InvalidInput
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import JSON, Shown, answer, example
from remit.serve.api.caller import Asking

ROUTES = APIRouter(tags=["about"])
ACCESS = (
    Access("GET", "/openapi.json", elsewhere=Elsewhere.SAME, who=Who.ANYBODY),
    Access("GET", "/api/v1/csrf", elsewhere=Elsewhere.SAME, who=Who.KNOWN),
)


class FormToken(Shown):
    """What writes with a console session must bring."""

    model_config = example(token="Qm9yZW...", header="X-CSRF-Token", field="csrf")  # noqa: S106 - no secret

    token: str
    header: str = Field(default="X-CSRF-Token", description="The header that brings it.")
    field: str = Field(default="csrf", description="Or the field of a form.")


@ROUTES.get("/openapi.json", summary="This description", response_model=dict[str, object])
async def description(request: Request) -> Response:
    """The OpenAPI document."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = orjson.dumps(request.app.openapi())
    return Response(state.description, media_type=JSON, headers={"cache-control": "public, max-age=300"})


@ROUTES.get("/api/v1/csrf", response_model=FormToken, summary="The token of a session's forms")
async def form_token(caller: Asking) -> Response:
    """For a console session: its cookie comes with this answer. Tokens and keys need none."""
    if caller.via != "session":
        message = "Only a console session needs this token; a token or key needs none."
        raise InvalidInput(message, code="api.no_session", hint="send the write without it")
    return answer(FormToken(token=caller.csrf), headers={"cache-control": "no-store"})
