"""The API's description: what the routes declare, and for each what may go wrong, who may ask and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from remit.kernel.errors import InternalError
from remit.serve.api.access import Access, Who
from remit.serve.api.problems import Problem
from remit.serve.edge.problems import MEDIA_TYPE

VERSION = "1"
TITLE = "Remit"
_ABOUT = """\
Everything that the command line does. Orders pass the same use cases, are refused in the same transaction, and stand in
the same audit log.

Errors are problem documents (RFC 9457); decide by `code` and `retryable`. Lists come in pages: send `next` back as
`cursor`. Every write takes an `Idempotency-Key`. Single resources carry an `ETag`; send it back as `If-Match` to change
what you saw and nothing newer.
"""
_SCHEMES: dict[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-remit_session",
        "description": "A console session; writes also need the header `X-CSRF-Token`.",
    },
}
_WRITES = frozenset({"post", "put", "patch", "delete"})

#: What may go wrong, by status, and what it means here.
_ALWAYS: Mapping[int, str] = {
    400: "The request can't be read.",
    422: "The request does not fit.",
    429: "Too many requests; `Retry-After` says when to come back.",
    500: "A fault of ours.",
    503: "Something needed is not there now.",
    504: "It took too long.",
}
_ON_WRITES: Mapping[int, str] = {
    402: "A budget would be passed.",
    409: "The state is another one, or a person must decide first.",
    412: "What `If-Match` named is not there any more.",
    413: "The request is too large.",
    415: "The body is no JSON.",
}
_ON_KNOWN: Mapping[int, str] = {401: "Nobody is signed in.", 403: "It is refused; `detail` says who could."}
_ON_ITEMS: Mapping[int, str] = {404: "There is no such thing."}

_LIMIT_HEADERS: Mapping[str, str] = {
    "X-RateLimit-Limit-Minute": "Requests a minute that are taken from this address.",
    "X-RateLimit-Remaining-Minute": "How many are left.",
    "X-RateLimit-Limit-Hour": "Requests an hour that are taken from this address.",
    "X-RateLimit-Remaining-Hour": "How many are left.",
}


def describe(app: FastAPI, rows: Mapping[tuple[str, str], Access]) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=TITLE, version=VERSION, description=_ABOUT, routes=app.routes)
        schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        made["components"]["securitySchemes"] = _SCHEMES
        made["components"]["headers"] = {
            name: {"description": said, "schema": {"type": "integer", "minimum": 0}}
            for name, said in _LIMIT_HEADERS.items()
        }
        names: set[str] = set()
        for path, methods in made["paths"].items():
            for method, operation in methods.items():
                _complete(operation, rows[method.upper(), path], method, path)
                _name(operation, f"{method}_{path}", names)
        app.openapi_schema = made
    return app.openapi_schema


def _name(operation: dict[str, Any], place: str, names: set[str]) -> None:
    """Call an operation as its route is called, ``teams.list``: clients are written from these names.

    Raises:
        InternalError: Two routes of one noun have one name.
    """
    own = operation["operationId"].removesuffix(
        re.sub(r"\W", "_", place.partition("_")[2]) + "_" + place.partition("_")[0]
    )
    name = f"{operation['tags'][0]}.{own.strip('_')}"
    if name in names:
        message = f"Two endpoints are called {name}; name one of the functions otherwise."
        raise InternalError(message, code="api.name")
    names.add(name)
    operation["operationId"] = name


def _complete(operation: dict[str, Any], row: Access, method: str, path: str) -> None:
    open_to_all = row.who is Who.ANYBODY
    operation["security"] = [] if open_to_all else [{name: []} for name in _SCHEMES]
    if row.who is Who.PERMITTED:
        operation["x-remit-permission"] = f"{row.permission.value} {row.resource.value}"
    responses: dict[str, Any] = operation["responses"]
    wrong = dict(_ALWAYS)
    wrong |= {} if open_to_all and method not in _WRITES else _ON_KNOWN  # signing in may be refused as well
    wrong |= _ON_WRITES if method in _WRITES else {}
    wrong |= _ON_ITEMS if path.startswith("/api/") else {}
    if path.startswith("/health"):
        wrong = {status: said for status, said in _ALWAYS.items() if status in {400, 422, 500, 504}}
    for status, said in sorted(wrong.items()):
        old = responses.get(str(status))
        if old is None or "HTTPValidationError" in str(old):
            schema = {"$ref": "#/components/schemas/Problem"}
            responses[str(status)] = {"description": said, "content": {MEDIA_TYPE: {"schema": schema}}}
    if path.startswith("/api/"):
        for response in responses.values():
            response.setdefault("headers", {}).update(
                {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMIT_HEADERS}
            )
    operation["responses"] = dict(sorted(responses.items()))
