"""A call to a provider, through a real guard to a real socket: what is sent, what comes back, what it costs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from remit.adapters.store.sqlite import SqliteStore
from remit.guard.secrets_tables import SECRET_USE
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import InvalidInput, NotFound, Unavailable
from remit.models.catalogue import Provider, ProviderKind, ProviderStatus
from remit.models.orders import MoveProvider, SetProvider
from remit.models.orders_listing import SetPrice
from remit.models.prices import rate_of
from remit.testing.model_server import Behaviour, Reply, ToolCall

from ..guard.fakes import WORKSPACE, make_store  # noqa: TID252 - tests are no package to name
from .fakes_providers import Client, Room, chat, make_room, messages, responses


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with make_store(tmp_path) as made:
        yield made


@pytest.fixture
async def room(store: SqliteStore) -> AsyncIterator[Room]:
    async with make_room(store) as made:
        yield made


SAID = Reply(text="Four it is.", tokens_in=1000, tokens_out=100)


# --------------------------------------------------------------------------------------------------------- what is sent


async def test_the_callers_bytes_are_sent_but_for_the_models_name(room: Room) -> None:
    body = b'{ "model" : "public-name","zeta":1.50, "messages":[{"role":"user","content":"gr\\u00fc\\u00df"}],"a":[]}'
    effect = Model("openai", "small", orjson.loads(body), body=body)
    assert (await room.world.guard.run(room.ask(effect))).ok
    assert room.server.requests[0].body == body.replace(b'"public-name"', b'"small"')


async def test_a_stream_is_made_to_tell_its_usage_and_the_caller_sees_none_of_that(room: Room) -> None:
    body = b'{"model":"small","stream":true,"messages":[]}'
    effect = Model("openai", "small", orjson.loads(body), body=body)
    client = Client()
    room.server.say(SAID)
    done = await room.world.guard.run(room.ask(effect), tap=client)
    assert room.server.requests[0].json["stream_options"] == {"include_usage": True}
    assert b'"usage":{' not in client.got
    assert (done.usage.tokens_in, done.usage.tokens_out, done.usage.estimated) == (1000, 100, False)


async def test_who_asked_for_the_usage_gets_the_providers_bytes_to_the_last(room: Room) -> None:
    options = {"stream_options": {"include_usage": True}}
    client = Client()
    await room.world.guard.run(room.ask(chat(stream=True, **options)), tap=client)
    direct = await _direct(room, room.server.requests[0].body, "/v1/chat/completions")
    assert client.got == direct
    assert b'"usage":{' in direct


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("ask", [chat, messages, responses])
async def test_answers_pass_byte_for_byte(room: Room, ask: Any, *, streamed: bool) -> None:
    room.server.say(
        Reply(
            text="Oslo — är kalt.",
            thinking="let me see",
            calls=(ToolCall("weather", {"city": "Oslo"}),),
            extra={"x_unknown": {"kept": [1.0, None]}},
        )
    )
    client = Client()
    asked = ask(stream=streamed, **({"stream_options": {"include_usage": True}} if ask is chat and streamed else {}))
    await room.world.guard.run(room.ask(asked), tap=client)
    seen = room.server.requests[0]
    assert client.got == await _direct(room, seen.body, seen.path)
    assert [head.status for head in client.heads] == [200]


async def _direct(room: Room, body: bytes, path: str) -> bytes:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.post(room.server.url + path, data=body) as answer:
        return await answer.read()


async def test_each_provider_gets_its_key_in_its_own_header_and_nobody_elses(room: Room) -> None:
    mine = (("authorization", "Bearer the-callers"), ("x-api-key", "the-callers"), ("cookie", "a=b"))
    along = (("anthropic-beta", "thinking-1"), ("anthropic-version", "2024-01-01"), ("openai-beta", "realtime=v1"))
    for effect in (chat(), messages(), chat("local")):
        asked = Model(effect.provider, effect.model, effect.request, wire=effect.wire, headers=(*mine, *along))
        await room.world.guard.run(room.ask(asked))
    openai, anthropic, local = (each.headers for each in room.server.requests)
    assert openai["authorization"] == f"Bearer {room.key}"
    assert anthropic["x-api-key"] == room.key
    assert (anthropic["anthropic-version"], anthropic["anthropic-beta"]) == ("2024-01-01", "thinking-1")
    assert openai["openai-beta"] == "realtime=v1"
    assert "authorization" not in local
    assert not {"x-api-key", "anthropic-version"} & (openai.keys() | local.keys())
    assert "authorization" not in anthropic
    assert not any("the-callers" in str(each.headers) or "cookie" in each.headers for each in room.server.requests)


async def test_what_the_administrator_set_for_a_provider_goes_with_every_call(room: Room) -> None:
    headers = (("X-Tenant", "blue"), ("X-Second-Key", "secret://provider_key"), ("User-Agent", "ours"))
    url = room.server.url + "/v1"
    await room.give(SetProvider(Provider(WORKSPACE, "local", ProviderKind.COMPATIBLE, url, headers=headers)))
    await room.world.guard.run(room.ask(chat("local")))
    seen = room.server.requests[0].headers
    assert (seen["x-tenant"], seen["x-second-key"], seen["user-agent"]) == ("blue", room.key, "ours")


async def test_how_each_call_went_is_told(store: SqliteStore) -> None:
    heard: list[tuple[str, str, float | None, float, str]] = []
    async with make_room(store, observed=lambda *told: heard.append(told)) as room:
        await room.world.guard.run(room.ask(chat(stream=True)), tap=Client())
        room.server.behave(Behaviour(status=400))
        with pytest.raises(InvalidInput):
            await room.world.guard.run(room.ask(chat()))
        with pytest.raises(NotFound):
            await room.world.guard.run(room.ask(chat("nobody")))
    (good, bad) = heard
    assert good[:2] == (WORKSPACE, "openai/small")
    assert good[2] is not None
    assert 0 < good[2] <= good[3]
    assert good[4] == ""
    assert (bad[2], bad[4]) == (None, "model.refused")


# ------------------------------------------------------------------------------------------------------------- the bill


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("ask", [chat, messages, responses])
async def test_the_bill_is_what_the_provider_reports(room: Room, ask: Any, *, streamed: bool) -> None:
    cached, written = (300, 100) if ask is messages else (300, 0)
    room.server.say(Reply(text="Four.", tokens_in=1000, tokens_out=100, cached=cached, cache_write=written))
    for tap in (Client(), None):
        done = await room.world.guard.run(room.ask(ask(stream=streamed)), tap=tap)
        plain = 1000 - cached - written
        assert done.cost.micros == 2 * plain + 1 * cached + 3 * written + 8 * 100
        assert (done.usage.tokens_in, done.usage.tokens_out, done.usage.tokens_cached) == (1000, 100, cached)
        assert (done.usage.provider, done.usage.model, done.usage.estimated) == (ask().provider, "small", False)
    row = room.usage()[0]
    assert (row["cost_micros"], row["tokens_in"], row["tokens_out"]) == (done.cost.micros, 1000, 100)


async def test_what_nobody_reports_is_counted_and_said_to_be_so(room: Room) -> None:
    room.server.say(Reply(text="one two three four", usage=False))
    for effect in (chat(), chat(stream=True), messages(), messages(stream=True)):
        done = await room.world.guard.run(room.ask(effect))
        assert done.usage.estimated
        assert done.usage.tokens_in >= 5
        assert done.usage.tokens_out >= 4
        assert done.cost.micros == 2 * done.usage.tokens_in + 8 * done.usage.tokens_out


async def test_an_unknown_price_costs_what_was_reserved_and_zero_is_a_price(room: Room) -> None:
    room.server.say(SAID)
    done = await room.world.guard.run(room.ask(Model("openai", "nobody-knows", {"model": "x", "messages": []})))
    assert done.cost.micros == 500_000
    await room.give(SetPrice("openai", "nobody-knows", rate_of("0", "0")))
    done = await room.world.guard.run(room.ask(Model("openai", "nobody-knows", {"model": "x", "messages": []})))
    assert done.cost.micros == 0


async def test_embeddings_and_counts(room: Room) -> None:
    asked = Model("openai", "small", {"model": "x", "input": ["a", "b"]}, wire=Wire.EMBEDDINGS)
    done = await room.world.guard.run(room.ask(asked))
    assert len(done.value["data"]) == 2  # type: ignore[arg-type]
    assert done.usage.tokens_in > 0
    assert done.usage.tokens_out == 0
    counted = messages()
    asked = Model("anthropic", "small", counted.request, wire=Wire.COUNT_TOKENS)
    done = await room.world.guard.run(room.ask(asked))
    assert done.value == {"input_tokens": 2}
    assert (done.cost.micros, done.usage.tokens_in) == (0, 0)


# ----------------------------------------------------------------------------------------------------- what is refused


async def test_who_is_not_there_paused_or_has_no_such_interface(room: Room) -> None:
    with pytest.raises(NotFound) as missing:
        await room.world.guard.run(room.ask(chat("nobody")))
    assert missing.value.code == "model.provider"
    await room.give(MoveProvider("local", ProviderStatus.PAUSED, "it is slow"))
    with pytest.raises(Unavailable) as paused:
        await room.world.guard.run(room.ask(chat("local")))
    assert (paused.value.code, room.world.waits) == ("model.paused", [])
    done = await room.world.guard.run(room.ask(chat("local")), alternatives=[chat()])
    assert done.ok
    room.server.forget()
    spent = room.spent()
    with pytest.raises(InvalidInput) as foreign:
        await room.world.guard.run(room.ask(Model("anthropic", "small", {"input": "x"}, wire=Wire.EMBEDDINGS)))
    assert foreign.value.code == "model.wire"
    assert room.server.count == 0
    assert room.spent() == spent


async def test_a_key_that_is_not_there_or_can_stand_in_no_header(room: Room) -> None:
    room.environ["REMIT_SECRET_PROVIDER_KEY"] = "two lines of\na key that is long"
    with pytest.raises(Exception, match="no header may hold") as caught:
        await room.world.guard.run(room.ask(chat()))
    assert "two lines" not in str(caught.value)
    del room.environ["REMIT_SECRET_PROVIDER_KEY"]
    with pytest.raises(NotFound):
        await room.world.guard.run(room.ask(chat()))
    assert room.server.count == 0
    assert room.spent() == (0, 0)


# --------------------------------------------------------------------------------------------------------- keys


async def test_a_key_is_nowhere_but_at_its_provider(
    room: Room, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even when the provider quotes it: in an answer, in an error, in a header."""
    caplog.set_level("DEBUG")
    client = Client()
    for behaviour in (
        Behaviour(status=401, message=f"Incorrect API key provided: {room.key}."),
        Behaviour(status=500, message=f"failed for {room.key}", headers=(("x-request-id", "one"),)),
        Behaviour(status=400, message=f"bad {room.key}"),
    ):
        room.server.behave(behaviour)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever: it must not hold the key
            await room.world.guard.run(room.ask(chat()), tap=client)
        assert room.key not in repr(caught.value) + str(caught.value.__cause__)
    room.server.behave(Behaviour())
    room.server.say(Reply(text=f"your key is {room.key} is it"))
    for effect in (chat(), chat(stream=True), messages(stream=True)):
        await room.world.guard.run(room.ask(effect), tap=client)
    done = await room.world.guard.run(room.ask(chat()))
    assert room.key not in client.got.decode() + str(done)
    assert b"your key is" in client.got
    await room.world.settled()
    assert room.key not in caplog.text + repr(room.adapter.__dict__) + str(room.world.audit())
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or room.key.encode() not in path.read_bytes(), path


