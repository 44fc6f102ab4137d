"""However a call ends, its client hears of it, it is settled once, nothing stays reserved, the breaker judges right."""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest

from remit.guard.approval_rows import Status, recent
from remit.guard.breakers import Order
from remit.serve.gateway.waiting import Waiting
from remit.testing.model_server import Behaviour, ModelServer, Reply

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .conftest import SETTINGS
from .running import WORKSPACE, Gateway, Wire, ask, gateway

PROVE = os.environ.get("REMIT_PROVE") == "1"
WORDS = tuple(f"word{n} " for n in range(12))
PATHS = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Go on."}], "stream": True},
    "/v1/messages": {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Go on."}],
        "stream": True,
    },
    "/v1/responses": {"model": "gpt-4o", "input": "Go on.", "stream": True},
}
CHAT = PATHS["/v1/chat/completions"]


def events(body: bytes) -> list[Any]:
    """The events of a stream, decoded."""
    lines = [line[6:] for line in body.splitlines() if line.startswith(b"data: ") and line != b"data: [DONE]"]
    return [orjson.loads(line) for line in lines]


def errors(body: bytes) -> list[Any]:
    return [told for told in events(body) if told.get("error") or told.get("type") == "error"]


def of_model(asked: Any, model: str) -> Any:
    """The same of another model, whose circuit is its own."""
    return asked | {"model": model}


# -------------------------------------------------------------------------------------------------------- who goes away


def test_clients_that_go_away_at_any_moment(gate: Gateway) -> None:
    rand = random.Random(7)
    trials = 1000 if PROVE else 25
    before = len(gate.rows())
    gate.provider.say(Reply(deltas=WORDS))
    gate.provider.behave(Behaviour(drip_s=0.05))  # an answer takes over half a second

    async def one(moment: float, *, begun: bool) -> None:
        host, _, port = gate.url.removeprefix("http://").partition(":")
        path = rand.choice(list(PATHS))
        body = orjson.dumps(PATHS[path])
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {path} HTTP/1.1\r\nhost: g\r\nx-api-key: {gate.token}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        try:
            if begun:  # however slow the machine is, some go away in the middle of their answer
                await reader.readuntil(b"data: ")
            async with asyncio.timeout(moment):
                await reader.read()
        except TimeoutError:
            pass
        finally:
            writer.transport.abort()

    async def all_of_them() -> None:
        for start in range(0, trials, 25):
            some = range(start, min(start + 25, trials))
            await asyncio.gather(*(one(rand.random() * 0.3, begun=number % 2 == 0) for number in some))

    asyncio.run(all_of_them())
    rows = gate.settled(before)[before:]
    assert rows
    assert {row["state"] for row in rows} <= {"ok", "cancelled", "unused"}
    assert "cancelled" in {row["state"] for row in rows}
    assert not any(gate.reserved())
    outcomes = gate.audits("guard.outcome")
    assert len(outcomes) == len(set(outcomes)), "each was settled once"
    assert gate.provider.wait(lambda seen: all(each.ended for each in seen.requests)), "no call went on alone"


def test_who_goes_away_pays_what_was_counted(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=WORDS))
    gate.provider.behave(Behaviour(drip_s=0.1))
    before = len(gate.rows())
    wire = Wire(gate.url).send("/v1/messages", PATHS["/v1/messages"], token=gate.token)
    _, headers = wire.head()
    chunks = wire.chunks()
    for _ in range(4):
        next(chunks)
    wire.close()
    assert gate.provider.wait(lambda seen: seen.requests[-1].ended == "gone")
    rows = gate.settled(before + 1)
    row = next(row for row in rows if row["id"] == headers["x-remit-action"])
    assert row["state"] == "cancelled"
    assert row["cost_micros"] > 0
    assert not any(gate.reserved())


