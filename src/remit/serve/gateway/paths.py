"""Which path asks for what. Paths are matched before anything else is looked at, exactly, in one table.

``/openai/v1/chat/completions`` asks for the same as ``/v1/chat/completions``, of the provider ``openai``: so a client
that can only be given a base URL still says who is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from remit.kernel.effects import Wire

LIST = "/v1/models"


class Ask(StrEnum):
    """What a path asks for."""

    CALL = "call"  # a model
    MODELS = "models"  # which models there are, or one of them
    HEALTH = "health"  # whether the gateway is there


@dataclass(frozen=True, slots=True)
class Place:
    """What a path asks for.

    Attributes:
        ask: What.
        method: The only method that it is asked with.
        wire: The interface in which it is answered, errors included.
        provider: The provider that the path names; empty: none.
        model: The one model that is asked about.
    """

    ask: Ask
    method: str
    wire: Wire = Wire.CHAT
    provider: str = ""
    model: str = ""


PLACES = {
    "/v1/chat/completions": Place(Ask.CALL, "POST", Wire.CHAT),
    "/v1/responses": Place(Ask.CALL, "POST", Wire.RESPONSES),
    "/v1/messages": Place(Ask.CALL, "POST", Wire.MESSAGES),
    "/v1/messages/count_tokens": Place(Ask.CALL, "POST", Wire.COUNT_TOKENS),
    "/v1/embeddings": Place(Ask.CALL, "POST", Wire.EMBEDDINGS),
    LIST: Place(Ask.MODELS, "GET"),
    "/health": Place(Ask.HEALTH, "GET"),
}


def find(path: str) -> Place | None:
    """The place of a path; ``None``: there is none."""
    place = PLACES.get(path)
    if place is not None:
        return place
    head, found, _ = path.partition("/v1/")
    rest = path[len(head) :]
    if not found:
        return None
    provider = head[1:]
    if head and (not provider or "/" in provider):
        return None
    if rest.startswith(LIST + "/"):
        return Place(Ask.MODELS, "GET", provider=provider, model=rest[len(LIST) + 1 :])
    place = PLACES.get(rest) if head else None
    return place and replace(place, provider=provider)


def shape_of(path: str, *, anthropic: bool) -> Wire:
    """The interface in which a request to a path that asks for nothing is answered."""
    return Wire.MESSAGES if anthropic or "/messages" in path or path.startswith("/anthropic/") else Wire.CHAT
