"""Masking what a model streams: each choice and each tool call is a text of its own, whatever order its pieces come in.

Feed decoded text (the ``content`` or ``arguments`` of an event), not the bytes of the wire: JSON and event framing cut
and escape a secret in ways that differ from event to event. What comes back takes the piece's place in its event; it
may be empty, and the rest of a channel belongs into one last event before its end.

The arguments of tool calls are JSON in fragments. Registered values are found in their JSON forms, and a mask that
would stand where JSON has no string (a PIN as a number) is quoted, so that what comes out is JSON where what came in
was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from remit.redact.redactor import Redactor
from remit.redact.span import MASK
from remit.redact.stream import StreamRedactor

_HEAD = "[REDACTED:"
_BEGUN = re.compile(r"\[REDACTED:[a-z0-9-]{0,64}(?::[0-9a-f]{0,4})?")
_QUOTES = re.compile(r'\\.|"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Channel:
    """One text of an answer: what is said in a ``choice`` (``tool`` is ``None``), or the arguments of a tool call.

    ``name`` tells texts of one choice apart: ``content``, ``reasoning``, ``refusal``.
    """

    choice: int = 0
    tool: int | None = None
    name: str = "content"


class DeltaText:
    """One text that is streamed. One thread at a time; the law and the arguments are those of ``DeltaRedactor``.

    Args:
        json: It is JSON in fragments.
        cards: Mask payment cards too.
    """

    __slots__ = ("_json", "_stream")

    def __init__(
        self,
        redactor: Redactor,
        *,
        json: bool = False,
        tier: int = 1,
        personal: bool = False,
        cards: bool = False,
        despaced: bool = True,
    ) -> None:
        self._stream = StreamRedactor(redactor, tier=tier, personal=personal, cards=cards, despaced=despaced)
        self._json = _Json() if json else None

    @property
    def held(self) -> int:
        """How many characters came in, or stand for some that did, and aren't sent yet."""
        return self._stream.held if self._json is None else self._stream.held + self._json.held

    @property
    def owes(self) -> bool:
        """Whether a mask is still owed for text that isn't held any more."""
        return self._stream.owes

    @property
    def behind(self) -> str:
        """The end of what was sent."""
        return self._stream.behind

    @property
    def plain(self) -> bool:
        """See ``StreamRedactor.plain``."""
        return self._json is None and self._stream.plain

    @property
    def opened(self) -> str:
        """See ``StreamRedactor.opened``."""
        return self._stream.opened

    def feed(self, text: str) -> str:
        """What can be sent now that ``text`` has come."""
        sent = self._stream.feed(text)
        return sent if self._json is None else self._json.quoted(sent, final=False)

    def flush(self) -> str:
        """What can be sent although nothing came for a while; see ``StreamRedactor.flush``."""
        sent = self._stream.flush()
        return sent if self._json is None else self._json.quoted(sent, final=False)

    def finish(self) -> str:
        """The rest: the text ends here."""
        sent = self._stream.finish()
        return sent if self._json is None else self._json.quoted(sent, final=True)


def masked_json(
    text: str, redactor: Redactor, *, personal: bool = False, cards: bool = False, despaced: bool = True
) -> str:
    """JSON in a text masked as a stream of it would be: a mask where JSON has no string is quoted."""
    masked = redactor.mask(text, personal=personal, cards=cards, despaced=despaced)
    return text if masked is text else _Json().quoted(masked, final=True)


class DeltaRedactor:
    """Masks the texts of one answer of a model. One thread at a time.

    Each channel keeps the law of ``StreamRedactor``: its pieces joined are the mask of what came in joined (in a tool
    call's arguments but for the quotes around a mask).

    Args:
        redactor: Finds and names what is masked.
        tier: As in ``Redactor.mask``; so is ``personal``.
        personal: Mask personal data too.
        despaced: Mask registered values that the model spells out; on by default, since this is what goes out.
    """

    def __init__(self, redactor: Redactor, *, tier: int = 1, personal: bool = False, despaced: bool = True) -> None:
        self._redactor = redactor
        self._tier = tier
        self._personal = personal
        self._despaced = despaced
        self._open: dict[Channel, DeltaText] = {}

    def feed(self, text: str, channel: Channel = Channel()) -> str:
        """What can be sent on ``channel`` now that ``text`` has come."""
        return self._of(channel).feed(text)

    def flush(self) -> Iterator[tuple[Channel, str]]:
        """For each channel what can be sent although nothing came for a while; see ``StreamRedactor.flush``."""
        for channel, text in self._open.items():
            if sent := text.flush():
                yield channel, sent

    def finish(self, channel: Channel = Channel()) -> str:
        """The rest of a channel, which ends; nothing for one that was never open."""
        text = self._open.pop(channel, None)
        return "" if text is None else text.finish()

    def finish_all(self) -> list[tuple[Channel, str]]:
        """The rest of every channel that has one, in the order in which they began."""
        return [(channel, sent) for channel in tuple(self._open) if (sent := self.finish(channel))]

    def _of(self, channel: Channel) -> DeltaText:
        known = self._open.get(channel)
        if known is None:
            known = self._open[channel] = DeltaText(
                self._redactor,
                json=channel.tool is not None,
                tier=self._tier,
                personal=self._personal,
                despaced=self._despaced,
            )
        return known


class _Json:
    """Where in JSON the text that was sent ends: within a string or outside."""

    __slots__ = ("_escaped", "_inside", "_mask")

    def __init__(self) -> None:
        self._inside = False
        self._escaped = False
        self._mask = ""  # the beginning of what may be a mask

    @property
    def held(self) -> int:
        """Characters kept until it is clear whether they begin a mask."""
        return len(self._mask)

    def quoted(self, text: str, *, final: bool) -> str:
        """``text`` with quotes around each mask that stands outside a string."""
        text, self._mask = self._mask + text, ""
        begun = text.rfind("[")
        if begun >= 0 and not final and (_HEAD.startswith(text[begun:]) or _BEGUN.fullmatch(text, begun)):
            text, self._mask = text[:begun], text[begun:]
        parts: list[str] = []
        done = 0
        for mask in MASK.finditer(text):
            between = text[done : mask.start()]
            self._read(between)
            parts += (between, mask[0] if self._inside else f'"{mask[0]}"')
            self._escaped = False
            done = mask.end()
        self._read(text[done:])
        return "".join((*parts, text[done:]))

    def _read(self, text: str) -> None:
        if self._escaped and text:
            text = text[1:]
            self._escaped = False
        for found in _QUOTES.finditer(text):
            if found[0] == '"':
                self._inside = not self._inside
        tail = len(text) - len(text.rstrip("\\"))
        self._escaped = tail % 2 == 1
