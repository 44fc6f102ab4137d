"""Which requests to models may be answered by an earlier answer, and what makes two of them the same.

Two requests are the same when they ask the same model of the same provider, in the same workspace, about the same
person (``Action.about``) if any, the same things: the body without what can't change the answer, keys in any order,
``0`` as ``0.0``. Who asks is no part of it: whether they may is the guard's to say, each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from remit.kernel.action import Action
from remit.kernel.canonical import Json, digest
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput

#: An hour, as LLM-3 has it; a day at most.
KEEP_S: Final = 3600.0
LONGEST_S: Final = 86_400.0

#: Fields that say who asks, or how the provider keeps its books, and change no byte of the answer. A Responses answer
#: repeats most of them, so nothing is dropped there but the model's public name.
_IDLE: Final[Mapping[Wire, frozenset[str]]] = {
    Wire.CHAT: frozenset(
        {"model", "user", "metadata", "safety_identifier", "store", "prompt_cache_key", "prompt_cache_retention"}
    ),
    Wire.MESSAGES: frozenset({"model", "metadata"}),
    Wire.EMBEDDINGS: frozenset({"model", "user"}),
    Wire.RESPONSES: frozenset({"model"}),
}
#: Fields that have a model call tools, or the provider call them for it.
_TOOLS: Final = frozenset(
    {"tools", "functions", "tool_choice", "function_call", "mcp_servers", "web_search_options", "container", "prompt"}
)
#: Parts of a conversation in which tools were called.
_CALLS: Final = frozenset({"tool", "function", "tool_use", "tool_result", "function_call", "function_call_output"})
_CALL_SUFFIXES: Final = ("_call", "_call_output", "_tool_use", "_tool_result")
#: Fields that make an answer depend on, or begin, something that goes on at the provider.
_STATEFUL: Final = frozenset({"conversation", "background", "previous_response_id"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What becomes of one request.

    Attributes:
        keep_s: An answer that is at most so old will do, and this one is kept for so long; 0: neither.
        refresh: Not even that one: ask, and keep the answer in its place.
        why: Why nothing is kept, in a word, for whoever wonders; empty when something is.
    """

    keep_s: float = 0.0
    refresh: bool = False
    why: str = ""


def wish(
    request: Mapping[str, Json],
    *,
    wire: Wire,
    asked: str = "",
    control: str = "",
    keeps: bool = False,
    keep_s: float = KEEP_S,
) -> Wish:
    """Whether ``request`` may be answered by an earlier answer, and its answer kept.

    Without ``asked``, only where the workspace keeps answers, and only what has one answer: ``temperature`` set to 0
    (providers take 1 when it is left out), or embeddings, and no tools. With it, whatever it says, but for what goes on
    at the provider (a stored conversation, a background response). An answer in which a tool is called is never kept.

    Args:
        request: The decoded body.
        wire: The operation.
        asked: The header ``x-remit-cache``: ``on``, ``off``, ``refresh``, or seconds (``on``, for so long).
        control: The header ``cache-control``: ``no-store`` is ``off``; ``no-cache`` and ``max-age=0`` ask anew;
            ``max-age=N`` takes nothing older.
        keeps: Whether the workspace keeps answers of its own accord.
        keep_s: For how long.

    Raises:
        InvalidInput: ``asked`` is none of these.
    """
    mode, seconds = _asked(asked)
    directives = {part.strip().lower() for part in control.split(",")} if control else set[str]()
    if mode == "off" or "no-store" in directives:
        return Wish(why="not wanted")
    if not (mode or keeps):
        return Wish(why="not kept here")
    if wire not in _IDLE or any(request.get(name) for name in _STATEFUL):
        return Wish(why="goes on at the provider")
    if not mode:
        if bears_tools(request):
            return Wish(why="tools")
        if wire is not Wire.EMBEDDINGS and not _is_zero(request.get("temperature")):
            return Wish(why="temperature")
    lasts = min(keep_s if seconds is None else seconds, LONGEST_S)
    for directive in directives:
        name, _, text = directive.partition("=")
        if name == "max-age" and text.isdecimal():
            if not int(text):
                directives = directives | {"no-cache"}
            else:
                lasts = min(lasts, float(text))
    return Wish(lasts, refresh=mode == "refresh" or "no-cache" in directives)


def _asked(text: str) -> tuple[str, float | None]:
    mode = text.strip().lower()
    if mode in {"", "on", "off", "refresh"}:
        return mode, None
    if mode.isdecimal() and int(mode) <= LONGEST_S:
        return ("on", float(mode)) if int(mode) else ("off", None)
    message = f"The header x-remit-cache takes on, off, refresh, or seconds up to {LONGEST_S:.0f}, not {text[:40]!r}."
    raise InvalidInput(message, code="cache.asked", hint="send x-remit-cache: on")


def bears_tools(request: Mapping[str, Json]) -> bool:
    """Whether tools are offered, or were called earlier in the conversation."""
    if any(request.get(name) for name in _TOOLS):
        return True
    return any(_called(each) for name in ("messages", "input") for each in _items(request.get(name)))


def _called(part: Json) -> bool:
    if not isinstance(part, Mapping):
        return False
    kind = part.get("type")
    if part.get("role") in _CALLS or part.get("tool_calls") or part.get("function_call"):
        return True
    if isinstance(kind, str) and (kind in _CALLS or kind.endswith(_CALL_SUFFIXES)):
        return True
    return any(_called(each) for each in _items(part.get("content")))


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _is_zero(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def subject_hash(action: Action, *, tapped: bool) -> str | None:
    """What an answer to a model call is kept under; ``None``: requests of its kind are never kept.

    The workspace is no part of it: it stands beside the hash, in every row and every question.
    """
    effect = action.effect
    if not isinstance(effect, Model) or effect.wire not in _IDLE:
        return None
    idle = _IDLE[effect.wire]
    asked = {name: _plain(value) for name, value in effect.request.items() if name not in idle}
    if not asked.get("stream"):
        asked.pop("stream", None)
    headers = sorted((name.lower(), text) for name, text in effect.headers)
    return digest(
        [effect.provider, effect.model, effect.wire.value, effect.operation, headers, action.about, tapped, asked]
    )


def _plain(value: Json) -> Json:
    """A whole number as an integer, at the top and below: ``0.0`` asks what ``0`` asks."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[Json]", value)]
    return value
