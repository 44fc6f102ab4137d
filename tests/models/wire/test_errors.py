"""Errors in each client's shape, on which the official libraries raise; providers' errors as ours."""

import json
from datetime import UTC, datetime

import anthropic
import httpx2
import openai
import pytest

from remit.kernel import errors
from remit.kernel.effects import Wire
from remit.kernel.errors import RemitError
from remit.models.wire.errors import error_body, error_event, retry_after, typed

REFUSED = errors.BudgetExceeded("The key's budget is used up.", decision_id="d1")


@pytest.mark.parametrize(
    ("error", "status", "openai_type", "anthropic_type"),
    [
        (errors.InvalidInput("no", place="n"), 400, "invalid_request_error", "invalid_request_error"),
        (errors.ContextTooLong("long"), 400, "invalid_request_error", "invalid_request_error"),
        (errors.ContentRefused("no"), 400, "invalid_request_error", "invalid_request_error"),
        (REFUSED, 402, "insufficient_quota", "billing_error"),
        (errors.Denied("no"), 403, "permission_error", "permission_error"),
        (errors.NotFound("no"), 404, "invalid_request_error", "not_found_error"),
        (errors.ApprovalPending("wait", approval_id="a1"), 409, "conflict_error", "conflict_error"),
        (errors.RateLimited("slow", retry_after=1.2), 429, "rate_limit_error", "rate_limit_error"),
        (errors.Throttled("slow", retry_after=3.0), 429, "rate_limit_error", "rate_limit_error"),
        (errors.InternalError("oops"), 500, "server_error", "api_error"),
        (errors.KeyRefused("key"), 502, "server_error", "api_error"),
        (errors.InvalidAnswer("what"), 502, "server_error", "api_error"),
        (errors.Unavailable("gone"), 503, "server_error", "api_error"),
        (errors.Timeout("late"), 504, "server_error", "timeout_error"),
    ],
)
def test_each_error_has_its_status_and_type(
    error: RemitError, status: int, openai_type: str, anthropic_type: str
) -> None:
    got, headers, body = error_body(Wire.CHAT, error, request_id="r1")
    told = json.loads(body)["error"]
    said = f"{error.message.rstrip('.')}. Next: {error.hint}"
    assert (got, told["type"], told["message"], told["param"]) == (status, openai_type, said, error.place)
    assert told["remit"]["hint"] == error.hint
    assert ("x-request-id", "r1") in headers
    got, headers, body = error_body(Wire.MESSAGES, error, request_id="r1")
    document = json.loads(body)
    assert (got, document["type"], document["request_id"]) == (status, "error", "r1")
    assert (document["error"]["type"], document["error"]["message"]) == (anthropic_type, said)
    assert ("request-id", "r1") in headers


def test_headers_say_when_to_come_back_and_when_not_to() -> None:
    headers = dict(error_body(Wire.CHAT, errors.RateLimited("slow", retry_after=1.2))[1])
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1200")
    assert "x-should-retry" not in headers
    assert "x-should-retry" not in dict(error_body(Wire.CHAT, errors.RateLimited("a provider's, without a time"))[1])
    never = errors.RateLimited("It never fits.", decision_id="d")
    assert dict(error_body(Wire.CHAT, never)[1])["x-should-retry"] == "false"
    assert dict(error_body(Wire.CHAT, errors.ApprovalPending("wait"))[1])["x-should-retry"] == "false"
    assert dict(error_body(Wire.CHAT, errors.InternalError("oops"))[1])["x-should-retry"] == "false"
    assert error_body(Wire.MESSAGES, errors.Overloaded("busy"))[0] == 529
    assert error_body(Wire.CHAT, errors.Overloaded("busy"))[0] == 503
    told = json.loads(error_body(Wire.CHAT, errors.ContextTooLong("long"))[2])["error"]
    assert told["code"] == "context_length_exceeded"