def test_a_client_that_reads_slowly_slows_the_provider_and_loses_nothing(gate: Gateway) -> None:
    long = ("lorem ipsum dolor " * 600,) * 1200
    gate.provider.say(Reply(deltas=long))
    wire = Wire(gate.url).send("/v1/chat/completions", CHAT, token=gate.token)
    status, headers = wire.head()
    time.sleep(0.5)
    assert gate.provider.requests[-1].sent < 12_500_000, "it was not all taken in while nobody read it"
    body = wire.body(headers)
    wire.close()
    assert status == 200
    said = "".join(told["choices"][0]["delta"].get("content") or "" for told in events(body) if told["choices"])
    assert len(said) == 600 * 18 * 1200


@pytest.fixture
def impatient(provider: ModelServer, tmp_path: Path) -> Iterator[Gateway]:
    """One that waits a second for who reads nothing. Only for that: on a busy machine anybody may be so slow."""
    provider.forget()
    with gateway(tmp_path / "home", provider, **SETTINGS, gateway_slow_s=1.0) as made:
        yield made


def test_a_client_that_stops_reading_is_given_up_and_settled(impatient: Gateway) -> None:
    gate = impatient
    before = len(gate.rows())
    gate.provider.say(Reply(deltas=("lorem ipsum dolor " * 600,) * 4800))  # more than the machine's buffers take in
    wire = Wire(gate.url)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.send("/v1/messages", PATHS["/v1/messages"], token=gate.token)
    wire.head()
    assert gate.provider.wait(lambda seen: seen.requests[-1].ended == "gone", timeout_s=40), "its provider is let go"
    (row,) = gate.settled(before + 1)[before:]
    assert row["state"] == "cancelled"
    assert row["cost_micros"] > 0, "what was written until then"
    assert not any(gate.reserved())
    wire.close()


# ------------------------------------------------------------------------------------------ providers that misbehave


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_that_is_cut_anywhere_ends_in_an_error(gate: Gateway, path: str) -> None:
    gate.provider.say(Reply(text="Hi there."))
    whole = ask(gate.provider.url, path, PATHS[path])[2]
    step = 1 if PROVE else max(1, len(whole) // 12)
    for number, at in enumerate(range(0, len(whole), step)):
        gate.provider.forget()
        gate.provider.say(Reply(text="Hi there."))
        gate.provider.behave(Behaviour(close_at=at))
        asked = of_model(PATHS[path], f"{PATHS[path]['model']}-{path[-4:]}{number}")
        status, _, body = ask(gate.url, path, asked, token=gate.token)
        if status == 200:
            assert len(errors(body)) == 1, (at, body)
            assert events(body)[-1] in errors(body), "the error is the last that is said"
        else:
            assert status in {502, 503}, (at, status)
    assert not any(gate.reserved())
    assert all(row["state"] != "open" for row in gate.rows())


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        (Behaviour(status=500), {502, 503, 500}),
        (Behaviour(status=429, headers=(("retry-after", "1"),)), {429}),
        (Behaviour(status=529), {503, 529}),
        (Behaviour(status=401), {502}),
        (Behaviour(body=b"<html>no</html>"), {502}),
        (Behaviour(body=b""), {502}),
        (Behaviour(drop=True), {502, 503}),
        (Behaviour(close_at=5), {502, 503}),
    ],
)
def test_an_answer_that_is_none(gate: Gateway, behaviour: Behaviour, statuses: set[int]) -> None:
    gate.provider.behave(behaviour)
    name = f"gpt-4o-bad{behaviour.status}{behaviour.drop}{behaviour.close_at}{len(behaviour.body or b'xxxx')}"
    asked = of_model(CHAT, name) | {"stream": False}
    status, headers, body = ask(gate.url, "/v1/chat/completions", asked, token=gate.token, x_remit_timeout="20")
    assert status in statuses, body
    assert orjson.loads(body)["error"]["message"]
    if status == 429:
        assert float(headers["retry-after"]) >= 1
    assert not any(gate.reserved())


