"""What happens in a workspace, event by event, without a gap: a stream that was cut is taken up where it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn
from urllib.parse import urlencode

import orjson

from remit.client.steps import AGAIN, FIRST_WAIT_S, LONGEST_WAIT_S, TRIES, Answer, Ask, error_of
from remit.kernel.errors import Denied, InvalidAnswer

PATH = "/api/v1/events"
LAST_ID = "last-event-id"
MOST_BYTES = 1 << 20


class EventKind(StrEnum):
    """What an event is: see ``docs/live.md``. ``dropped``, ``gone`` and ``end`` are the stream's own affair."""

    READY = "ready"  # nothing at or before its number will come
    ENTRY = "entry"
    STATE = "state"  # where a mission's step stands now; it has no number
    RESET = "reset"  # a backup was restored: what was seen before does not count; ``ready`` said where it begins anew
    DROPPED = "dropped"
    GONE = "gone"
    END = "end"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        kind: What it is.
        number: Its number in the log; ``None``: it has none.
        data: What it says.
    """

    kind: EventKind
    number: int | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """Where a reader stands, across connections, without any I/O.

    Attributes:
        mission: Only this one's events; empty: all.
        kinds: Words before the dot of an action, with commas; empty: all.
        after: The last number that was seen; ``None``: begin now.
        follow: Whether to wait for more at the log's end.
        failures: Connections one after the other that brought nothing.
        over: Nothing more is to be asked for.
    """

    mission: str = ""
    kinds: str = ""
    after: int | None = None
    follow: bool = True
    failures: int = 0
    over: bool = False
    _rest: bytes = field(default=b"", repr=False)

    def ask(self) -> Ask:
        """The next connection's request."""
        said = {"mission": self.mission, "kinds": self.kinds, "follow": "" if self.follow else "false"}
        query = urlencode({name: value for name, value in said.items() if value})
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self.after is not None:
            headers[LAST_ID] = str(self.after)
        self._rest = b""
        return Ask("GET", f"{PATH}?{query}" if query else PATH, headers)

    def feed(self, chunk: bytes) -> list[Event]:
        """What came, as far as it is whole; each numbered event once.

        Raises:
            InvalidAnswer: It is no stream of events.
            Denied: Whoever reads may not any more.
        """
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        if len(self._rest) > MOST_BYTES:
            _no_stream()
        found: list[Event] = []
        for block in blocks:
            event = _event(block)
            if event is None:
                continue
            if event.kind is EventKind.GONE:
                message = "The token may not watch this workspace any more."
                raise Denied(message, code="client.gone", hint="ask for another token")
            self.failures = 0
            if event.kind is EventKind.END:
                self.over = not self.follow and event.data.get("why") == "asked"
            elif event.kind is not EventKind.DROPPED and self._new(event):
                found.append(event)
        return found

    def failed(self, answer: Answer) -> float:
        """Seconds until the next try, after a connection that ended or was refused (``status`` 0: it was cut).

        Raises:
            RemitError: Trying again would not help, or was done often enough.
        """
        self.failures += 1
        wait = min(FIRST_WAIT_S * 2 ** (self.failures - 1), LONGEST_WAIT_S)
        if answer.status and answer.status not in AGAIN:
            raise error_of(answer)
        if self.failures >= TRIES:
            raise error_of(answer)
        said = answer.headers.get("retry-after", "")
        return min(float(said), LONGEST_WAIT_S) if said.isdigit() else wait

    def _new(self, event: Event) -> bool:
        """Whether it was not told before; it is then the last one."""
        if event.number is None:
            return True
        known = event.kind is not EventKind.READY and self.after is not None and event.number <= self.after
        if not known:
            self.after = event.number
        return not known


def _event(block: bytes) -> Event | None:
    """One block; ``None``: a comment, a setting, or a kind that this version does not know."""
    said: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, parted, value = line.partition(b":")
        if parted and name:
            said[name] = value.removeprefix(b" ")
    kind = said.get(b"event", b"").decode("ascii", "replace")
    if kind not in EventKind:
        return None
    try:
        data: object = orjson.loads(said.get(b"data", b"{}") or b"{}")
        number = int(said[b"id"]) if b"id" in said else None
    except ValueError:
        _no_stream()
    return Event(EventKind(kind), number, data if isinstance(data, dict) else {})  # pyright: ignore[reportUnknownArgumentType] - JSON


def _no_stream() -> NoReturn:
    message = "The server's answer is no stream of events."
    raise InvalidAnswer(message, code="client.answer", hint="is this the address of a Remit server?")
