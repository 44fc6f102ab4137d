"""The client over sockets: what memory can't show."""

import asyncio
import socket
import threading
from contextlib import suppress

import orjson
import pytest

from remit.adapters.providers.upstream import HttpUpstream
from remit.kernel.errors import InvalidAnswer, InvalidInput, Timeout, Unavailable
from remit.kernel.ports import UpstreamCall
from remit.testing.model_server import Behaviour, ModelServer, Reply

pytestmark = pytest.mark.adapter

BODY = orjson.dumps({"model": "small", "messages": [], "stream": True})


async def ask(upstream: HttpUpstream, server: ModelServer, **more: str) -> bytes:
    headers = tuple(more.items())
    answer = await upstream.send(UpstreamCall(server.url + "/v1/chat/completions", BODY, headers, silence_s=60))
    try:
        return b"".join([piece async for piece in answer.chunks()])
    finally:
        await answer.close()


async def test_connections_are_kept_and_shared() -> None:
    async with ModelServer() as server:
        upstream = HttpUpstream()
        for _ in range(20):
            await ask(upstream, server)
        assert (server.count, server.connections) == (20, 1)
        await asyncio.gather(*(ask(upstream, server) for _ in range(10)))
        assert server.connections <= 10
        await upstream.close()
        assert await server.until(lambda script: script.open == 0)


async def test_a_kept_connection_that_its_provider_closed_is_nobodys_failure() -> None:
    """Whether the close is seen before the request goes out, or crosses it on its way."""
    async with ModelServer() as server:
        upstream = HttpUpstream()
        await asyncio.gather(*(ask(upstream, server) for _ in range(3)))
        server.close_idle()
        assert (await ask(upstream, server)).endswith(b"[DONE]\n\n")
        server.behave(Behaviour(drop_reused=True))
        for _ in range(3):
            await asyncio.gather(*(ask(upstream, server) for _ in range(3)))
        await upstream.close()


async def test_it_is_sent_once_more_and_not_twice() -> None:
    async with ModelServer() as server:
        upstream = HttpUpstream()
        await ask(upstream, server)
        server.behave(Behaviour(drop=True))
        with pytest.raises(Unavailable) as caught:
            await ask(upstream, server)
        assert caught.value.code == "model.cut"
        assert server.count == 3
        await upstream.close()