def test_a_provider_that_stalls_is_given_up(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=WORDS))
    gate.provider.behave(Behaviour(stall_at=600))
    pace = Pace()
    asked = of_model(CHAT, "gpt-4o-stall")
    status, _, body = ask(gate.url, "/v1/chat/completions", asked, token=gate.token, x_remit_timeout="1")
    assert status == 200
    assert len(errors(body)) == 1
    assert pace.spent() < 5
    assert not any(gate.reserved())


def test_a_provider_that_is_down_opens_its_circuit_and_nobody_elses(gate: Gateway) -> None:
    gate.do(lambda: gate.list_model("pair", ("openai", "gpt-4o-down"), ("openai", "gpt-4o-up")))
    for name in ("gpt-4o-down",):
        gate.provider.behave(Behaviour(status=503), model=name)
    said = [ask(gate.url, "/v1/chat/completions", of_model(CHAT, "pair"), token=gate.token)[0] for _ in range(4)]
    assert said == [200] * 4, "the other answers, before the first byte"
    asked = [seen.model for seen in gate.provider.requests]
    assert asked[-1] == "gpt-4o-up"
    count = gate.provider.count
    assert ask(gate.url, "/v1/chat/completions", of_model(CHAT, "pair"), token=gate.token)[0] == 200
    assert gate.provider.count == count + 1, "the open circuit is passed over"


def test_a_reset_is_obeyed_though_nothing_but_the_circuits_own_model_is_asked(gate: Gateway) -> None:
    circuit = Order(WORKSPACE, "model", "openai/gpt-4.1")
    gate.do(lambda: gate.circuit(circuit, opened=True))
    assert _answered_at_last(gate, 503), "held open by hand"
    gate.do(lambda: gate.circuit(circuit, opened=False))
    assert _answered_at_last(gate, 200), "reset"


def _answered_at_last(gate: Gateway, status: int) -> bool:
    body = of_model(CHAT, "gpt-4.1") | {"stream": False}
    for _ in range(60):
        if ask(gate.url, "/v1/chat/completions", body, token=gate.token)[0] == status:
            return True
        time.sleep(0.05)
    return False


# --------------------------------------------------------------------------------------------------------------- kills


def test_a_kill_ends_a_stream_within_a_second(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=WORDS * 50))
    gate.provider.behave(Behaviour(drip_s=0.05))
    wire = Wire(gate.url).send("/v1/messages", PATHS["/v1/messages"], token=gate.token)
    wire.head()
    chunks = wire.chunks()
    next(chunks)
    try:
        gate.do(gate.kill)
        pace = Pace()
        body = b"".join(chunks)
        assert pace.spent() < 1.5
        assert len(errors(body)) == 1
        assert "stopped" in errors(body)[0]["error"]["message"]
        assert ask(gate.url, "/v1/messages", PATHS["/v1/messages"], token=gate.token)[0] == 403
    finally:
        gate.do(gate.unkill)
        wire.close()
    assert not any(gate.reserved())


def test_the_sdks_raise_when_a_stream_is_stopped(gate: Gateway) -> None:
    gate.provider.say(Reply(deltas=WORDS * 50))
    gate.provider.behave(Behaviour(drip_s=0.05))
    messages: Any = [{"role": "user", "content": "Go on."}]
    try:
        with (
            openai.OpenAI(base_url=gate.openai, api_key=gate.token) as one,
            anthropic.Anthropic(base_url=gate.url, api_key=gate.token) as other,
        ):
            first = one.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
            next(iter(first))
            second = other.messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=messages, stream=True)
            next(iter(second))
            gate.do(gate.kill)
            with pytest.raises(openai.APIError):
                list(first)
            with pytest.raises(anthropic.APIStatusError):
                list(second)
    finally:
        gate.do(gate.unkill)


# ------------------------------------------------------------------------------------------------------------ approvals


@pytest.fixture
def asks(gate: Gateway) -> Any:
    gate.do(lambda: gate.rules("id: ask, on: model, assert: 'model.name != \"gpt-4o-ask\"', else: require_approval"))
    yield gate
    gate.do(gate.rules)
    gate.do(lambda: gate.policy(approval="wait"))


