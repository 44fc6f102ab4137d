"""The two ends that gateways are measured between: a provider of models that answers at once, and callers that wait.

Both are plain ``asyncio`` protocols on uvloop, in a process of their own each, so that neither is what is measured.

    python gateway_load.py provider PORT
    python gateway_load.py callers URL KEY --callers 32 --seconds 4 [--requests N] [--stream] [--model NAME]

A provider's answer has 780 bytes, or 14 events 2 ms apart; ``GET /count`` says how often it was asked. The callers
print one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import uvloop

EVENTS, APART_S = 14, 0.002
SIZE = 780
PROMPT = "Write two plain sentences about the weather in a harbour town, and end with the word quay. " * 3


def request(model: str, *, stream: bool) -> bytes:
    """The body that every caller sends: some 470 bytes."""
    asked: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You answer briefly."},
            {"role": "user", "content": PROMPT},
        ],
        "max_tokens": 64,
        "temperature": 0.2,
    }
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked).encode()


def _answer() -> bytes:
    message = {"role": "assistant", "content": ""}
    body: dict[str, object] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 60, "total_tokens": 150},
        "system_fingerprint": "fp_bench",
    }
    words = "The harbour lies still under low cloud and the boats turn slowly with the tide. "
    message["content"] = (words * 12)[: SIZE - len(json.dumps(body))]
    return json.dumps(body).encode()


def _events() -> list[bytes]:
    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        body = {
            "id": "chatcmpl-bench",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    words = ("The", "harbour", "lies", "still", "under", "low", "cloud", "and", "every", "boat", "turns")
    usage = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "gpt-4o-mini",
        "choices": [],
        "usage": {"prompt_tokens": 90, "completion_tokens": 11, "total_tokens": 101},
    }
    said = [event({"role": "assistant", "content": ""}), *(event({"content": f"{word} "}) for word in words)]
    return [*said, event({}, "stop"), b"data: " + json.dumps(usage).encode() + b"\n\n" + b"data: [DONE]\n\n"]


_WHOLE = _answer()
_PIECES = _events()
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-bench\r\ncontent-length: %d\r\n\r\n"
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-bench\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class Provider(asyncio.Protocol):
    """Answers each request of a connection in turn."""

    asked = 0  # by all connections

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + size:
                return
            body, self._data = self._data[end + 4 : end + 4 + size], self._data[end + 4 + size :]
            if head.startswith(b"get "):
                told = b'{"count": %d}' % Provider.asked
                self._transport.write(_HEAD % len(told) + told)
                continue
            Provider.asked += 1
            if b'"stream":true' in body.replace(b" ", b""):
                self._transport.write(_STREAM)
                self._piece(0)
            else:
                self._transport.write(_HEAD % len(_WHOLE) + _WHOLE)

    def _piece(self, number: int) -> None:
        if self._transport.is_closing():
            return
        piece = _PIECES[number]
        last = number + 1 == len(_PIECES)
        self._transport.write(b"%x\r\n%s\r\n%s" % (len(piece), piece, b"0\r\n\r\n" if last else b""))
        if not last:
            asyncio.get_running_loop().call_later(APART_S, self._piece, number + 1)


class Caller(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again, on one connection, until the time or ``turns`` are over."""

    def __init__(self, message: bytes, until: float, found: dict[str, list[float]], turns: Iterator[int]) -> None:
        self._message = message
        self._until = until
        self._turns = turns
        self._over = False
        self._found = found
        self._data = bytearray()
        self._began = 0.0
        self._first = 0.0
        self._chunked: bool | None = None
        self._need = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() > self._until or next(self._turns, None) is None:
            self._over = True
            self._transport.close()
            return
        self._data.clear()
        self._chunked = None
        self._first = 0.0
        self._began = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Note the first byte of a body and its end."""
        self._data += data
        if self._chunked is None:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._data[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                self._fail(bytes(self._data[:600]))
                return
            self._chunked = b"transfer-encoding: chunked" in head
            at = head.find(b"content-length:")
            self._need = end + 4 + (int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0)
        now = time.perf_counter()
        if not self._first and b"data: " in self._data:
            self._first = now
        whole = self._data.endswith(b"0\r\n\r\n") if self._chunked else len(self._data) >= self._need
        if whole:
            if self._chunked and b"[DONE]" not in self._data and b'"choices"' not in self._data:
                self._fail(bytes(self._data[-600:]))
                return
            self._found["took"].append(now - self._began)
            if self._first:
                self._found["first"].append(self._first - self._began)
            self._ask()

    def _fail(self, told: bytes) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(told.decode("utf-8", "replace")))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; a connection that was cut is a failure."""
        if self.done.done():
            return
        if not self._over and time.perf_counter() < self._until:
            self.done.set_exception(exc or ConnectionError("the gateway closed the connection"))
        else:
            self.done.set_result(None)


async def _provide(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


async def _call(
    url: str,
    key: str,
    *,
    callers: int,
    seconds: float,
    requests: int,
    stream: bool,
    model: str,
    headers: list[str],
) -> dict[str, object]:
    parts = urlsplit(url)
    body = request(model, stream=stream)
    path = f"{parts.path.rstrip('/')}/chat/completions"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\n{''.join(f'{each}\r\n' for each in headers)}"
        f"content-length: {len(body)}\r\n\r\n"
    )
    found: dict[str, list[float]] = {"took": [], "first": []}
    turns = iter(range(requests)) if requests else itertools.count()
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: Caller(head.encode() + body, began + seconds, found, turns), parts.hostname, parts.port
        )
        for _ in range(callers)
    ]
    for _, caller in made:
        await asyncio.wait_for(caller.done, seconds + 60)
    wall = time.perf_counter() - began
    return {"requests": len(found["took"]), "wall_s": wall, **{name: _quantiles(each) for name, each in found.items()}}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"p{share}_ms": round(ordered[min(int(len(ordered) * share / 100), len(ordered) - 1)] * 1000, 3)
        for share in (50, 95, 99)
    }


def main() -> None:
    """Be a provider, or callers."""
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    provider = what.add_parser("provider")
    provider.add_argument("port", type=int)
    calls = what.add_parser("callers")
    calls.add_argument("url")
    calls.add_argument("key")
    calls.add_argument("--callers", type=int, default=32)
    calls.add_argument("--seconds", type=float, default=4.0)
    calls.add_argument("--requests", type=int, default=0)
    calls.add_argument("--stream", action="store_true")
    calls.add_argument("--model", default="gpt-4o-mini")
    calls.add_argument("--header", action="append", default=[])
    given = parser.parse_args()
    if given.what == "provider":
        uvloop.run(_provide(given.port))
        return
    told = uvloop.run(
        _call(
            given.url,
            given.key,
            callers=given.callers,
            seconds=given.seconds,
            requests=given.requests,
            stream=given.stream,
            model=given.model,
            headers=given.header,
        )
    )
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
