r"""Server-sent events from bytes that come in pieces, each with the bytes it was written with.

The events' ``raw`` bytes, put together, are the bytes that came, wherever they were cut. Lines end as the specification
has it (``\n``, ``\r\n``, ``\r``; https://html.spec.whatwg.org/multipage/server-sent-events.html); an event ends with an
empty line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from remit.kernel.errors import InvalidAnswer

#: Bytes of one event. Providers' own are under 100 kB; images in an answer come in pieces.
MOST_EVENT = 1 << 20

_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"
_BACK = 3  # an end that the last bytes may be the beginning of


class Event(NamedTuple):
    """One event, or comments and blank lines between two.

    Attributes:
        raw: Its bytes with the empty line that ends it.
        name: Of its ``event:`` line; empty without one.
        data: Its ``data:`` lines joined with a line feed; ``None`` without any.
        rest: Its other lines (comments, ``id:``, ``retry:``), as they stand.
    """

    raw: bytes
    name: bytes
    data: bytes | None
    rest: tuple[bytes, ...] = ()


class SseParser:
    """Cuts a stream into events. What is kept between two calls is the event that isn't over.

    Args:
        most: Bytes that an event may have.
    """

    __slots__ = ("_begun", "_most", "_searched", "_waiting")

    def __init__(self, *, most: int = MOST_EVENT) -> None:
        self._most = most
        self._waiting = bytearray()
        self._searched = 0
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in ``data``.

        Raises:
            InvalidAnswer: An event is larger than what was agreed (``model.event_size``).
        """
        searched = 0
        if self._waiting:
            self._waiting += data
            searched = max(0, self._searched - _BACK)
            if len(self._waiting) <= self._most and not _ends(self._waiting, searched):
                self._searched = len(self._waiting)
                return []
            data = bytes(self._waiting)
            self._waiting.clear()
        events: list[Event] = []
        start = 0
        plain = b"\r" not in data
        size = len(data)
        while start < size:
            if plain:
                found = data.find(b"\n\n", max(start, searched))
                end = found + 2
            else:
                match = _END.search(data, max(searched, start))
                found = -1 if match is None else match.end()
                end = found
            if found < 0:
                break
            if end - start > self._most:
                raise _too_large(self._most)
            raw = data[start:end]
            if not self._begun:
                self._begun = True
                events.append(_lines(raw, raw.removeprefix(_BOM)))
            else:
                events.append(parsed(raw))
            start = end
        if size - start > self._most:
            raise _too_large(self._most)
        if start < size:
            self._waiting += data[start:]
            self._searched = len(self._waiting)
        return events

    def finish(self) -> Event | None:
        """What came after the last empty line, as an event; ``None`` if nothing did."""
        raw = bytes(self._waiting)
        self._waiting.clear()
        return _lines(raw, raw) if raw else None


def _ends(data: bytearray, start: int) -> bool:
    return data.find(b"\n\n", start) >= 0 or (b"\r" in data and _END.search(data, start) is not None)


def parsed(raw: bytes) -> Event:
    """An event from its bytes."""
    if raw.startswith(b"data: "):
        if raw.endswith(b"\n\n") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return Event(raw, b"", raw[6:-2])
    elif raw.startswith(b"event: "):
        line = raw.find(b"\n")
        if raw.startswith(b"data: ", line + 1) and raw.find(b"\n", line + 1) == len(raw) - 2 and b"\r" not in raw:
            return Event(raw, raw[7:line], raw[line + 7 : -2])
    return _lines(raw, raw)


def _lines(raw: bytes, text: bytes) -> Event:
    name = b""
    data: list[bytes] = []
    rest: list[bytes] = []
    for line in text.splitlines():
        field, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event" and colon:
            name = value
        elif line:
            rest.append(line)
    return Event(raw, name, b"\n".join(data) if data else None, tuple(rest))


def written(event: Event, data: bytes) -> bytes:
    """The event with other data; its other lines stay."""
    data = data.replace(b"\n", b"\ndata: ")
    head = b"event: " + event.name + b"\n" if event.name else b""
    return b"".join((*(line + b"\n" for line in event.rest), head, b"data: ", data, b"\n\n"))


def _too_large(most: int) -> InvalidAnswer:
    return InvalidAnswer(
        f"The provider sent an event of more than {most} bytes, which no interface of models has.",
        code="model.event_size",
    )