ASKED = {"model": "gpt-4o-ask", "messages": [{"role": "user", "content": "May I?"}]}


def later(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("approve", [True, False])
def test_a_stream_hears_a_sign_of_life_while_a_person_decides(asks: Gateway, *, approve: bool) -> None:
    body = ASKED | {"stream": True, "seed": int(approve)}
    wire = Wire(asks.url).send("/v1/chat/completions", body, token=asks.token)
    status, headers = wire.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    chunks = wire.chunks()
    assert next(chunks) == b": keep-alive\n\n"
    asks.do(lambda: asks.decide(approve=approve))
    rest = b"".join(chunks)
    wire.close()
    if approve:
        assert rest.replace(b": keep-alive\n\n", b"").endswith(b"data: [DONE]\n\n")
        assert not errors(rest)
    else:
        assert len(errors(rest)) == 1
    assert not any(asks.reserved())


def test_a_call_in_one_piece_is_held_until_somebody_has_decided(asks: Gateway) -> None:
    body = ASKED | {"seed": 7}
    thread = later(lambda: asks.do(lambda: asks.decide(approve=True)))
    with openai.OpenAI(base_url=asks.openai, api_key=asks.token, max_retries=0) as client:
        assert client.chat.completions.create(**body).choices  # type: ignore[call-overload]
    thread.join()


def test_an_immediate_answer_says_what_to_do(asks: Gateway) -> None:
    asks.do(lambda: asks.policy(approval="answer"))
    body = ASKED | {"seed": 8}
    with openai.OpenAI(base_url=asks.openai, api_key=asks.token, max_retries=2) as client:
        with pytest.raises(openai.ConflictError) as told:
            client.chat.completions.create(**body)  # type: ignore[call-overload]
        assert told.value.response.headers["x-should-retry"] == "false"
        which = asks.do(lambda: asks.decide(approve=True))
        assert which in str(told.value.body)
        assert client.chat.completions.create(**body).choices, "the same, asked again"  # type: ignore[call-overload]
    assert asks.provider.count == 1


class Counting:
    """The store, which counts what is read of it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.reads = 0

    async def read(self, op: Any) -> Any:
        self.reads += 1
        return await self.store.read(op)


def test_however_many_calls_wait_for_one_decision_they_look_together(asks: Gateway) -> None:
    asks.do(lambda: asks.policy(approval="answer"))
    body = ASKED | {"seed": 9}
    assert ask(asks.url, "/v1/chat/completions", body, token=asks.token)[0] == 409
    [waited] = [
        each.id for each in asks.runtime.store.view(lambda tx: recent(tx, WORKSPACE)) if each.status == Status.PENDING
    ]
    store = Counting(asks.runtime.store)

    async def look(count: int, seconds: float) -> list[bool]:
        waits = (waiting.decided(WORKSPACE, waited, seconds=seconds) for _ in range(count))
        return await asyncio.gather(*waits)

    waiting = Waiting(store, asks.runtime.clock)  # type: ignore[arg-type]
    assert asks.do(lambda: look(200, 0)) == [False] * 200
    assert store.reads == 1
    asks.do(lambda: asks.decide(approve=False))
    assert asks.do(lambda: look(200, 20)) == [True] * 200
    assert store.reads <= 10


# ---------------------------------------------------------------------------------------------------------------- cache


def test_an_answer_is_given_again_to_who_asks_for_that(gate: Gateway) -> None:
    for path, asked in PATHS.items():
        first = ask(gate.url, path, asked, token=gate.token, x_remit_cache="60")
        count = gate.provider.count
        again = ask(gate.url, path, asked, token=gate.token, x_remit_cache="60")
        assert (again[0], again[2]) == (200, first[2])
        assert again[1]["x-remit-cache"] == "hit"
        assert gate.provider.count == count
        assert ask(gate.url, path, asked, token=gate.token)[1].get("x-remit-cache") is None
        assert gate.provider.count == count + 1
