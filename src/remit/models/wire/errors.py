"""Errors in the shape that each client's library raises on, and what a provider's own errors mean.

Shapes: https://platform.openai.com/docs/guides/error-codes and https://docs.anthropic.com/en/api/errors. Both official
libraries choose the exception by status; in a stream, by an event that carries an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType

import orjson

from remit.kernel.effects import Wire
from remit.kernel.errors import (
    ApprovalPending,
    BudgetExceeded,
    ContentRefused,
    ContextTooLong,
    Denied,
    InvalidInput,
    KeyRefused,
    NotFound,
    Overloaded,
    RateLimited,
    RemitError,
    Throttled,
    Timeout,
    Unavailable,
)
from remit.models.wire.documents import Document, an_object, decoded

type Headers = tuple[tuple[str, str], ...]

ANTHROPIC = frozenset({Wire.MESSAGES, Wire.COUNT_TOKENS})

_OPENAI_TYPES = MappingProxyType(
    {
        401: "authentication_error",
        402: "insufficient_quota",
        403: "permission_error",
        409: "conflict_error",
        429: "rate_limit_error",
    }
)
_ANTHROPIC_TYPES = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)
#: Codes that programs look for.
_OPENAI_CODES: Mapping[type[RemitError], str] = MappingProxyType(
    {ContextTooLong: "context_length_exceeded", ContentRefused: "content_filter"}
)
_BAD_REQUEST = 400
_UNPROCESSABLE = 422
_OVERLOADED = 529
_SERVER = 500
#: Statuses that the libraries try again unless they are told not to.
_TRIED_AGAIN = frozenset({408, 409, 429})


def status_of(wire: Wire, error: RemitError) -> int:
    """The HTTP status of an error for a client of this interface."""
    if isinstance(error, Overloaded) and wire in ANTHROPIC:
        return _OVERLOADED
    status = error.row.http
    return _BAD_REQUEST if status == _UNPROCESSABLE else status


def error_body(wire: Wire, error: RemitError, *, request_id: str = "") -> tuple[int, Headers, bytes]:
    """Status, headers (lower-case names) and body of an error.

    Args:
        wire: The client's interface.
        error: What went wrong; its message is shown, so it must be masked.
        request_id: Named in the interface's own header and, for messages, in the body; left out when empty.
    """
    status = status_of(wire, error)
    headers: list[tuple[str, str]] = [("content-type", "application/json")]
    if request_id:
        headers.append(("request-id" if wire in ANTHROPIC else "x-request-id", request_id))
    wait = _wait(error)
    if wait is not None:
        headers += (
            ("retry-after", str(max(1, math.ceil(wait)))),
            ("retry-after-ms", str(max(0, math.ceil(wait * 1000)))),
        )
    never = isinstance(error, RateLimited) and bool(error.decision_id) and wait is None  # ours, and it won't ever fit
    if (never or not error.row.retryable) and (status in _TRIED_AGAIN or status >= _SERVER):
        headers.append(("x-should-retry", "false"))
    return status, tuple(headers), orjson.dumps(_document(wire, error, status, request_id))


def error_event(wire: Wire, error: RemitError, *, request_id: str = "") -> bytes:
    """An event that ends a stream with an error, on which the official libraries raise."""
    document = _document(wire, error, status_of(wire, error), request_id)
    if wire in ANTHROPIC:
        return b"event: error\ndata: " + orjson.dumps(document) + b"\n\n"
    if wire is Wire.RESPONSES:
        told = document["error"]
        # As the interface has it, and with the member that the library raises on.
        inner = an_object(told) or {}
        event = {
            "type": "error",
            "code": inner.get("code"),
            "message": _said(error),
            "param": error.place,
            "error": told,
        }
        return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _document(wire: Wire, error: RemitError, status: int, request_id: str) -> Document:
    ours: Document = {"code": error.code, "hint": error.hint}
    if isinstance(error, Denied) and error.decision_id:
        ours["decision_id"] = error.decision_id
    if isinstance(error, BudgetExceeded | RateLimited):
        ours |= {name: value for name, value in error.told.items() if value is not None}
    if isinstance(error, ApprovalPending) and error.approval_id:
        ours["approval_id"] = error.approval_id
    if wire in ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= _SERVER else "invalid_request_error")
        told: Document = {"type": kind, "message": _said(error), "remit": ours}
        document: Document = {"type": "error", "error": told}
        return document | {"request_id": request_id} if request_id else document
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= _SERVER else "invalid_request_error")
    code = next((code for cls, code in _OPENAI_CODES.items() if isinstance(error, cls)), error.code)
    return {"error": {"message": _said(error), "type": kind, "code": code, "param": error.place, "remit": ours}}


def _said(error: RemitError) -> str:
    """What a client's library shows of it, which is the message alone: so it says what to do as well."""
    end = "" if error.message.endswith((".", "!", "?")) else "."
    return f"{error.message}{end} Next: {error.hint}" if error.hint else error.message


