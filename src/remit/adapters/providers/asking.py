"""What is sent for a call: to which address, in whose interface, which bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput
from remit.models.catalogue import Provider, ProviderKind
from remit.models.wire.splice import splice

#: The operation of a model effect that lists a provider's models: the probe of its health.
LIST = "models"

_PATHS: Mapping[Wire, str] = {
    Wire.CHAT: "/chat/completions",
    Wire.RESPONSES: "/responses",
    Wire.EMBEDDINGS: "/embeddings",
    Wire.MESSAGES: "/messages",
    Wire.COUNT_TOKENS: "/messages/count_tokens",
}
_OPENAI: Mapping[Wire, Wire] = {
    Wire.CHAT: Wire.CHAT,
    Wire.RESPONSES: Wire.RESPONSES,
    Wire.EMBEDDINGS: Wire.EMBEDDINGS,
    Wire.MESSAGES: Wire.CHAT,
}
#: The interface that is spoken with a provider, for each that a caller may use; what isn't here, it can't do.
_SPOKEN: Mapping[ProviderKind, Mapping[Wire, Wire]] = {
    ProviderKind.OPENAI: _OPENAI,
    ProviderKind.COMPATIBLE: _OPENAI,
    ProviderKind.ANTHROPIC: {
        Wire.MESSAGES: Wire.MESSAGES,
        Wire.COUNT_TOKENS: Wire.COUNT_TOKENS,
        Wire.CHAT: Wire.MESSAGES,
    },
}


@dataclass(frozen=True, slots=True)
class Asking:
    """One request, but for its key.

    Attributes:
        url: The whole address.
        body: As it is sent.
        spoken: The interface in which it is sent, and answered.
        streamed: The answer is to come as events.
        include_usage: The caller wants the usage of a stream that is turned into its interface.
        strip_usage: The caller did not ask for the usage that the stream was made to end with.
        method: Of HTTP.
    """

    url: str
    body: bytes
    spoken: Wire
    streamed: bool = False
    include_usage: bool = False
    strip_usage: bool = False
    method: str = "POST"


def asking(effect: Model, provider: Provider) -> Asking:
    """How ``effect`` is asked of ``provider``.

    Within one interface the caller's bytes are sent as they are, but for the model's name where the provider calls it
    something else, and for ``stream_options.include_usage`` of a chat's stream: what it costs must be known.

    Raises:
        InvalidInput: The provider has no such interface (``model.wire``), or the request can't be told in its own.
    """
    if effect.operation == LIST:
        return Asking(f"{provider.base_url}/models", b"", Wire.CHAT, method="GET")
    spoken = _SPOKEN[provider.kind].get(effect.wire)
    if spoken is None:
        message = f"The provider {provider.name} has no interface for {effect.wire.value}."
        raise InvalidInput(message, code="model.wire", hint="remit models list")
    request = effect.request
    streamed = request.get("stream") is True and spoken is not Wire.EMBEDDINGS
    url = provider.base_url + _PATHS[spoken]
    if spoken is not effect.wire:
        body, asks = _turned(effect, spoken, streamed=streamed)
        return Asking(url, body, spoken, streamed=streamed, include_usage=asks)
    usage = streamed and spoken is Wire.CHAT and not _asks_usage(request)
    body = effect.body or orjson.dumps(request)
    renamed = request.get("model") != effect.model
    if usage or renamed:
        body = splice(body, model=effect.model if renamed else None, include_usage=usage)
    return Asking(url, body, spoken, streamed=streamed, strip_usage=usage)


def _turned(effect: Model, spoken: Wire, *, streamed: bool) -> tuple[bytes, bool]:
    """The request in the other interface, and whether its caller wants to see the usage of its stream."""
    from remit.models.wire.translate import chat_request, messages_request

    if spoken is Wire.CHAT:
        document = chat_request(effect.request)
        if streamed:
            document["stream_options"] = {"include_usage": True}
    else:
        document = messages_request(effect.request)
    return orjson.dumps(document | {"model": effect.model}), _asks_usage(effect.request)


def _asks_usage(request: Mapping[str, object]) -> bool:
    options = request.get("stream_options")
    return isinstance(options, Mapping) and cast("Mapping[str, object]", options).get("include_usage") is True
