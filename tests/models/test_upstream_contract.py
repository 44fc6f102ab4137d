"""The way to providers: one suite for the client over sockets and for the one in memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

import orjson
import pytest

from remit.adapters.providers.upstream import HttpUpstream
from remit.kernel.errors import InvalidAnswer, InvalidInput, RemitError, Timeout, Unavailable
from remit.kernel.ports import ModelUpstream, UpstreamAnswer, UpstreamCall
from remit.testing.model_script import Behaviour, Reply, Script
from remit.testing.model_server import ModelServer
from remit.testing.model_upstream import MemoryUpstream

pytestmark = pytest.mark.adapter  # the tests stand where the guard stands

ASKED = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
STREAMED = ASKED | {"stream": True}
DONE = b"data: [DONE]\n\n"


@dataclass
class Way:
    upstream: ModelUpstream
    script: Script
    url: str

    def call(self, asked: object = ASKED, *, silence_s: float = 60.0) -> UpstreamCall:
        body = asked if isinstance(asked, bytes) else orjson.dumps(asked)
        headers = (("content-type", "application/json"), ("authorization", "Bearer a-key"))
        return UpstreamCall(self.url + "/v1/chat/completions", body, headers, silence_s=silence_s)

    async def ask(self, asked: object = ASKED, *, silence_s: float = 60.0) -> tuple[UpstreamAnswer, bytes]:
        answer = await self.upstream.send(self.call(asked, silence_s=silence_s))
        try:
            return answer, b"".join([piece async for piece in answer.chunks()])
        finally:
            await answer.close()


@pytest.fixture(params=["sockets", "memory"])
async def way(request: pytest.FixtureRequest) -> AsyncGenerator[Way]:
    if request.param == "memory":
        memory = MemoryUpstream()
        yield Way(memory, memory.script, "http://models.test")
        return
    async with ModelServer() as server:
        upstream = HttpUpstream()
        yield Way(upstream, server, server.url)
        await upstream.close()


async def test_an_answer_has_its_status_headers_and_bytes(way: Way) -> None:
    way.script.behave(Behaviour(headers=(("X-Own", "yes"),)))
    answer, body = await way.ask()
    assert (answer.status, answer.headers["content-type"], answer.headers["x-own"]) == (200, "application/json", "yes")
    assert orjson.loads(body)["choices"][0]["message"]["content"].startswith("Hello")
    (seen,) = way.script.requests
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/chat/completions", orjson.dumps(ASKED))
    assert seen.headers["authorization"] == "Bearer a-key"


async def test_a_list_is_read_with_get(way: Way) -> None:
    answer = await way.upstream.send(UpstreamCall(way.url + "/v1/models", method="GET"))
    body = b"".join([piece async for piece in answer.chunks()])
    assert [each["id"] for each in orjson.loads(body)["data"]] == ["small", "large"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503, 529])
async def test_a_status_is_an_answer_and_no_redirect_is_followed(way: Way, status: int) -> None:
    way.script.behave(Behaviour(status=status, headers=(("retry-after", "7"), ("location", way.url + "/v1/models"))))
    answer, body = await way.ask()
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")
    assert "error" in orjson.loads(body)
    assert way.script.count == 1


async def test_a_stream_comes_while_it_is_written(way: Way) -> None:
    way.script.behave(Behaviour(drip_s=0.03))
    answer = await way.upstream.send(way.call(STREAMED))
    times: list[float] = []
    pieces: list[bytes] = []
    async for piece in answer.chunks():
        times.append(asyncio.get_running_loop().time())
        pieces.append(piece)
    assert b"".join(pieces).endswith(DONE)
    assert len(pieces) >= 5
    assert times[-1] - times[0] >= 0.1


async def test_however_a_stream_is_cut_into_pieces_its_bytes_are_the_same(way: Way) -> None:
    _, whole = await way.ask(STREAMED)
    for behaviour in (Behaviour(piece=1), Behaviour(piece=7), Behaviour(cuts=(3, 4, 200)), Behaviour(gzip=True)):
        way.script.behave(behaviour, times=1)
        assert (await way.ask(STREAMED))[1] == whole


async def test_what_is_compressed_all_the_same_is_undone(way: Way) -> None:
    _, whole = await way.ask()
    way.script.behave(Behaviour(gzip=True, piece=5))
    assert (await way.ask())[1] == whole


@pytest.mark.parametrize("way", ["sockets"], indirect=True)
async def test_what_unfolds_to_a_thousand_times_its_size_is_never_held_whole(way: Way) -> None:
    way.script.say(Reply(text="x" * 30_000_000))
    way.script.behave(Behaviour(gzip=True))
    answer = await way.upstream.send(way.call())
    tracemalloc.start()
    try:
        size = sum([len(piece) async for piece in answer.chunks()])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 30_000_000
    assert peak < size / 4


@pytest.mark.parametrize("how", ["close_at", "reset_at"])
async def test_a_stream_that_is_cut_is_never_taken_for_whole(way: Way, how: str) -> None:
    _, whole = await way.ask(STREAMED)
    for at in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        way.script.behave(Behaviour(**{how: at}), times=1)
        with pytest.raises(Unavailable) as caught:
            await way.ask(STREAMED)
        assert (caught.value.code, caught.value.row.retryable) == ("model.cut", True), at


@pytest.mark.parametrize("how", ["close_at", "reset_at"])
async def test_an_answer_of_known_length_that_is_cut_is_never_taken_for_whole(way: Way, how: str) -> None:
    _, whole = await way.ask()
    for at in (0, 1, len(whole) - 1):
        way.script.behave(Behaviour(**{how: at}), times=1)
        with pytest.raises(Unavailable, match="cut the connection"):
            await way.ask()
    way.script.behave(Behaviour(close_at=len(whole)), times=1)
    assert (await way.ask())[1] == whole


async def test_a_cut_in_what_is_compressed_is_a_cut(way: Way) -> None:
    way.script.behave(Behaviour(gzip=True, close_at=40))
    with pytest.raises(Unavailable):
        await way.ask(STREAMED)


async def test_a_head_that_claims_too_little_ends_the_answer_there(way: Way) -> None:
    way.script.behave(Behaviour(content_length=10), times=1)
    with suppress(InvalidAnswer):  # when the rest came at once, and is seen to be no answer
        _, body = await way.ask()
        assert len(body) == 10
    assert (await way.ask())[0].status == 200  # what was left over does not reach the next answer


async def test_a_head_that_claims_too_much_is_waited_for_and_given_up(way: Way) -> None:
    way.script.behave(Behaviour(content_length=10_000))
    with pytest.raises(Timeout):
        await way.ask(silence_s=0.2)


async def test_silence_is_given_up_before_the_head_and_behind_it(way: Way) -> None:
    way.script.behave(Behaviour(head_s=60), times=1)
    with pytest.raises(Timeout) as caught:
        await way.ask(silence_s=0.2)
    assert caught.value.code == "model.silent"
    for asked in (ASKED, STREAMED):
        way.script.behave(Behaviour(stall_at=20), times=1)
        with pytest.raises(Timeout):
            await way.ask(asked, silence_s=0.2)


async def test_a_slow_stream_is_not_silent(way: Way) -> None:
    way.script.behave(Behaviour(drip_s=0.08))
    for _ in range(10):  # in sum it always takes longer; a machine that stands still is silent too
        with suppress(Timeout):
            assert (await way.ask(STREAMED, silence_s=0.3))[1].endswith(DONE)
            return
    raise AssertionError("given up each time, however much came")


async def test_nobody_there(way: Way) -> None:
    if isinstance(way.upstream, MemoryUpstream):
        way.upstream.down = True
    call = UpstreamCall("http://127.0.0.1:9", b"{}")
    with pytest.raises(Unavailable) as caught:
        await way.upstream.send(call)
    assert caught.value.code == "model.unreachable"


async def test_closed_without_a_byte(way: Way) -> None:
    way.script.behave(Behaviour(drop=True), times=1)
    with pytest.raises(Unavailable) as caught:
        await way.ask()
    assert caught.value.code == "model.cut"
    assert way.script.count == 1  # on a new connection: it is not sent again


@pytest.mark.parametrize("url", ["", "ftp://models.test/v1", "/v1/models", "http:///v1", "http://[::1/v1"])
async def test_what_is_no_address(way: Way, url: str) -> None:
    with pytest.raises((InvalidInput, ValueError)) as caught:
        await way.upstream.send(UpstreamCall(url, b"{}"))
    assert isinstance(caught.value, RemitError)


async def test_who_lets_go_early_ends_the_connection(way: Way) -> None:
    way.script.behave(Behaviour(drip_s=0.05))
    answer = await way.upstream.send(way.call(STREAMED))
    async for _ in answer.chunks():
        break
    await answer.close()
    await answer.close()  # twice is as once
    assert await asyncio.to_thread(way.script.wait, lambda script: script.requests[0].ended == "gone")


async def test_who_is_cancelled_ends_the_connection(way: Way) -> None:
    for behaviour in (Behaviour(head_s=60), Behaviour(stall_at=50)):
        way.script.behave(behaviour, times=1)
        task = asyncio.create_task(way.ask(STREAMED, silence_s=600))
        assert await asyncio.to_thread(way.script.wait, lambda script: script.count > 0)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(way.script.wait, lambda script: script.requests[-1].ended == "gone")
        way.script.forget()


async def test_a_large_request_arrives_whole(way: Way) -> None:
    asked = ASKED | {"image": "A" * (3 << 20)}
    await way.ask(asked)
    assert way.script.requests[0].json == asked


async def test_many_at_once(way: Way) -> None:
    way.script.say(Reply(text="so it is"))
    answers = await asyncio.gather(*(way.ask(ASKED | {"user": str(number)}) for number in range(40)))
    assert {answer.status for answer, _ in answers} == {200}
    assert {each.json["user"] for each in way.script.requests} == {str(number) for number in range(40)}