async def test_uses_of_a_key_are_noted_once_in_a_while_and_not_for_each_call(room: Room) -> None:
    for _ in range(5):
        await room.world.guard.run(room.ask(chat()))
    await room.world.settled()
    (row,) = room.world.rows(SECRET_USE)
    assert (row["secret"], row["uses"]) == ("provider_key", 1)


# --------------------------------------------------------------------------------------------------------- health


async def test_the_models_of_a_provider_are_listed_through_the_guard(room: Room) -> None:
    from remit.adapters.providers.probe import probe

    found = await probe(room.world.guard, workspace=WORKSPACE, provider="openai", by=room.ask(chat()).principal)
    assert found.models == ("large", "small")
    assert found.seconds > 0
    assert room.server.requests[0].headers["authorization"] == f"Bearer {room.key}"
    room.server.behave(Behaviour(status=401))
    with pytest.raises(Unavailable) as refused:
        await probe(room.world.guard, workspace=WORKSPACE, provider="openai", by=room.ask(chat()).principal)
    assert refused.value.code == "model.key_refused"
    room.server.behave(Behaviour(body=b"<html>"))
    with pytest.raises(Unavailable) as garbage:
        await probe(room.world.guard, workspace=WORKSPACE, provider="local", by=room.ask(chat()).principal)
    assert garbage.value.code == "model.list"
    assert room.spent() == (0, 0)