def test_the_official_libraries_raise_on_our_events() -> None:
    client = openai.OpenAI(api_key="x", base_url="http://127.0.0.1:9")
    for wire, kind in (
        (Wire.CHAT, openai.types.chat.ChatCompletionChunk),
        (Wire.RESPONSES, openai.types.responses.Response),
    ):
        answer = httpx2.Response(200, content=error_event(wire, REFUSED), request=httpx2.Request("POST", "http://x"))
        with pytest.raises(openai.APIError, match="budget is used up"):
            list(openai.Stream(cast_to=kind, response=answer, client=client))
    other = anthropic.Anthropic(api_key="x", base_url="http://127.0.0.1:9")
    answer = httpx2.Response(
        200, content=error_event(Wire.MESSAGES, REFUSED), request=httpx2.Request("POST", "http://x")
    )
    with pytest.raises(anthropic.APIStatusError, match="budget is used up"):
        list(anthropic.Stream(cast_to=anthropic.types.Message, response=answer, client=other))
    client.close()
    other.close()


def body(message: str, **members: object) -> bytes:
    return json.dumps({"error": {"message": message, **members}}).encode()


KEY = "sk-" + "not-shown" * 3


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        (401, body(f"Incorrect API key provided: {KEY}"), errors.KeyRefused, "model.key_refused"),
        (403, body(KEY), errors.KeyRefused, "model.key_refused"),
        (402, body("pay"), errors.KeyRefused, "model.quota"),
        (429, body("You exceeded", code="insufficient_quota"), errors.KeyRefused, "model.quota"),
        (429, body("slow down"), errors.Throttled, "model.throttled"),
        (400, body("too long", code="context_length_exceeded"), errors.ContextTooLong, "model.context_length"),
        (400, body("prompt is too long: 9 tokens > 8"), errors.ContextTooLong, "model.context_length"),
        (400, body("x", code="content_filter"), errors.ContentRefused, "model.content_refused"),
        (400, body("bad", param="n"), errors.InvalidInput, "model.refused"),
        (422, b"garbage", errors.InvalidInput, "model.refused"),
        (404, body("no such model"), errors.NotFound, "model.unknown"),
        (408, b"", errors.Timeout, "model.timeout"),
        (504, b"<html>", errors.Timeout, "model.timeout"),
        (500, b"", errors.Unavailable, "model.provider_failed"),
        (502, b"[1]", errors.Unavailable, "model.provider_failed"),
        (503, b"", errors.Overloaded, "model.overloaded"),
        (529, body("Overloaded", type="overloaded_error"), errors.Overloaded, "model.overloaded"),
        (302, b"", errors.Unavailable, "model.provider_failed"),
        (200, body("Overloaded", type="overloaded_error"), errors.Overloaded, "model.overloaded"),
        (200, body("x", type="rate_limit_error"), errors.Throttled, "model.throttled"),
        (200, body("?"), errors.Unavailable, "model.provider_failed"),
    ],
)
def test_what_a_provider_says_is_typed(status: int, answer: bytes, kind: type[RemitError], code: str) -> None:
    error = typed(status, {}, answer, Wire.CHAT)
    assert (type(error), error.code) == (kind, code)
    assert KEY not in error.message


def test_how_long_to_wait_is_read_in_every_form() -> None:
    now = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    date = "Sat, 21 Nov 2026 22:00:30 GMT"
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "7", "retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": date}, now=now) == 30
    assert retry_after({"retry-after": date, "date": "Sat, 21 Nov 2026 22:00:10 GMT"}) == 20
    for odd in ({}, {"retry-after": "soon"}, {"retry-after": date}, {"retry-after": "-1"}, {"retry-after": "nan"}):
        assert retry_after(odd) is None
    error = typed(429, {"retry-after": "7"}, b"", Wire.CHAT)
    assert isinstance(error, errors.Throttled)
    assert error.retry_after == 7
