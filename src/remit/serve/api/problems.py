"""What the framework and the rooms raise, as the one form of error (``serve.edge.problems``), and its schema."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from remit.kernel.errors import InvalidInput, NotFound, RemitError
from remit.serve.edge.problems import MOST_PROBLEMS, body_of, fault_of, headers_of, status_of

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` is stable; programs decide by it and by ``retryable``, people read the rest.

    More members say more where they are known: ``decision_id`` of a refusal, ``approval_id`` of what waits for a
    person, and of a limit (LIM-4) ``limit``, ``remaining``, ``retry_after``, ``position``, ``wait``, ``plan``.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:remit:error:not_found",
                    "title": "No such thing",
                    "status": 404,
                    "detail": "There is no team 'sales'.",
                    "instance": "/api/v1/teams/sales",
                    "code": "accounts.team",
                    "hint": "remit teams list",
                    "docs": "docs/errors.md#not_found",
                    "retryable": False,
                    "request_id": "019350c4-5b1a-7000-8000-000000000000",
                }
            ]
        },
    )

    type: str = Field(description="A URN of the error's kind.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What failed, and why.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable, for programs: `room.reason`.")
    hint: str = Field(description="The next command or change.")
    docs: str = Field(description="Where the documentation explains it.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    request_id: str = Field(description="What finds this request in the log.")
    place: str | None = Field(default=None, description="Where in the input.")
    problems: list[str] | None = Field(default=None, description="Everything that was wrong with the input.")


def problem(error: RemitError, *, path: str) -> Response:
    """An error as an answer."""
    made = Response(body_of(error, path=path), status_code=status_of(error))
    made.raw_headers[:0] = headers_of(error)
    return made


# ------------------------------------------------------------------------------------------------ for the application


async def remit_error(request: Request, error: Exception) -> Response:
    """What rooms raise."""
    return problem(cast("RemitError", error), path=request.url.path)


async def bad_request(request: Request, error: Exception) -> Response:
    """A request that does not fit its schema: every problem, and where each is."""
    found = cast("Sequence[Mapping[str, Any]]", cast("RequestValidationError", error).errors())
    problems = tuple(f"{_place(each['loc'])}: {each['msg']}" for each in found)[:MOST_PROBLEMS] or ("it does not fit",)
    message = f"The request does not fit: {'; '.join(problems[:5])}."
    broken = InvalidInput(message, code="api.request", hint="see /openapi.json", problems=problems)
    return problem(broken, path=request.url.path)


async def http_error(request: Request, error: Exception) -> Response:
    """What the framework itself turns away: no such path, another method, a body that can't be read."""
    raised = cast("HTTPException", error)
    path, hint = request.url.path, "see /openapi.json"
    match raised.status_code:
        case HTTPStatus.NOT_FOUND:
            ours: RemitError = NotFound(f"There is nothing at {path[:200]}.", code="api.path", hint=hint)
        case HTTPStatus.METHOD_NOT_ALLOWED:
            ours = InvalidInput(
                f"{request.method} is not for {path[:200]}.", code="api.method", hint="see /openapi.json"
            )
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            ours = InvalidInput("The body must be JSON.", code="api.media_type", hint="content-type: application/json")
        case _:
            detail = str(raised.detail)[:200] or "The request can't be read."
            ours = InvalidInput(detail, code="api.request", hint=hint)
    made = problem(ours, path=path)
    for name, value in (raised.headers or {}).items():
        made.headers[name] = value
    return made


async def fault(request: Request, error: Exception) -> Response:
    """A fault of ours: said without what it says, which may hold anything."""
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__, exc_info=error)
    return problem(fault_of(error), path=request.url.path)


def _place(loc: Sequence[object]) -> str:
    return ".".join(str(part) for part in loc)[:200] or "request"