async def test_it_is_not_sent_again_when_anything_came_back() -> None:
    """A head that breaks off on a kept connection: somebody worked on it."""
    halves = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\ncontent-le"]
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for half in halves:
                asked.append(connection.recv(65536))
                connection.sendall(half)

    thread = threading.Thread(target=serve)
    thread.start()
    upstream = HttpUpstream()
    call = UpstreamCall(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", b"{}", silence_s=60)
    first = await upstream.send(call)
    assert [piece async for piece in first.chunks()] == [b"{}"]
    with pytest.raises(Unavailable):
        await upstream.send(call)
    thread.join()
    listener.close()
    assert len(asked) == 2
    await upstream.close()


async def test_what_comes_on_an_idle_connection_is_nobodys_answer() -> None:
    """A second answer to one request, as a broken or hostile server sends it, must not reach the next caller."""
    whole = b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"%s"'

    said = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(whole % b"right")
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(whole % b"wrong")
            said.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream()
    call = UpstreamCall(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", b"{}", silence_s=60)
    for _ in range(3):
        answer = await upstream.send(call)
        assert [piece async for piece in answer.chunks()] == [b'"right"']
        await said.wait()
        said.clear()
        await asyncio.sleep(0.05)
    await upstream.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00\xff" * 30])
async def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream()
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(InvalidAnswer) as caught:
        await upstream.send(UpstreamCall(f"http://127.0.0.1:{port}/v1", b"{}", silence_s=60))
    assert caught.value.code == "model.http"
    await upstream.close()
    server.close()
    await server.wait_closed()


async def test_who_takes_no_connection_in_time() -> None:
    """A listener whose queue is full lets a connection attempt hang."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fill = [socket.socket() for _ in range(3)]
        for each in fill:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        upstream = HttpUpstream()
        with pytest.raises(Timeout) as caught:
            await upstream.send(UpstreamCall(f"http://127.0.0.1:{port}/v1", b"{}", connect_s=0.2))
        assert caught.value.code == "model.connect"
        await upstream.close()
        for each in fill:
            each.close()


async def test_nothing_is_sent_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with ModelServer() as server:
        server.behave(Behaviour(headers=(("set-cookie", "a=b; path=/"),)))
        upstream = HttpUpstream()
        await ask(upstream, server, authorization="Bearer x")
        await ask(upstream, server)
        first, second = server.requests
        usual = {"host", "accept-encoding", "content-length"}
        assert set(first.headers) == usual | {"authorization"}
        assert set(second.headers) == usual
        assert first.headers["accept-encoding"] == "identity"
        await upstream.close()


async def test_an_encoding_that_nobody_asked_for() -> None:
    async with ModelServer() as server:
        server.behave(Behaviour(headers=(("content-encoding", "br"),)))
        upstream = HttpUpstream()
        with pytest.raises(InvalidAnswer) as caught:
            await ask(upstream, server)
        assert caught.value.code == "model.encoding"
        await upstream.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    """An http server at an https address has none at all."""
    async with ModelServer() as server:
        upstream = HttpUpstream()
        with pytest.raises(Unavailable) as caught:
            await upstream.send(UpstreamCall(f"https://127.0.0.1:{server.port}/v1", b"{}"))
        assert caught.value.code == "model.certificate"
        await upstream.close()


def test_each_event_loop_has_connections_of_its_own() -> None:
    with ModelServer() as server:
        upstream = HttpUpstream()

        async def whole() -> None:
            await ask(upstream, server)
            await asyncio.sleep(0.05)  # so that they are open side by side
            await ask(upstream, server)
            await upstream.close()

        for _ in range(2):
            asyncio.run(whole())
        threads = [threading.Thread(target=lambda: asyncio.run(whole())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (server.count, server.connections) == (12, 6)
        assert server.wait(lambda script: script.open == 0)


def test_errors_name_the_host_and_nothing_else_of_the_request() -> None:
    async def failed() -> Unavailable:
        upstream = HttpUpstream()
        call = UpstreamCall("http://127.0.0.1:9/v1/secret-path", b"{}", (("x-api-key", "hidden"),))
        with pytest.raises(Unavailable) as caught:
            await upstream.send(call)
        await upstream.close()
        assert "hidden" not in repr(call)
        return caught.value

    error = asyncio.run(failed())
    assert "127.0.0.1" in error.message
    assert "hidden" not in error.message
    assert "secret-path" not in error.message


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_that_would_end_its_line_is_not_sent(value: str) -> None:
    async with ModelServer() as server:
        upstream = HttpUpstream()
        with pytest.raises(InvalidInput) as caught:
            await ask(upstream, server, authorization=value)
        assert caught.value.code == "model.header"
        assert server.count == 0
        await upstream.close()


async def test_a_head_without_end_is_no_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"x-a: " + b"a" * 4000 + b"\r\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream()
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unavailable):
        await upstream.send(UpstreamCall(f"http://127.0.0.1:{port}/v1", b"{}", silence_s=60))
    await upstream.close()
    server.close()
    await server.wait_closed()


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with ModelServer() as server:
        upstream = HttpUpstream(keepalive_s=0.1)
        await ask(upstream, server)
        await asyncio.sleep(0.3)
        assert await server.until(lambda script: script.open == 0)
        await ask(upstream, server)
        assert (server.count, server.connections) == (2, 2)
        await upstream.close()


async def test_a_large_request_and_an_answer_that_nobody_takes_yet_are_whole() -> None:
    """8 MiB each way: the answer waits in the provider's socket until it is read."""
    size = 8 << 20
    told: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        told.append(len(await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        writer.write(b"a" * size)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream()
    port = server.sockets[0].getsockname()[1]
    answer = await upstream.send(UpstreamCall(f"http://127.0.0.1:{port}/v1", b"b" * size, silence_s=60))
    await asyncio.sleep(0.3)
    pieces = [piece async for piece in answer.chunks()]
    assert (told, sum(map(len, pieces))) == ([size], size)
    assert max(map(len, pieces)) <= 1 << 20
    await upstream.close()
    server.close()
    await server.wait_closed()


async def test_what_came_before_a_cut_is_read_whoever_reads_late() -> None:
    async with ModelServer() as server:
        server.say(Reply(deltas=tuple(f"word{number} " for number in range(40))))
        server.behave(Behaviour(close_at=3000))
        upstream = HttpUpstream()
        call = UpstreamCall(server.url + "/v1/chat/completions", BODY, (), silence_s=60)
        answer = await upstream.send(call)
        assert await server.until(lambda script: script.open == 0)
        await asyncio.sleep(0.05)  # and the end has been heard of here
        pieces = aiter(answer.chunks())
        assert b"word0 " in await anext(pieces)
        with pytest.raises(Unavailable) as caught:
            await anext(pieces)
        assert caught.value.code == "model.cut"
        await answer.close()
        await upstream.close()


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nab")
        await writer.drain()
        writer.write(b"cd")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream()
    port = server.sockets[0].getsockname()[1]
    answer = await upstream.send(UpstreamCall(f"http://127.0.0.1:{port}/v1", b"{}", silence_s=60))
    assert (answer.status, answer.headers) == (200, {})
    assert b"".join([piece async for piece in answer.chunks()]) == b"abcd"
    await upstream.close()
    server.close()
    await server.wait_closed()
