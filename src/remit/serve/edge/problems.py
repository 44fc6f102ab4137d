"""Errors as RFC 9457 problem documents: one form for whatever goes wrong, from one table (``kernel.errors.TABLE``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from remit.kernel import correlation
from remit.kernel.errors import (
    BudgetExceeded,
    InternalError,
    InvalidInput,
    RateLimited,
    RemitError,
    Timeout,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
MOST_PROBLEMS = 50
PRECONDITION = "api.precondition"

#: Statuses that an error's class does not give, by its code.
STATUS: Mapping[str, int] = {
    PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    "api.method": HTTPStatus.METHOD_NOT_ALLOWED,
    "api.media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "api.host": HTTPStatus.MISDIRECTED_REQUEST,
    "api.slow_body": HTTPStatus.REQUEST_TIMEOUT,
}


def status_of(error: RemitError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code) or error.row.http


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


def fault_of(error: BaseException) -> InternalError:
    """What the outside hears of a fault of ours."""
    return InternalError(f"The request failed: {type(error).__name__}.", code="api.fault")


def _title(kind: type[RemitError]) -> str:
    first = (kind.__doc__ or kind.__name__).strip().partition("\n")[0]
    return first.partition(". ")[0].partition(": ")[0].rstrip(".")


def _clean(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
