"""Whatever a provider does wrong: the right error, the right bill, the right word to the breaker, nothing reserved."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.store.sqlite import SqliteStore
from remit.guard.breaker import Numbers, Phase
from remit.guard.circuits import key_of
from remit.guard.retry import Profile
from remit.kernel import permits
from remit.kernel.effects import Model
from remit.kernel.errors import (
    ContextTooLong,
    Denied,
    InvalidAnswer,
    InvalidInput,
    KeyRefused,
    NotFound,
    Overloaded,
    RemitError,
    Throttled,
    Timeout,
    Unavailable,
)
from remit.kernel.permits import Attempt, Delivery
from remit.models.orders_listing import SetPrice
from remit.testing.model_server import Behaviour, Reply, ToolCall

from ..guard.fakes import act, make_store  # noqa: TID252 - tests are no package to name
from .fakes_providers import PRICE, Client, Room, chat, make_room, messages, responses

PROVE = os.environ.get("REMIT_PROVE") == "1"
FIVE = 5  # failures open a circuit


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with make_store(tmp_path) as made:
        yield made


@pytest.fixture
async def room(store: SqliteStore) -> AsyncIterator[Room]:
    async with make_room(store) as made:
        yield made


@pytest.fixture
async def impatient(store: SqliteStore) -> AsyncIterator[Room]:
    """Only for whoever is silent: on a busy machine anybody may be, for so long."""
    async with make_room(store, silence_s=0.15) as made:
        yield made


async def ask(room: Room, effect: Model, *, tap: Client | None = None) -> RemitError | None:
    """Ask once; what it failed with."""
    try:
        await room.world.guard.run(room.ask(effect), tap=tap, profile=Profile.ONCE)
    except RemitError as error:
        return error
    return None


def phase(room: Room, effect: Model) -> Phase:
    key = key_of(room.ask(effect))
    assert key is not None
    return room.world.guard.circuits.phase(key)


# ------------------------------------------------------------------------------------------- before the answer begins

WRONG: list[tuple[Behaviour, type[RemitError], str, bool]] = [  # ..., code, whether it speaks against the provider
    (Behaviour(status=400), InvalidInput, "model.refused", False),
    (
        Behaviour(status=400, message="This model's maximum context length is 9"),
        ContextTooLong,
        "model.context_length",
        False,
    ),
    (Behaviour(status=401), KeyRefused, "model.key_refused", False),
    (Behaviour(status=403), KeyRefused, "model.key_refused", False),
    (Behaviour(status=404), NotFound, "model.unknown", False),
    (Behaviour(status=429), Throttled, "model.throttled", False),
    (Behaviour(status=500), Unavailable, "model.provider_failed", True),
    (Behaviour(status=502, body=b"<html>Bad gateway"), Unavailable, "model.provider_failed", True),
    (Behaviour(status=503), Overloaded, "model.overloaded", True),
    (Behaviour(status=529), Overloaded, "model.overloaded", True),
    (Behaviour(status=307, headers=(("location", "http://127.0.0.1:9/"),)), Unavailable, "model.provider_failed", True),
    (Behaviour(drop=True), Unavailable, "model.cut", True),
    (Behaviour(close_at=10), Unavailable, "model.cut", True),
    (Behaviour(reset_at=0), Unavailable, "model.cut", True),
]
SILENT: list[tuple[Behaviour, type[RemitError], str, bool]] = [
    (Behaviour(head_s=60), Timeout, "model.silent", True),
    (Behaviour(stall_at=0), Timeout, "model.silent", True),
    (Behaviour(content_length=10_000), Timeout, "model.silent", True),
]
GARBAGE = [
    Behaviour(body=b"<html>hello</html>"),
    Behaviour(body=b"{"),
    Behaviour(body=b""),
    Behaviour(content_length=20),
    Behaviour(headers=(("content-encoding", "br"),)),
]


@pytest.mark.parametrize("ask_of", [chat, messages])
async def test_each_failure_has_its_class_its_bill_and_its_blame(room: Room, ask_of: Any) -> None:
    await _judged(room, ask_of, WRONG)


@pytest.mark.parametrize("ask_of", [chat, messages])
async def test_silence_has_its_class_its_bill_and_its_blame(impatient: Room, ask_of: Any) -> None:
    await _judged(impatient, ask_of, SILENT)


async def _judged(room: Room, ask_of: Any, wrong: list[tuple[Behaviour, type[RemitError], str, bool]]) -> None:
    names = [f"number-{number}" for number in range(len(wrong))]  # each has a circuit of its own
    await room.give(*(SetPrice(ask_of().provider, name, PRICE) for name in names))
    spent = 0
    for name, (behaviour, kind, code, blamed) in zip(names, wrong, strict=True):
        effect = replace(ask_of(), model=name)
        room.server.behave(behaviour)
        before, _ = room.spent()
        client = Client()
        for _ in range(FIVE):
            error = await ask(room, effect, tap=client)
            assert type(error) is kind, (behaviour, error)
            assert error.code == code
        assert not client.heads
        assert phase(room, effect) is (Phase.OPEN if blamed else Phase.CLOSED), behaviour
        spent, reserved = room.spent()
        assert reserved == 0
        if behaviour.reset_at is None:  # then it depends on whether the head was read before the reset
            accepted = kind is Timeout or behaviour.close_at is not None
            assert (spent > before) is accepted, "paid only where it may have worked"
    assert spent == sum(row["cost_micros"] for row in room.usage())


@pytest.mark.parametrize("behaviour", GARBAGE)
async def test_what_is_no_answer_is_tried_again_and_never_passed_on(room: Room, behaviour: Behaviour) -> None:
    client = Client()
    room.server.behave(behaviour, times=2)
    done = await room.world.guard.run(room.ask(chat()), tap=client)
    assert done.ok
    assert len(client.heads) == 1
    assert b"Hello" in client.got
    room.server.behave(behaviour)
    error = await ask(room, chat())
    assert isinstance(error, InvalidAnswer)
    assert error.row.retryable
    assert room.spent()[1] == 0


async def test_who_asks_to_wait_is_believed_or_told(room: Room) -> None:
    room.server.behave(Behaviour(status=429, headers=(("retry-after", "3"),)), times=1)
    assert (await room.world.guard.run(room.ask(chat()))).ok
    assert room.world.waits == [3.0]
    room.server.behave(Behaviour(status=429, headers=(("retry-after", "900"),)), times=1)
    with pytest.raises(Throttled) as caught:
        await room.world.guard.run(room.ask(chat()))
    assert caught.value.retry_after == 900


async def test_another_stands_in_before_the_first_byte(room: Room) -> None:
    room.server.behave(Behaviour(status=401), model="small")
    client = Client()
    other = replace(chat("local"), model="other")
    done = await room.world.guard.run(room.ask(chat(stream=True)), tap=client, alternatives=[other])
    assert done.ok
    assert [each.model for each in room.server.requests] == ["small", "other"]
    assert client.got.count(b"[DONE]") == 0  # the stand-in was asked for no stream, and answered whole


# ------------------------------------------------------------------------------------------------------- in mid-stream


async def test_an_error_event_before_anything_went_out_is_tried_again(room: Room) -> None:
    for effect in (chat(stream=True), messages(stream=True), responses(stream=True)):
        room.server.say(Reply(error_after=0), times=1)
        client = Client()
        assert (await room.world.guard.run(room.ask(effect), tap=client)).ok
        assert len(client.heads) == 1
        assert b"rror" not in client.got.replace(b'"error":null', b"")
    assert room.server.count == 6


async def test_an_error_event_behind_the_first_bytes_is_raised_and_nobody_stands_in(room: Room) -> None:
    for effect in (chat(stream=True), messages(stream=True), responses(stream=True)):
        before = room.server.count
        room.server.behave(Behaviour(drip_s=0.01))
        room.server.say(Reply(text="one two three four five six", error_after=6), times=1)
        client = Client()
        with pytest.raises(Unavailable):
            await room.world.guard.run(room.ask(effect), tap=client, alternatives=[chat("local")])
        assert client.got
        assert room.server.count == before + 1
    (row, *_) = room.usage()
    assert row["estimated"]
    assert room.spent() == (sum(row["cost_micros"] for row in room.usage()), 0)


@pytest.mark.parametrize("how", ["close_at", "reset_at"])
@pytest.mark.parametrize("ask_of", [chat, messages, responses])
async def test_a_stream_closed_at_any_byte_is_an_error_with_a_bill(store: SqliteStore, ask_of: Any, how: str) -> None:
    async with make_room(store, numbers=Numbers(failures=1_000_000, error_rate=1.1)) as room:
        await _closed_at_every_byte(room, ask_of, how)


async def _closed_at_every_byte(room: Room, ask_of: Any, how: str) -> None:
    room.server.say(Reply(text="a b", tokens_in=1000, tokens_out=4))
    effect = ask_of(stream=True)
    whole = Client()
    assert await ask(room, effect, tap=whole) is None
    size = room.server.requests[0].sent
    full = room.usage()[0]["cost_micros"]
    step = 1 if PROVE else 61
    positions = [*range(0, size, step), size - 15, size - 2, size - 1]
    for at in positions:
        room.server.behave(Behaviour(**{how: at}))
        client = Client()
        error = await ask(room, effect, tap=client)
        row = max(room.usage(), key=lambda row: row["action"])
        assert row["settled_us"]
        if error is None:  # the interface's own end came: nothing is missing
            assert client.got == whole.got
            assert row["cost_micros"] == full
            continue
        assert (type(error), error.code) == (Unavailable, "model.cut"), at
        assert whole.got.startswith(client.got)
        assert bool(client.heads) == bool(client.got)
        if client.got:
            assert 0 < row["cost_micros"] <= full
            assert row["estimated"] or row["tokens_out"] == 4
    assert room.spent() == (sum(row["cost_micros"] for row in room.usage()), 0)


async def test_a_stall_behind_the_first_bytes_is_given_up(impatient: Room) -> None:
    room = impatient
    for effect in (chat(stream=True), messages(stream=True)):
        room.server.behave(Behaviour(stall_at=700))
        for _ in range(4):  # on a machine that stands still before the first bytes, they are what is waited for in vain
            client = Client()
            error = await ask(room, effect, tap=client)
            assert isinstance(error, Timeout)
            assert await room.server.until(lambda script: all(each.ended == "gone" for each in script.requests))
            if client.got:
                break
        assert client.got
    assert room.spent()[1] == 0


async def test_an_end_without_a_close_is_an_end(room: Room) -> None:
    """The protocol's end was there; that HTTP's own did not come costs the connection and nothing else."""
    client = Client()
    await ask(room, chat(stream=True), tap=client)
    size = room.server.requests[0].sent
    for behaviour in (Behaviour(close_at=size), Behaviour(reset_at=size)):
        room.server.behave(behaviour)
        assert await ask(room, chat(stream=True)) is None


# ---------------------------------------------------------------------------------------------------- who goes away


@pytest.mark.parametrize("ask_of", [chat, messages, responses])
async def test_who_goes_away_at_any_moment_ends_the_call_and_pays_what_came(room: Room, ask_of: Any) -> None:
    rand = random.Random(5)
    room.server.behave(Behaviour(drip_s=0.002))
    room.server.say(Reply(text="one two three four five six seven eight", tokens_in=1000, tokens_out=8))
    count = 350 if PROVE else 25
    for number in range(count):
        client = Client()
        task = asyncio.create_task(ask(room, ask_of(stream=True), tap=client))
        if number % 2:  # however slow the machine is, some go away in the middle of their answer
            begun = asyncio.ensure_future(client.first.wait())
            await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
        await asyncio.sleep(rand.random() * (0.02 if number % 2 else 0.05))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert await room.server.until(lambda script: all(each.ended for each in script.requests))
    await room.world.settled()
    rows = room.world.rows()
    assert {row["state"] for row in rows} <= {"cancelled", "ok", "unused"}
    assert all(row["settled_us"] for row in room.usage())
    spent, reserved = room.spent()
    assert (spent, reserved) == (sum(row["cost_micros"] for row in room.usage()), 0)
    assert all(row["cost_micros"] < 10_000 for row in room.usage()), "counted, and not the estimate"
    gone = [each for each in room.server.requests if each.ended == "gone"]
    assert len(gone) > 3


async def test_a_disconnect_in_a_stream_is_billed_by_what_was_counted(room: Room) -> None:
    room.server.behave(Behaviour(stall_at=900))
    room.server.say(Reply(text="one two three four five six seven eight", tokens_in=1000, tokens_out=8))
    client = Client()
    task = asyncio.create_task(ask(room, messages(stream=True), tap=client))
    await client.first.wait()
    await asyncio.sleep(0.1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    (row,) = room.usage()
    assert (row["tokens_in"], row["estimated"]) == (1000, 1)  # told at the start; the rest is counted
    assert 1 <= row["tokens_out"] <= 13
    assert row["cost_micros"] == 2 * 1000 + 8 * row["tokens_out"]


# ---------------------------------------------------------------------------------------------------- what may not pass


async def test_a_secret_split_over_any_pieces_never_passes(room: Room) -> None:
    await room.world.guard.run(room.ask(chat()))  # its key is known from now on
    for step in (1, 5, 9):
        deltas = ("say ", *(room.key[at : at + step] for at in range(0, len(room.key), step)), " over")
        room.server.say(Reply(deltas=deltas))
        for effect in (chat(stream=True), messages(stream=True), responses(stream=True)):
            client = Client()
            room.server.behave(Behaviour(piece=37))
            assert await ask(room, effect, tap=client) is None
            assert room.key[:12] not in _said(client.got)
            assert "say " in _said(client.got)
            assert " over" in _said(client.got)


def _said(stream: bytes) -> str:
    """Every text of a stream's events, joined."""
    import orjson

    texts: list[str] = []
    for line in stream.split(b"\n"):
        if line.startswith(b"data: {"):
            told = orjson.loads(line[6:])
            texts += [choice["delta"].get("content") or "" for choice in told.get("choices", [])]
            delta = told.get("delta", "")
            texts.append(delta if isinstance(delta, str) else delta.get("text", ""))
    return "".join(texts)


@pytest.mark.adapter
async def test_a_tool_call_that_is_refused_does_not_pass(room: Room) -> None:
    """Of a stream what came before it does; of an answer in one piece nothing."""
    room.server.say(Reply(text="I will.", calls=(ToolCall("drop_tables", {"all": True}),)))
    refuse = lambda name, _arguments: "no" if name == "drop_tables" else ""  # noqa: E731

    async def ready() -> None:
        return None

    for effect in (chat(), chat(stream=True), messages(), messages(stream=True), responses(stream=True)):
        client = Client()
        action = act(effect)
        attempt = Attempt(None, Delivery(client, ready=ready, inspect=refuse))
        with permits.opened(action.id, attempt=attempt), pytest.raises(Denied) as caught:
            await room.adapter.perform(action)
        assert caught.value.code == "model.tool"
        assert b"drop_tables" not in client.got
        assert attempt.spent is not None
