"""Errors as RFC 9457 problem documents: one form for whatever goes wrong, from one table (``kernel.errors.TABLE``)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from remit.kernel import correlation
from remit.kernel.errors import (
    BudgetExceeded,
    InternalError,
    InvalidInput,
    NotFound,
    RateLimited,
    RemitError,
    Timeout,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_PROBLEMS = 50
PRECONDITION = "api.precondition"

#: Statuses that an error's class does not give, by its code.
_STATUS: Mapping[str, int] = {
    PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    "api.precondition_required": HTTPStatus.PRECONDITION_REQUIRED,
    "api.method": HTTPStatus.METHOD_NOT_ALLOWED,
    "api.media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "api.cursor": HTTPStatus.UNPROCESSABLE_ENTITY,
    "api.csrf": HTTPStatus.FORBIDDEN,
    "api.origin": HTTPStatus.FORBIDDEN,
}


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


def status_of(error: RemitError) -> int:
    """The HTTP status of an error."""
    return _STATUS.get(error.code) or error.row.http


def told(error: RemitError, *, path: str) -> dict[str, Any]:
    """An error as a problem document."""
    row = error.row
    found: dict[str, Any] = {
        "type": f"urn:remit:error:{row.code}",
        "title": _title(type(error)),
        "status": status_of(error),
        "detail": error.message,
        "instance": path[:400],
        "code": error.code,
        "hint": error.hint,
        "docs": error.anchor,
        "retryable": row.retryable,
        "request_id": correlation.current().request_id,
    }
    if error.place:
        found["place"] = error.place
    if isinstance(error, InvalidInput) and error.problems != (error.message,):
        found["problems"] = list(error.problems)[:MOST_PROBLEMS]
    for name in ("decision_id", "approval_id"):
        if value := getattr(error, name, None):
            found[name] = value
    if isinstance(error, RateLimited | BudgetExceeded):
        found |= dict(error.told)
    return found


def headers_of(error: RemitError) -> list[tuple[bytes, bytes]]:
    """The headers that go with an error."""
    found = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if isinstance(error, Unauthenticated):
        found.append((b"www-authenticate", b'Bearer realm="remit"'))
    wait = getattr(error, "retry_after", None)
    if wait is None and isinstance(error, BudgetExceeded):
        wait = error.told.get("retry_after")
    if wait is None and isinstance(error, Unavailable) and error.row.retryable and not isinstance(error, Timeout):
        wait = 1
    if isinstance(wait, int | float):
        found.append((b"retry-after", str(max(math.ceil(wait), 1)).encode()))
    if isinstance(error, TooLarge):
        found.append((b"connection", b"close"))  # the rest of the body is not read
    return found


def body_of(error: RemitError, *, path: str) -> bytes:
    """An error's document as bytes; texts of outside that are no UTF-8 do not break it."""
    try:
        return orjson.dumps(told(error, path=path))
    except TypeError:
        clean = {name: _clean(value) for name, value in told(error, path=path).items()}
        return orjson.dumps(clean, default=str)


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


def fault_of(error: BaseException) -> InternalError:
    """What the outside hears of a fault of ours."""
    return InternalError(f"The request failed: {type(error).__name__}.", code="api.fault")


def _place(loc: Sequence[object]) -> str:
    return ".".join(str(part) for part in loc)[:200] or "request"


def _title(kind: type[RemitError]) -> str:
    first = (kind.__doc__ or kind.__name__).strip().partition("\n")[0]
    return first.partition(". ")[0].partition(": ")[0].rstrip(".")


def _clean(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