def _wait(error: RemitError) -> float | None:
    wait = error.retry_after if isinstance(error, RateLimited | Unavailable) else None
    if isinstance(error, BudgetExceeded):
        known = error.told.get("retry_after")
        wait = float(known) if isinstance(known, int | float) else None
    return wait


# ------------------------------------------------------------------------------------------------- from providers

_CONTEXT = (
    *("context_length_exceeded", "maximum context length", "prompt is too long", "context window", "context limit"),
    *("exceed_context_size", "available context size", "too many tokens", "input is too long", "context length"),
)
_CONTENT = (
    *("content_filter", "content_policy", "content management policy", "content policy", "responsibleai"),
    *("safety_violation", "flagged"),
)
_QUOTA = ("insufficient_quota", "billing", "credit balance", "exceeded your current quota")
_BUSY = ("overloaded", "engine is currently", "no capacity", "at capacity")
_AUTH = ("authentication_error", "permission_error", "invalid_api_key", "invalid x-api-key")
_LIMITED = ("rate_limit", "too_many_requests")
_LONGEST = 300
_MOST_WAIT = 1e9  # seconds, or their thousandths: a provider that says more says nothing


def typed(
    status: int, headers: Mapping[str, str], body: bytes, wire: Wire, *, now: datetime | None = None
) -> RemitError:
    """What a provider's answer means that is no answer: a failed request, or (status 200) an error event's document.

    What a provider says about keys is never quoted, since it quotes them.

    Args:
        status: The HTTP status.
        headers: By lower-case name; ``retry-after-ms`` and both forms of ``retry-after`` (RFC 9110) are read.
        body: The body, or the data of the event.
        wire: The interface it was asked by.
        now: For a ``retry-after`` that is a date; the answer's own ``date`` when left out.
    """
    message, marks, param = _read(body)
    told = f" It said: {message}" if message else ""
    wait = retry_after(headers, now=now)
    if status in {401, 403} or (status == HTTPStatus.OK and _any(_AUTH, marks)):
        text = f"The provider refuses the key that Remit asks it with (status {status})."
        return KeyRefused(text, code="model.key_refused", hint="remit secrets list")
    if status == HTTPStatus.PAYMENT_REQUIRED or _any(_QUOTA, marks):
        text = "The provider's account has no credit or quota left."
        return KeyRefused(text, code="model.quota", hint="top up the account at the provider")
    if status < _SERVER and status not in {404, 408, 429}:
        if _any(_CONTEXT, marks):
            return ContextTooLong(f"The prompt is longer than the model reads.{told}", code="model.context_length")
        if _any(_CONTENT, marks):
            return ContentRefused(f"The provider's filter refused this.{told}", code="model.content_refused")
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.OK and _any(_LIMITED, marks)):
        text = f"The provider limits how much it is asked.{told}"
        return Throttled(text, code="model.throttled", retry_after=wait)
    return _other(status, marks, told, wait, param=param, wire=wire)


def _other(status: int, marks: str, told: str, wait: float | None, *, param: str | None, wire: Wire) -> RemitError:
    if status in {503, _OVERLOADED} or (status in {200, 500} and _any(_BUSY, marks)):
        return Overloaded(f"The provider is overloaded.{told}", code="model.overloaded", retry_after=wait)
    if status in {408, 504, 522, 524} or (status == HTTPStatus.OK and "timeout" in marks):
        return Timeout(f"The provider did not answer in its time.{told}", code="model.timeout", retry_after=wait)
    if status == HTTPStatus.NOT_FOUND:
        text = f"The provider knows no such model or interface ({wire.value}).{told}"
        return NotFound(text, code="model.unknown", hint="name a model that the provider has")
    if status in {409, 425} or status >= _SERVER or status < _BAD_REQUEST:
        text = f"The provider failed (status {status}).{told}"
        return Unavailable(text, code="model.provider_failed", retry_after=wait)
    text = f"The provider refuses the request (status {status}).{told}"
    return InvalidInput(text, code="model.refused", place=param, hint="correct the request")


def _read(body: bytes) -> tuple[str, str, str | None]:
    """What an error says, everything by which it can be told (in lower case), and the member it speaks of."""
    document = an_object(decoded(body))
    if document is None:
        return "", "", None
    found = document.get("error", document)
    error = an_object(found) or {}
    message = found if isinstance(found, str) else error.get("message") or error.get("detail")
    text = message if isinstance(message, str) else ""
    marks = " ".join(str(each) for each in (error.get("type"), error.get("code"), text) if each)
    param = error.get("param")
    return text[:_LONGEST], marks.lower(), param if isinstance(param, str) else None


def _any(marks: tuple[str, ...], text: str) -> bool:
    return any(mark in text for mark in marks)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds after which a provider wants to be asked again; ``None`` when it doesn't say, or not readably."""
    exact = headers.get("retry-after-ms")
    if exact is not None and (seconds := _number(exact)) is not None:
        return seconds / 1000
    told = headers.get("retry-after")
    if told is None:
        return None
    seconds = _number(told)
    if seconds is not None:
        return seconds
    try:
        until = parsedate_to_datetime(told)
        since = now or parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number <= _MOST_WAIT else None
