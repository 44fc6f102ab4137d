"""What a request to a model asks for, read from its decoded body: what the router, budgets and limits need to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput
from remit.models import services
from remit.models.wire.hosted import uses
from remit.models.wire.splice import splice

__all__ = ["Request", "facts", "splice"]

#: Bytes of a request that count as one token when nobody has counted them. English has some four characters a token,
#: other languages and code fewer; more is reserved than used, and settled with what the provider reports.
BYTES_PER_TOKEN = 3

#: Tokens of one image: the most that a scaled one costs at Anthropic (1,568), and about what four of OpenAI's tiles do.
IMAGE_TOKENS = 1_600

_JSON_FORMATS = frozenset({"json_schema", "json_object"})
_IMAGES = frozenset({"image_url", "image", "input_image"})
_MOST_NEST = 6


#: Members by which some compatible providers (OpenRouter, LiteLLM's proxy) let a request name models that are asked in
#: place of ``model``: beyond the key's reach, and at another price than was reserved.
_FURTHER_MODELS = ("models", "fallbacks")


@dataclass(frozen=True, slots=True)
class Request:
    """The facts of one request.

    Attributes:
        wire: The interface it is written in.
        model: The name it asks for, as the caller wrote it.
        streamed: Whether the answer is to come in pieces.
        max_out: Tokens that each answer may have at most; ``None``: the caller set no bound.
        n: How many answers.
        needs: What a model must be able to do: ``tools``, ``vision``, ``json_schema``, ``thinking``, ``embeddings``.
        tools: The names of the tools that are offered; what a provider runs by itself goes by its type.
        characters: Characters of text in what is asked.
        tokens_in: Tokens that are read, estimated from above: bytes of the body over ``BYTES_PER_TOKEN``, each image
            for ``IMAGE_TOKENS`` whatever its size.
        usage_asked: Whether the caller asked for the usage at the end of a stream (chat only).
        service: The service tier that it asks for; empty: to be served as everybody is.
        raised: Whether it is to run where every token costs more (``services.raised``).
        uses: Tools that the provider runs and bills by the use, each with how often it may (``hosted.uses``).
    """

    wire: Wire
    model: str
    streamed: bool = False
    max_out: int | None = None
    n: int = 1
    needs: frozenset[str] = frozenset()
    tools: tuple[str, ...] = ()
    characters: int = 0
    tokens_in: int = 0
    usage_asked: bool = False
    service: str = ""
    raised: bool = False
    uses: tuple[tuple[str, int], ...] = ()


def facts(wire: Wire, body: Mapping[str, object], *, size: int) -> Request:
    """The facts of a decoded body of ``size`` bytes.

    Raises:
        InvalidInput: Something that every provider refuses as well (``model.request``); ``place`` names the member.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _wrong("model", "names no model", "name one: GET /v1/models lists them")
    for further in _FURTHER_MODELS:
        if body.get(further):
            raise _wrong(further, "names further models, and who stands in is Remit's to say", f"leave {further} out")
    streamed = _flag(body, "stream")
    if wire is Wire.RESPONSES and _flag(body, "background"):
        raise _wrong("background", "asks for an answer that nobody would judge or count", "leave background out")
    counted = _Counted()
    _read(wire, body, counted)
    tools = tuple(_tools(body))
    needs: set[str] = set()
    if tools:
        needs.add("tools")
    if counted.images:
        needs.add("vision")
    if wire is Wire.EMBEDDINGS:
        needs.add("embeddings")
    if _schema(body):
        needs.add("json_schema")
    if _thinks(wire, body):
        needs.add("thinking")
    options = body.get("stream_options")
    asked = isinstance(options, Mapping) and cast("Mapping[str, object]", options).get("include_usage") is True
    return Request(
        wire,
        model,
        streamed=streamed,
        max_out=_max_out(wire, body),
        n=_count(body, "n") or 1,
        needs=frozenset(needs),
        tools=tools,
        characters=counted.characters,
        tokens_in=-(-max(0, size - counted.encoded) // BYTES_PER_TOKEN) + IMAGE_TOKENS * counted.images,
        usage_asked=asked,
        service=services.asked(wire, body),
        raised=wire is Wire.MESSAGES and services.raised(body),
        uses=uses(wire, body) if tools or "web_search_options" in body else (),
    )


def _max_out(wire: Wire, body: Mapping[str, object]) -> int | None:
    match wire:
        case Wire.CHAT:
            bounds = (_count(body, "max_completion_tokens"), _count(body, "max_tokens"))
            return max((each for each in bounds if each is not None), default=None)  # providers heed one or the other
        case Wire.RESPONSES:
            return _count(body, "max_output_tokens")
        case Wire.MESSAGES:
            most = _count(body, "max_tokens")
            if most is None:
                raise _wrong("max_tokens", "is missing", "say how many tokens the answer may have")
            return most
        case Wire.COUNT_TOKENS | Wire.EMBEDDINGS:
            return 0


def _schema(body: Mapping[str, object]) -> bool:
    """Whether the answer must be JSON: of a schema, or any."""
    form = body.get("response_format")
    text, config = body.get("text"), body.get("output_config")
    found = [form]
    found += [cast("Mapping[str, object]", each).get("format") for each in (text, config) if isinstance(each, Mapping)]
    found.append(body.get("output_format"))
    return any(
        isinstance(each, Mapping) and cast("Mapping[str, object]", each).get("type") in _JSON_FORMATS for each in found
    )


def _thinks(wire: Wire, body: Mapping[str, object]) -> bool:
    if wire is Wire.CHAT:
        return body.get("reasoning_effort") not in {None, "none"}
    asked = body.get("thinking" if wire in {Wire.MESSAGES, Wire.COUNT_TOKENS} else "reasoning")
    if not isinstance(asked, Mapping):
        return False
    known = cast("Mapping[str, object]", asked)
    return known.get("type") != "disabled" and known.get("effort") != "none"


def _tools(body: Mapping[str, object]) -> Iterator[str]:
    for member in ("tools", "functions"):
        offered = body.get(member)
        if offered is None:
            continue
        if not isinstance(offered, list):
            raise _wrong(member, "is no list", f"send {member} as a list, or leave it out")
        for at, each in enumerate(cast("list[object]", offered)):
            if not isinstance(each, Mapping):
                raise _wrong(f"{member}[{at}]", "is no object", f"describe each of the {member} as an object")
            tool = cast("Mapping[str, object]", each)
            inner = tool.get("function", tool.get("custom"))
            named = cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else tool
            name = named.get("name") or tool.get("server_label") or tool.get("type")
            if not isinstance(name, str) or not name:
                raise _wrong(f"{member}[{at}]", "has no name", f"give each of the {member} a name")
            yield name


class _Counted:
    """What a walk over the messages found."""

    __slots__ = ("characters", "encoded", "images")

    def __init__(self) -> None:
        self.characters = 0
        self.images = 0
        self.encoded = 0  # bytes of what is no text: images and files in Base64


def _read(wire: Wire, body: Mapping[str, object], counted: _Counted) -> None:
    for member in ("system", "instructions", "prompt"):
        _content(body.get(member), counted, 0)
    member = "input" if wire in {Wire.RESPONSES, Wire.EMBEDDINGS} else "messages"
    asked = body.get(member)
    if asked is None and member == "input" and wire is Wire.RESPONSES:
        return  # a stored prompt, or the conversation so far
    if member == "messages" and (not isinstance(asked, list) or not asked):
        raise _wrong("messages", "is no list with a message in it", "send at least one message")
    if asked is None:
        raise _wrong(member, "is missing", f"send what to read as {member}")
    if isinstance(asked, list):
        for at, each in enumerate(cast("list[object]", asked)):
            if isinstance(each, Mapping):
                _content(cast("Mapping[str, object]", each).get("content"), counted, 0)
                _content(cast("Mapping[str, object]", each).get("output"), counted, 0)
            elif member == "messages":
                raise _wrong(f"messages[{at}]", "is no object", "write each message as an object")
            else:
                _content(each, counted, 0)
    else:
        _content(asked, counted, 0)


def _content(value: object, counted: _Counted, depth: int) -> None:
    """Count a text, or the parts of one."""
    if isinstance(value, str):
        counted.characters += len(value)
    elif isinstance(value, list) and depth < _MOST_NEST:
        for each in cast("list[object]", value):
            _content(each, counted, depth + 1)
    elif isinstance(value, Mapping) and depth < _MOST_NEST:
        part = cast("Mapping[str, object]", value)
        if part.get("type") in _IMAGES:
            counted.images += 1
            counted.encoded += _encoded(part)
            return
        for member in ("text", "content", "thinking", "reasoning"):
            _content(part.get(member), counted, depth + 1)


def _encoded(part: Mapping[str, object]) -> int:
    """The bytes of an image that stands in the request itself."""
    image = part.get("image_url")
    if isinstance(image, Mapping):
        image = cast("Mapping[str, object]", image).get("url")
    if isinstance(image, str):
        return len(image) if image.startswith("data:") else 0
    source = part.get("source")
    data = cast("Mapping[str, object]", source).get("data") if isinstance(source, Mapping) else None
    return len(data) if isinstance(data, str) else 0


def _flag(body: Mapping[str, object], member: str) -> bool:
    value = body.get(member)
    if value is None or isinstance(value, bool):
        return value is True
    raise _wrong(member, "is neither true nor false", f"send {member} as true or false")


def _count(body: Mapping[str, object], member: str) -> int | None:
    value = body.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(member, "is no whole number", f"send {member} as a whole number, or leave it out")
    return value


def _wrong(place: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"In the request, {place} {what}.", place=place, code="model.request", hint=hint)
