"""What a request goes on from: ids of what its provider keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from remit.guard.continuing import Reference
from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput

LONGEST = 512
MOST = 512


def references(wire: Wire, body: Mapping[str, object]) -> tuple[Reference, ...]:
    """The responses, conversations, items and containers that a request names.

    Responses and their items come from answers alone, so they must be known as the caller's. A conversation or a
    container may have been made elsewhere: whoever goes on from one first is whose it is. Files and stores of them are
    the account's; nothing here uploads any.

    Raises:
        InvalidInput: More than ``MOST``, or an id that is none.
    """
    if wire is Wire.RESPONSES:
        found = tuple(_responses(body))
    elif wire is Wire.MESSAGES and body.get("container") is not None:
        found = tuple(_named("container", body["container"], own=False))
    else:
        return ()
    if len(found) > MOST:
        message = f"The request refers to more than {MOST} things that its provider keeps."
        raise InvalidInput(message, place="input", code="model.request", hint="send what they hold")
    return found


def _responses(body: Mapping[str, object]) -> Iterator[Reference]:
    yield from _named("previous_response_id", body.get("previous_response_id"), own=True)
    yield from _named("conversation", body.get("conversation"), own=False)
    for at, item in enumerate(_objects(body.get("input"))):
        kind = item.get("type")
        if kind == "item_reference" or (kind is None and item.get("id") is not None and "content" not in item):
            yield from _named(f"input[{at}].id", item.get("id"), own=True)
        elif kind == "image_generation_call":
            yield from _named(f"input[{at}].id", item.get("id"), own=item.get("result") is None)
        elif kind == "code_interpreter_call":
            yield from _named(f"input[{at}].container_id", item.get("container_id"), own=False)
        elif kind == "reasoning" and item.get("encrypted_content") is None:
            yield from _named(f"input[{at}].id", item.get("id"), own=False)  # its text stays with the provider
    for at, tool in enumerate(_objects(body.get("tools"))):
        container, place = tool.get("container"), tool.get("environment")
        if isinstance(container, str):
            yield from _named(f"tools[{at}].container", container, own=False)
        if isinstance(place, Mapping):
            told = cast("Mapping[str, object]", place).get("container_id")
            yield from _named(f"tools[{at}].environment.container_id", told, own=False)


def _named(place: str, value: object, *, own: bool) -> Iterator[Reference]:
    told = cast("Mapping[str, object]", value).get("id") if isinstance(value, Mapping) else value
    if told is None:
        return
    if not isinstance(told, str) or not 0 < len(told) <= LONGEST:
        message = f"In the request, {place} is no id."
        raise InvalidInput(message, place=place, code="model.request", hint=f"leave {place} out")
    yield Reference(place, told, own)


def _objects(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list):
        return []
    return [cast("Mapping[str, object]", each) for each in cast("list[object]", value) if isinstance(each, Mapping)]
