"""What a stand-in for a provider of models does: how it answers (``Behaviour``), what it says (``Reply``), what it saw.

A ``Script`` picks both for each request: an order for the request's model first, then one for every model, and each
order as many times as it was given. Any thread may give orders and read what was seen.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a request is answered; as it is made: at once, whole, with 200.

    Positions count bytes of the body as it is sent (compressed, when it is), and no chunk's frame.

    Attributes:
        status: Another status comes with an error in the provider's own shape, unless ``body`` says what.
        headers: Beside the usual ones, in place of one of the same name.
        body: Instead of what the API would say.
        message: Of the error.
        head_s: Seconds before the head.
        drip_s: Seconds between pieces of the body.
        piece: Bytes of a piece; 0: an event of a stream each, other answers whole.
        cuts: More positions at which pieces end.
        stall_at: Nothing is sent from this position on; the connection stays.
        close_at: The connection is closed at this position, as if by a crash that the system cleans up.
        reset_at: The same, but reset.
        drop: Closed without a byte of an answer.
        drop_reused: Closed without a byte, if the connection had served a request before.
        gzip: The body is compressed, whatever was asked for.
        content_length: What the head claims; no chunks then.
        crlf: Lines of a stream end in CR LF.
        comments: A comment line before each event of a stream.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    message: str = ""
    head_s: float = 0.0
    drip_s: float = 0.0
    piece: int = 0
    cuts: tuple[int, ...] = ()
    stall_at: int | None = None
    close_at: int | None = None
    reset_at: int | None = None
    drop: bool = False
    drop_reused: bool = False
    gzip: bool = False
    content_length: int | None = None
    crlf: bool = False
    comments: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the model asks for; ``raw`` instead of ``arguments`` need be no JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    raw: str | None = None

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        return orjson.dumps(dict(self.arguments)).decode() if self.raw is None else self.raw


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says.

    Attributes:
        text: All of it. ``None``: what the request asks for (a tool that it demands, JSON of its schema, else a
            greeting).
        deltas: The same in the pieces of a stream; words when left out.
        thinking: Before the text (Anthropic: with a signature; OpenAI's responses: as a summary of reasoning).
        calls: Tools that it wants called, after the text.
        refusal: In place of the text, where the API knows that.
        finish: The API's own word for why it ended; the usual one when empty.
        tokens_in: Read; counted from the request when left out.
        tokens_out: Written; counted from the deltas when left out.
        cached: Of those read, from the cache of prompts.
        cache_write: Of those read, written to it (Anthropic).
        reasoning: Of those written, for reasoning.
        usage: Whether tokens are told at all.
        extra: Fields that no specification knows, in answers and in each chunk of chat.
        model: What the answer calls the model; as asked when empty.
        error_after: An error event after so many events of the stream, and nothing behind it.
    """

    text: str | None = None
    deltas: tuple[str, ...] = ()
    thinking: str = ""
    calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    finish: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    usage: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str = ""
    error_after: int | None = None


@dataclass(slots=True)
class Seen:
    """A request as it arrived, and what became of its answer.

    Attributes:
        method: ``POST``.
        path: With its query.
        headers: By lower-case name.
        body: Its bytes.
        connection: Which connection it came by, from 1.
        sent: Bytes of the answer's body that were handed to the connection.
        ended: ``complete``, ``gone`` (the client left before the end), ``cut`` (as ordered); empty: not yet.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    connection: int = 0
    sent: int = 0
    ended: str = ""

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever a client sent
        """The body, decoded; ``None`` when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def model(self) -> str:
        """The model that is asked; empty when none is."""
        told = self.json
        name: Any = cast("dict[str, Any]", told).get("model") if isinstance(told, dict) else None
        return name if isinstance(name, str) else ""


class _Orders[T]:
    """Orders of one kind, by model."""

    def __init__(self, usual: T) -> None:
        self.usual = usual
        self.waiting: dict[str, deque[tuple[T, int | None]]] = {}

    def add(self, model: str, order: T, times: int | None) -> None:
        queue = self.waiting.setdefault(model, deque())
        if queue and queue[-1][1] is None:
            queue.pop()  # one that would hold for ever gives way to the new one
        queue.append((order, times))

    def next(self, model: str) -> T:
        for name in (model, ""):
            queue = self.waiting.get(name)
            if queue:
                order, times = queue[0]
                if times is not None:
                    queue.popleft()
                    if times > 1:
                        queue.appendleft((order, times - 1))
                return order
        return self.usual


class Script:
    """Orders, and what was seen.

    Args:
        models: Those that ``/v1/models`` lists; asking for another is a 404 then. Empty: any will do.
        keys: Accepted keys; empty: any, and none.
        keep: How many requests ``requests`` holds, oldest gone first; all when left out.
    """

    def __init__(self, *, models: Sequence[str] = (), keys: Sequence[str] = (), keep: int | None = None) -> None:
        self.models = tuple(models)
        self.keys = frozenset(keys)
        self.requests: deque[Seen] = deque(maxlen=keep)
        self.count = 0
        self.connections = 0  # accepted so far
        self.open = 0  # open now
        self._behaviours = _Orders(Behaviour())
        self._replies = _Orders(Reply())
        self._lock = threading.Condition()

    def behave(self, behaviour: Behaviour, *, model: str = "", times: int | None = None) -> None:
        """Answer so: requests for ``model`` (empty: any), ``times`` of them (``None``: until another order)."""
        with self._lock:
            self._behaviours.add(model, behaviour, times)

    def say(self, reply: Reply, *, model: str = "", times: int | None = None) -> None:
        """Say so; as ``behave``."""
        with self._lock:
            self._replies.add(model, reply, times)

    def forget(self) -> None:
        """As new: no orders, nothing seen. Numbers of connections stay."""
        with self._lock:
            self._behaviours, self._replies = _Orders(Behaviour()), _Orders(Reply())
            self.requests.clear()
            self.count = 0

    def take(self, seen: Seen) -> tuple[Behaviour, Reply]:
        """Note a request; how it is answered."""
        with self._lock:
            self.requests.append(seen)
            self.count += 1
            self._lock.notify_all()
            if not self._behaviours.waiting and not self._replies.waiting:
                return self._behaviours.usual, self._replies.usual
            model = seen.model
            return self._behaviours.next(model), self._replies.next(model)

    def change(self, what: Callable[[], None]) -> None:
        """Note something else, and wake who waits."""
        with self._lock:
            what()
            self._lock.notify_all()

    def wait(self, until: Callable[[Script], bool], *, timeout_s: float = 30.0) -> bool:
        """Block until ``until`` holds, looked at after whatever happens; whether it did in time."""
        with self._lock:
            return self._lock.wait_for(lambda: until(self), timeout_s)


def end_of(behaviour: Behaviour) -> int | None:
    """Where the body stops before its end, if it does."""
    ends = (behaviour.stall_at, behaviour.close_at, behaviour.reset_at)
    return min((at for at in ends if at is not None), default=None)


def cut(pieces: Sequence[bytes], whole: bytes, behaviour: Behaviour) -> Iterator[bytes]:
    """The body up to where it stops, in the pieces in which it is sent; none is empty."""
    last = end_of(behaviour)
    end = len(whole) if last is None else min(last, len(whole))
    if behaviour.piece:
        marks = set(range(behaviour.piece, end, behaviour.piece))
    else:
        marks, at = set[int](), 0
        for piece in pieces:
            marks.add(at := at + len(piece))
    marks |= set(behaviour.cuts)
    begin = 0
    for mark in sorted(each for each in {*marks, end} if 0 < each <= end):
        yield whole[begin:mark]
        begin = mark
