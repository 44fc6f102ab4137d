"""What routes answer: a documented model, written once, with its entity tag where it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from remit.kernel.errors import Conflict, NotFound, RemitError
from remit.kernel.ports import ReadTx, Tx
from remit.kernel.within import Within, within
from remit.serve.edge.problems import PRECONDITION

JSON = "application/json"
_TAG_SIZE = 12  # bytes: nobody finds two forms of a resource with one tag by accident


class Asked(BaseModel):
    """The body of an order. What it does not know is refused: a name that is misspelt would else change nothing."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Shown(BaseModel):
    """A resource as it is shown."""

    model_config = ConfigDict(frozen=True)


def written(model: BaseModel) -> bytes:
    """A model's JSON."""
    return model.__pydantic_serializer__.to_json(model, by_alias=True)


def tag_of(body: bytes) -> str:
    """The strong entity tag (RFC 9110, 8.8.3) of a resource whose whole form is ``body``."""
    return f'"{blake2b(body, digest_size=_TAG_SIZE).hexdigest()}"'


def answer(model: BaseModel, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a model. Its own form is not validated again: it was when it was made."""
    return Response(written(model), status_code=status, media_type=JSON, headers=headers)


def resource(
    request: Request, model: BaseModel, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a single resource: with its entity tag, or with nothing (304) to whoever has just this form of it."""
    body = written(model)
    tag = tag_of(body)
    asked = request.headers.get("if-none-match") if request.method in {"GET", "HEAD"} else None
    if asked and among(tag, asked, weak=True):
        return Response(status_code=304, headers={"etag": tag, "cache-control": "private, no-cache"})
    made = Response(body, status_code=status, media_type=JSON, headers=headers)
    made.headers["etag"] = tag
    made.headers.setdefault("cache-control", "private, no-cache")
    return made


def created(model: BaseModel, location: str) -> Response:
    """Answer that something was made, and where it is."""
    made = answer(model, 201, headers={"location": location})
    made.headers["etag"] = tag_of(bytes(made.body))
    return made


def unchanged(request: Request, shown: Callable[[ReadTx], BaseModel]) -> AbstractContextManager[object]:
    """The next order counts only if the resource is what ``If-Match`` names: asked in the order's own transaction.

    Without that header every form of it will do.

    Args:
        request: The request.
        shown: The resource as ``GET`` shows it, read in the order's own transaction.
    """
    wanted = request.headers.get("if-match")
    if wanted is None:
        return nullcontext()

    def asked(tx: Tx) -> RemitError | None:
        try:
            now = tag_of(written(shown(tx)))
        except NotFound:
            return None  # the order says so itself, to whoever may know
        if among(now, wanted, weak=False):
            return None
        message = "The resource is not what If-Match names any more."
        return Conflict(message, code=PRECONDITION, hint="read it again, and decide by what it is now")

    return within(Within(asked=asked))


def nothing() -> Response:
    """Answer that it is done and there is nothing to show."""
    return Response(status_code=204)


def among(tag: str, header: str, *, weak: bool) -> bool:
    """Whether a tag is among those of an ``If-Match`` or ``If-None-Match`` header.

    Args:
        tag: A strong tag.
        header: ``*``, or tags separated by commas.
        weak: Whether a weak tag counts as its strong one (``If-None-Match``; never for ``If-Match``).
    """
    if header.strip() == "*":
        return True
    for part in header.split(","):
        each = part.strip()
        if each == tag or (weak and each.removeprefix("W/") == tag):
            return True
    return False


def example(**members: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """A model's configuration with one example of it."""
    return ConfigDict(json_schema_extra={"examples": [members]})
