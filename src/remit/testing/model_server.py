"""A provider of models on loopback: HTTP/1.1, OpenAI's and Anthropic's interfaces, misbehaving as ordered.

    with ModelServer() as server:                                     # or: async with
        server.behave(Behaviour(status=429, headers=(("retry-after", "2"),)), times=1)
        server.say(Reply(text="Four.", tokens_in=9, tokens_out=2))
        ...                                                           # ask server.url + "/v1/chat/completions"
        assert server.count == 2 and server.requests[0].headers["authorization"]

It runs in a thread with an event loop of its own, so that it serves tests of any loop and of plain threads, and is an
outside witness: what it saw is what reached the network. For other processes: ``python -m remit.testing.model_server``
prints ``listening on URL`` and takes orders by ``POST /__script`` (``{"behave": {...}, "say": {...}, "model": "",
"times": 1}``, ``{"forget": true}``); ``GET /__seen`` tells what it saw.

Answers of a stream are chunked, an event each; other answers carry their length. A client may keep its connection.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Self, cast

import httptools
import orjson

from remit.testing.model_replies import answer
from remit.testing.model_said import Answer
from remit.testing.model_script import Behaviour, Reply, Script, Seen, ToolCall, cut

__all__ = ["Behaviour", "ModelServer", "Reply", "Seen", "ToolCall"]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing resets


class ModelServer(Script):
    """See the module. ``behave``, ``say``, ``forget``, ``wait`` and what was seen are ``Script``'s.

    Args:
        models: As ``Script``.
        keys: As ``Script``.
        keep: As ``Script``.
        port: Where it listens; a free one when left out.
        idle_s: A kept connection is closed after so many seconds without a request.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        keys: Sequence[str] = (),
        keep: int | None = None,
        port: int = 0,
        idle_s: float = 60.0,
    ) -> None:
        super().__init__(models=models, keys=keys, keep=keep)
        self.idle_s = idle_s
        self.connected: set[_Connection] = set()
        self._port: int = port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return self._url

    @property
    def port(self) -> int:
        """Its port."""
        return int(self._url.rpartition(":")[2])

    def start(self) -> Self:
        """Listen, and serve in a thread."""
        # Named TCP: else asyncio leaves Nagle's algorithm on, and a piece may wait 40 ms for an acknowledgement.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self._socket.listen(1024)
        self._port = int(self._socket.getsockname()[1])
        self._url = f"http://127.0.0.1:{self._port}"
        self._thread = threading.Thread(target=self._serve, daemon=True, name="model-server")
        ready = threading.Event()
        self._ready = ready
        self._thread.start()
        ready.wait(10)
        return self

    def stop(self) -> None:
        """Stop listening, close what is open."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
            self._loop = None

    def close_idle(self) -> None:
        """Close every connection that no request is being answered on, as providers do; returns when it is done."""
        self._in_loop(lambda: [each.hang_up() for each in list(self.connected) if each.idle])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def until(self, holds: Any, *, timeout_s: float = 30.0) -> bool:  # noqa: ANN401 - as ``wait``
        """``wait`` for tests in an event loop."""
        return await asyncio.to_thread(self.wait, holds, timeout_s=timeout_s)

    def _in_loop(self, do: Any) -> None:  # noqa: ANN401 - any function
        done = threading.Event()

        def run() -> None:
            do()
            done.set()

        if self._loop is not None:
            self._loop.call_soon_threadsafe(run)
            done.wait(30)

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        assert self._socket is not None
        self._loop = loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await loop.create_server(lambda: _Connection(self), sock=self._socket)
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for each in list(self.connected):
            each.hang_up()
        await asyncio.sleep(0)
        await server.wait_closed()

    # ------------------------------------------------------------------------------------------- orders from elsewhere

    def control(self, seen: Seen) -> Answer | None:
        """The answer to ``/__script`` and ``/__seen``; ``None`` for anything else."""
        if seen.path == "/__seen":
            told = [
                {name: value for name, value in asdict(each).items() if name != "body"} | {"json": each.json}
                for each in self.requests
            ]
            answer: Any = {"count": self.count, "connections": self.connections, "open": self.open, "requests": told}
        elif seen.path == "/__script" and isinstance(order := seen.json, dict):
            self._order(cast("dict[str, Any]", order))
            answer = {"ok": True}
        else:
            return None
        return Answer(200, (("content-type", "application/json"),), (orjson.dumps(answer),))

    def _order(self, order: dict[str, Any]) -> None:
        if order.get("forget"):
            self.forget()
        where: dict[str, Any] = {"model": order.get("model", ""), "times": order.get("times")}
        if "behave" in order:
            told: dict[str, Any] = dict(order["behave"])
            told["headers"] = tuple((name, value) for name, value in told.get("headers", ()))
            told["cuts"] = tuple(told.get("cuts", ()))
            body = told.get("body")
            told["body"] = None if body is None else str(body).encode()
            self.behave(Behaviour(**told), **where)
        if "say" in order:
            told: dict[str, Any] = dict(order["say"])
            told["deltas"] = tuple(told.get("deltas", ()))
            told["calls"] = tuple(ToolCall(**each) for each in told.get("calls", ()))
            self.say(Reply(**told), **where)


class _Connection(asyncio.Protocol):
    """One client: requests are read by httptools and answered one after the other."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._number = 0
        self._served = 0
        self._waiting: list[tuple[Seen, bool]] = []
        self._task: asyncio.Task[None] | None = None
        self._answering: Seen | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is being answered."""
        return self._answering is None and not self._waiting

    def hang_up(self) -> None:
        """Close at once."""
        self._transport.abort() if self._answering is not None else self._transport.close()

    # --------------------------------------------------------------------------------------------- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = self._server

        def note() -> None:
            server.connections += 1
            server.open += 1
            self._number = server.connections

        server.change(note)
        server.connected.add(self)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's name
        """It went, or was sent away."""
        server = self._server
        server.connected.discard(self)
        self._can_write.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

        def note() -> None:
            server.open -= 1
            if self._answering is not None and not self._answering.ended:
                self._answering.ended = "gone"

        server.change(note)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """It caught up."""
        self._can_write.set()

    # --------------------------------------------------------------------------------------------- httptools' callbacks

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """A whole request."""
        method = self._parser.get_method().decode()
        seen = Seen(method, self._url.decode("latin-1"), self._headers, b"".join(self._body), self._number)
        self._waiting.append((seen, self._parser.should_keep_alive()))
        self._url, self._headers, self._body = b"", {}, []
        if self._task is None:
            if self._timer is not None:
                self._timer.cancel()
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    # ---------------------------------------------------------------------------------------------------------- answers

    def _rest(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._server.idle_s, self._transport.close)

    async def _answer_all(self) -> None:
        while self._waiting and not self._transport.is_closing():
            seen, keep = self._waiting.pop(0)
            control = self._server.control(seen) if seen.path.startswith("/__") else None
            if control is not None:
                await self._send(seen, control, Behaviour())
            else:
                behaviour, reply = self._server.take(seen)
                await self._perform(seen, behaviour, reply)
            self._served += 1
            self._answering = None
            if not keep:
                self._transport.close()
        self._task = None
        if not self._transport.is_closing():
            self._rest()

    async def _perform(self, seen: Seen, behaviour: Behaviour, reply: Reply) -> None:
        self._answering = seen
        if behaviour.drop or (behaviour.drop_reused and self._served):
            self._end(seen, "cut")
            self._transport.close()
            return
        if behaviour.head_s:
            await asyncio.sleep(behaviour.head_s)
        await self._send(seen, answer(self._server, seen, behaviour, reply), behaviour)

    async def _send(self, seen: Seen, made: Answer, behaviour: Behaviour) -> None:
        pieces: list[bytes] = list(made.pieces)
        if behaviour.gzip:
            pieces = _compressed(pieces)
        whole = b"".join(pieces)
        chunked = made.streamed and behaviour.content_length is None
        self._transport.write(_head(made, len(whole), behaviour, chunked=chunked))
        last = min(
            (at for at in (behaviour.stall_at, behaviour.close_at, behaviour.reset_at) if at is not None), default=None
        )
        for number, piece in enumerate(cut(pieces, whole, behaviour)):
            if number and behaviour.drip_s:
                await asyncio.sleep(behaviour.drip_s)
            await self._can_write.wait()
            if self._transport.is_closing():
                return
            self._transport.write(_framed(piece) if chunked else piece)
            seen.sent += len(piece)
        if last is None or last > len(whole):
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self._end(seen, "complete")
            return
        if behaviour.stall_at == last:
            await asyncio.sleep(3600)
        self._end(seen, "cut")
        if behaviour.reset_at == last:
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()

    def _end(self, seen: Seen, how: str) -> None:
        def note() -> None:
            seen.ended = how

        self._server.change(note)


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _compressed(pieces: list[bytes]) -> list[bytes]:
    """One gzip member over all pieces, as one piece: what matters is that it is compressed, and cut at will."""
    return [gzip.compress(b"".join(pieces), mtime=0)]


def _head(made: Answer, length: int, behaviour: Behaviour, *, chunked: bool) -> bytes:
    try:
        phrase = HTTPStatus(made.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {made.status} {phrase}", *(f"{name}: {value}" for name, value in made.headers)]
    lines.append("date: Thu, 01 Jan 2026 00:00:00 GMT")
    if behaviour.gzip:
        lines.append("content-encoding: gzip")
    if chunked:
        lines.append("transfer-encoding: chunked")
    else:
        lines.append(f"content-length: {length if behaviour.content_length is None else behaviour.content_length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def main(arguments: Sequence[str]) -> None:
    """Serve until the standard input ends: ``model_server [PORT]``."""
    import sys

    with ModelServer(port=int(arguments[0]) if arguments else 0, keep=10_000) as server:
        sys.stdout.write(f"listening on {server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
