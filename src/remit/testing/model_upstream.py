"""A ``kernel.ports.ModelUpstream`` in memory: what ``model_server`` says and does, without a socket.

    upstream = MemoryUpstream()
    upstream.script.behave(Behaviour(status=529), times=1)
    answer = await upstream.send(UpstreamCall("http://models.test/v1/messages", body))

It passes the contract suite that the real client passes. Drips and stalls take real time.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from remit.kernel.errors import InvalidInput, Timeout, Unavailable
from remit.kernel.ports import UpstreamAnswer, UpstreamCall
from remit.testing.model_replies import answer
from remit.testing.model_said import Answer
from remit.testing.model_script import Behaviour, Script, Seen, cut, end_of

_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding"})


class MemoryUpstream:
    """See the module.

    Args:
        script: What is said and done; one of its own when left out.

    Attributes:
        down: Whether nobody takes a connection.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.down = False

    async def send(self, call: UpstreamCall) -> UpstreamAnswer:
        """As ``ModelUpstream.send``; any host is this one."""
        try:
            parts = urlsplit(call.url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "The address of a provider is no http or https address."
            raise InvalidInput(message, code="model.address", hint="remit providers list")
        if self.down:
            raise Unavailable(f"The provider at {parts.hostname} takes no connection.", code="model.unreachable")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in call.headers}
        seen = Seen(call.method, path, headers, call.body)
        behaviour, reply = self.script.take(seen)
        if behaviour.drop:
            self.script.change(lambda: _ended(seen, "cut"))
            raise _cut()
        try:
            async with asyncio.timeout(call.silence_s):
                await asyncio.sleep(behaviour.head_s)
        except TimeoutError as error:
            self.script.change(lambda: _ended(seen, "gone"))
            raise _silent(call) from error
        except asyncio.CancelledError:
            self.script.change(lambda: _ended(seen, "gone"))
            raise
        return _Answer(self.script, seen, answer(self.script, seen, behaviour, reply), behaviour, call)

    async def close(self) -> None:
        """Nothing is open."""


class _Answer:
    def __init__(self, script: Script, seen: Seen, made: Answer, behaviour: Behaviour, call: UpstreamCall) -> None:
        self._script = script
        self._seen = seen
        self._behaviour = behaviour
        self._call = call
        self._pieces = [gzip.compress(b"".join(made.pieces))] if behaviour.gzip else list(made.pieces)
        self._chunked = made.streamed and behaviour.content_length is None
        self.status = made.status
        headers = {name.lower(): value for name, value in made.headers}
        if behaviour.gzip:
            headers["content-encoding"] = "gzip"
        self.headers: Mapping[str, str] = {name: value for name, value in headers.items() if name not in _CONNECTION}

    async def chunks(self) -> AsyncIterator[bytes]:
        """As ``UpstreamAnswer.chunks``."""
        inflate = zlib.decompressobj(47) if self._behaviour.gzip else None
        async for piece in self._sent():
            plain = piece if inflate is None else inflate.decompress(piece)
            if plain:
                yield plain

    async def _sent(self) -> AsyncIterator[bytes]:
        behaviour, whole = self._behaviour, b"".join(self._pieces)
        claimed = len(whole) if behaviour.content_length is None else behaviour.content_length
        last = end_of(behaviour)
        left = claimed
        for number, piece in enumerate(cut(self._pieces, whole, behaviour)):
            if number and behaviour.drip_s:
                await self._wait(behaviour.drip_s)
            taken = piece if self._chunked else piece[:left]
            left -= len(taken)
            self._seen.sent += len(taken)
            if taken:
                yield taken
        if last is not None and last <= len(whole):
            if behaviour.stall_at == last and (self._chunked or left):
                await self._wait(3600)
            self._script.change(lambda: _ended(self._seen, "cut"))
            if self._chunked or left:
                raise _cut()
            return
        if not self._chunked and left:
            await self._wait(3600)  # the rest of what the head claims never comes
        self._script.change(lambda: _ended(self._seen, "complete"))

    async def _wait(self, seconds: float) -> None:
        if seconds > self._call.silence_s:
            await asyncio.sleep(self._call.silence_s)
            raise _silent(self._call)
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Let go of it."""
        if not self._seen.ended:
            self._script.change(lambda: _ended(self._seen, "gone"))


def _ended(seen: Seen, how: str) -> None:
    seen.ended = how


def _cut() -> Unavailable:
    return Unavailable("The provider cut the connection before the end of its answer.", code="model.cut")


def _silent(call: UpstreamCall) -> Timeout:
    return Timeout(f"The provider sent nothing for {call.silence_s:g} s.", code="model.silent")
