"""Messages for who asked in chat, and chat for who asked in messages: the answer's way back."""

from __future__ import annotations

from typing import Protocol, cast

import orjson

from remit.kernel.effects import Wire
from remit.models.wire.translate import ChatStream, MessagesStream, chat_answer, messages_answer


class Turn(Protocol):
    """Turns an answer into the interface of who asked."""

    def feed(self, data: bytes) -> bytes:
        """What the events in ``data`` mean there."""
        ...

    def whole(self, document: bytes) -> bytes:
        """What a document means there."""
        ...


class ToMessages:
    """An answer of chat, for who asked in messages."""

    def __init__(self) -> None:
        self._stream = MessagesStream()

    def feed(self, data: bytes) -> bytes:
        """As ``Turn``."""
        return self._stream.feed(data)

    def whole(self, document: bytes) -> bytes:
        """As ``Turn``."""
        return orjson.dumps(messages_answer(_object(document)))


class ToChat:
    """An answer of messages, for who asked in chat. ``created``: seconds since 1970, which messages don't tell."""

    def __init__(self, *, created: int, include_usage: bool) -> None:
        self._created = created
        self._stream = ChatStream(created=created, include_usage=include_usage)

    def feed(self, data: bytes) -> bytes:
        """As ``Turn``."""
        return self._stream.feed(data)

    def whole(self, document: bytes) -> bytes:
        """As ``Turn``."""
        return orjson.dumps(chat_answer(_object(document), created=self._created))


def turn_to(wire: Wire, *, created: int, include_usage: bool) -> Turn:
    """What turns an answer of the other interface into ``wire``'s (messages or chat)."""
    return ToMessages() if wire is Wire.MESSAGES else ToChat(created=created, include_usage=include_usage)


def _object(document: bytes) -> dict[str, object]:
    """A document that the reader of answers found to be an object."""
    return cast("dict[str, object]", orjson.loads(document))
