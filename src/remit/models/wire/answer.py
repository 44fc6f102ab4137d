"""An answer of a model on its way to who asked: read, masked, metered, passed on byte for byte where it is clean."""

from __future__ import annotations

from collections.abc import Callable

from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidAnswer
from remit.kernel.permits import Restorer
from remit.models.wire.calls import Calls
from remit.models.wire.masks import Masks
from remit.models.wire.stream import Stream
from remit.models.wire.stream_chat import chat
from remit.models.wire.stream_messages import JOINED as BLOCKS
from remit.models.wire.stream_messages import messages
from remit.models.wire.stream_responses import JOINED as PARTS
from remit.models.wire.stream_responses import responses
from remit.models.wire.tokens import Meter, Tokens
from remit.models.wire.whole import MOST_ANSWER, whole
from remit.redact.redactor import Redactor

__all__ = ["AnswerReader", "Tokens"]

_NONE: frozenset[object] = frozenset()
_JOINED: dict[Wire, frozenset[object]] = {Wire.MESSAGES: BLOCKS, Wire.RESPONSES: PARTS}
_READ = {Wire.CHAT: chat, Wire.MESSAGES: messages, Wire.RESPONSES: responses}


class AnswerReader:
    """Reads one answer. One thread at a time.

    What comes out of ``feed`` and ``finish``, put together, is what came in, byte for byte, but for events (or the one
    document) in which something was masked or restored: those are written anew. Each text of the answer reads as
    ``Redactor.mask`` of the text that the model wrote, wherever the provider cut it, and then with the values of its
    tokens.

    Args:
        wire: The interface that it is written in.
        streamed: It comes as events; else as one document, which is kept until ``finish``.
        redactor: Finds what is masked; ``None``: nothing is (the workspace's policy).
        restorer: Makes what puts tokens' values back into a text; not used for the arguments of tools.
        inspect: Given a tool call's name and arguments (as they would go on), says why it is refused; empty: it isn't.
            No byte of a call goes on before.
        strip_usage: Leave out the event that reports usage alone: the caller didn't ask for it (chat).
        personal: Mask personal data too (card numbers among it).
        cards: Mask payment cards too, of all personal data these alone.
        most: Bytes that an answer which isn't streamed may have.
    """

    __slots__ = (
        "_body",
        "_calls",
        "_length",
        "_masks",
        "_meter",
        "_most",
        "_size",
        "_streamed",
        "_wire",
        "complete",
        "error",
    )

    def __init__(
        self,
        wire: Wire,
        *,
        streamed: bool,
        redactor: Redactor | None = None,
        restorer: Callable[[], Restorer] | None = None,
        inspect: Callable[[str, str], str] | None = None,
        strip_usage: bool = False,
        personal: bool = False,
        cards: bool = False,
        most: int = MOST_ANSWER,
    ) -> None:
        self._wire = wire
        self._calls = Calls(inspect)
        self._meter = Meter()
        self._masks = Masks(redactor, restorer, personal=personal, cards=cards)
        self._streamed = (
            Stream(
                _READ.get(wire, chat),
                masks=self._masks,
                calls=self._calls,
                meter=self._meter,
                strip_usage=strip_usage,
                joined=_JOINED.get(wire, _NONE),
            )
            if streamed
            else None
        )
        self._body: list[bytes] = []
        self._size = 0
        self._most = most
        self._length = 0
        self.complete = False
        self.error = ""

    def feed(self, data: bytes) -> bytes:
        """What may go on now that ``data`` has come; nothing any more once a tool call was refused.

        Raises:
            InvalidAnswer: It is too large, or no stream of this interface: nothing more of it may go on.
        """
        streamed = self._streamed
        if streamed is not None:
            out = streamed.feed(data)
            self.complete = streamed.complete
            self.error = streamed.error
            return out
        self._size += len(data)
        if self._size > self._most:
            raise InvalidAnswer(
                f"The provider's answer has more than {self._most} bytes.",
                code="model.answer_size",
                hint="remit doctor",
            )
        self._body.append(data)
        return b""

    def finish(self) -> bytes:
        """The rest: nothing more comes.

        Raises:
            InvalidAnswer: It is no answer of this interface.
        """
        streamed = self._streamed
        if streamed is not None:
            out = streamed.finish()
            self.complete = streamed.complete
            self.error = streamed.error
            return out
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        out, self._length, self.error = whole(body, self._wire, masks=self._masks, calls=self._calls, meter=self._meter)
        self.complete = True
        return out

    @property
    def tokens(self) -> Tokens:
        """What has been used up, as far as it is known."""
        return self._meter.tokens

    @property
    def text_length(self) -> int:
        """Characters of text that the model has written so far, arguments of tools left out."""
        return self._length if self._streamed is None else self._streamed.length

    @property
    def tool_calls(self) -> list[tuple[str, str]]:
        """Name and arguments of each tool call that is complete."""
        return self._calls.known

    @property
    def blocked(self) -> str:
        """Why a tool call was refused; then nothing of it went on, and nothing that came after it."""
        return self._calls.blocked