# ----------------------------------------------------------------------------------------------- the other interface


@pytest.mark.parametrize("streamed", [False, True])
async def test_chat_is_answered_by_anthropic_and_messages_by_openai(room: Room, *, streamed: bool) -> None:
    """With tools, and the same bill as anywhere."""
    room.server.say(
        Reply(
            text="I look.", calls=(ToolCall("weather", {"city": "Oslo"}),), tokens_in=1000, tokens_out=100, cached=300
        )
    )
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    theirs, ours = chat(stream=streamed), messages(stream=streamed)
    function = {"type": "function", "function": {"name": "weather", "parameters": schema}}
    usage = {"stream_options": {"include_usage": True}} if streamed else {}
    for effect, path, marks in (
        (
            Model("anthropic", "small", {**theirs.request, "tools": [function], **usage}),
            "/v1/messages",
            (b'"tool_calls"', b'"prompt_tokens":1000', b"weather", b"chat.completion"),
        ),
        (
            Model(
                "openai",
                "small",
                {**ours.request, "tools": [{"name": "weather", "input_schema": schema}]},
                wire=Wire.MESSAGES,
            ),
            "/v1/chat/completions",
            (b'"tool_use"', b'"cache_read_input_tokens":300', b"weather", b'"type":"message"'),
        ),
    ):
        client = Client()
        done = await room.world.guard.run(room.ask(effect), tap=client)
        seen = room.server.requests[-1]
        assert (seen.path, seen.json["model"]) == (path, "small")
        assert seen.json["tools"]
        assert all(mark in client.got for mark in marks), client.got
        assert done.cost.micros == 2 * 700 + 300 + 8 * 100
        assert (done.usage.tokens_in, done.usage.estimated) == (1000, False)
        plain = await room.world.guard.run(room.ask(effect))
        if not streamed:
            turned = {"created": 0}  # the second in which it was turned, which two calls need not share
            assert {**plain.value, **turned} == {**orjson.loads(client.got), **turned}


async def test_a_cut_is_a_cut_in_any_interface(room: Room) -> None:
    for effect in (
        Model("anthropic", "small", chat(stream=True).request),
        Model("openai", "small", messages(stream=True).request, wire=Wire.MESSAGES),
    ):
        room.server.behave(Behaviour(close_at=900))
        room.server.say(Reply(text="one two three four five six seven"))
        client = Client()
        with pytest.raises(Unavailable) as caught:
            await room.world.guard.run(room.ask(effect), tap=client)
        assert caught.value.code == "model.cut"
        assert client.got
        assert b"[DONE]" not in client.got
        assert b"message_stop" not in client.got


async def test_what_the_other_interface_can_not_say_is_refused_before_anything_is_sent(room: Room) -> None:
    with pytest.raises(InvalidInput) as caught:
        await room.world.guard.run(room.ask(Model("anthropic", "small", {**chat().request, "logprobs": True})))
    assert caught.value.code == "model.untranslatable"
    assert room.server.count == 0
