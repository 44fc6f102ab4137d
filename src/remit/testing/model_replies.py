"""What OpenAI's and Anthropic's interfaces answer, for ``remit.testing.model_server`` and ``model_upstream``.

Shapes are those of the public references of both (chat completions, responses, embeddings; messages, count_tokens),
with ids and times that do not change from call to call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import orjson

from remit.testing import model_anthropic, model_openai
from remit.testing.model_said import CREATED, JSON, OK, Answer, whole
from remit.testing.model_script import Behaviour, Reply, Script, Seen

_BAD, _UNAUTHORISED, _MISSING = 400, 401, 404

#: Status to the type and code of the error, as each of them writes it.
OPENAI_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}
ANTHROPIC_ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def answer(script: Script, seen: Seen, behaviour: Behaviour, reply: Reply) -> Answer:
    """What the provider says to a request."""
    path = seen.path.partition("?")[0]
    anthropic = path.startswith("/v1/messages") or "anthropic-version" in seen.headers
    made = _answer(script, seen, behaviour, reply, path=path, anthropic=anthropic)
    if behaviour.body is not None:
        made = Answer(behaviour.status, made.headers, (behaviour.body,), made.streamed)
    if behaviour.headers:
        mine = {name.lower() for name, _ in behaviour.headers}
        made = replace(made, headers=(*(each for each in made.headers if each[0] not in mine), *behaviour.headers))
    if made.streamed and (behaviour.crlf or behaviour.comments):
        comment = b": still here\n\n" if behaviour.comments else b""
        pieces = (comment + each for each in made.pieces)
        ending = b"\r\n" if behaviour.crlf else b"\n"
        made = replace(made, pieces=tuple(each.replace(b"\n", ending) for each in pieces))
    return made


def error(status: int, message: str, *, anthropic: bool) -> Answer:
    """An error in the provider's shape."""
    if anthropic:
        kind = ANTHROPIC_ERRORS.get(status, "api_error")
        told: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test"}
        return Answer(status, (*JSON, ("request-id", "req_test")), (orjson.dumps(told),))
    kind, code = OPENAI_ERRORS.get(status, ("server_error", None))
    told = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status, (*JSON, ("x-request-id", "req_test")), (orjson.dumps(told),))


def _answer(script: Script, seen: Seen, behaviour: Behaviour, reply: Reply, *, path: str, anthropic: bool) -> Answer:
    refused = script.keys and _key(seen.headers) not in script.keys
    if refused or behaviour.status != OK:
        status = _UNAUTHORISED if refused else behaviour.status
        message = "Incorrect API key provided." if refused else behaviour.message or f"Status {status}, as ordered."
        return error(status, message, anthropic=anthropic)
    if path == "/v1/models" and seen.method == "GET":
        return _models(script, anthropic=anthropic)
    make = _PATHS.get(path)
    if make is None or seen.method != "POST":
        return error(_MISSING, f"Unknown request URL: {seen.method} {path}.", anthropic=anthropic)
    request: Any = seen.json
    if not isinstance(request, dict) or not seen.model:
        return error(_BAD, "The body is no JSON object with a model.", anthropic=anthropic)
    if script.models and seen.model not in script.models:
        return error(_MISSING, f"The model `{seen.model}` does not exist.", anthropic=anthropic)
    return make(cast("dict[str, Any]", request), reply)


def _key(headers: Mapping[str, str]) -> str:
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def _models(script: Script, *, anthropic: bool) -> Answer:
    names = script.models or ("small", "large")
    if anthropic:
        told = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ]
        return whole({"data": told, "has_more": False, "first_id": names[0], "last_id": names[-1]})
    return whole(
        {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": CREATED, "owned_by": "test"} for name in names],
        }
    )


_PATHS = {
    "/v1/chat/completions": model_openai.chat,
    "/v1/responses": model_openai.responses,
    "/v1/embeddings": model_openai.embeddings,
    "/v1/messages": model_anthropic.messages,
    "/v1/messages/count_tokens": model_anthropic.count_tokens,
}
