"""A large request costs whoever sent it time, and nobody else."""

from __future__ import annotations

import asyncio
import gc
import secrets
import select
import time
from pathlib import Path

import orjson
import pytest

from remit.serve.gateway.app import LARGE_AT_ONCE
from remit.testing.model_server import ModelServer

from .conftest import SETTINGS
from .running import Gateway, Wire, ask, gateway

CHAT = "/openai/v1/chat/completions"


class Turns:
    """What each turn of a loop takes of the processor, for its thread alone: other threads and programs don't count."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.count = 0
        self.over = False

    async def watch(self) -> None:
        last = time.thread_time()
        while not self.over:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            self.count += 1
            last = now


def large(text: str) -> bytes:
    """A request of some half a megabyte in as many small messages as fit: the costliest there is."""
    messages = [{"role": "user", "content": f"{text} {at}"} for at in range(12_000)]
    return orjson.dumps({"messages": messages, "model": "unheard-of"})


@pytest.mark.parametrize("kind", ["clean", "secret"])
def test_the_loop_turns_while_a_large_request_is_read_and_judged(gate: Gateway, kind: str) -> None:
    planted = "ghp_" + secrets.token_hex(18) if kind == "secret" else "hello"
    sent = large("hello").replace(b"hello 7777", planted.encode() + b" 7777")
    ask(gate.url, CHAT, sent, token=gate.token)  # what is made once, after so much text, is made now
    gate.provider.forget()
    turns = Turns()
    gc.disable()  # how long that takes hangs on what other tests left
    try:
        watching = asyncio.run_coroutine_threadsafe(turns.watch(), gate.loop)
        began = time.process_time()
        answered = ask(gate.url, CHAT, sent, token=gate.token)
        took = time.process_time() - began
        turns.over = True
        watching.result(30)
    finally:
        gc.enable()
    assert answered[0] == 200, answered
    assert turns.longest < took / 4, f"{turns.longest:.3f} s in one turn of {took:.3f} s in all, {turns.count} turns"
    [asked] = gate.provider.requests
    if kind == "clean":
        assert asked.body == sent, "byte for byte"
    else:
        assert planted.encode() not in asked.body
        assert len(orjson.loads(asked.body)["messages"]) == 12_000


def test_what_is_wrong_with_a_large_request_is_said_as_of_a_small_one(gate: Gateway) -> None:
    whole = large("a")
    for sent in (whole[:-1], whole[:-1] + b',"n":1,"n":2}', whole.replace(b'"model"', b'"Model"')):
        status, headers, _ = ask(gate.url, CHAT, sent, token=gate.token)
        assert (status, headers["x-remit-code"]) == (400, "gateway.json")
    assert not gate.provider.requests


def test_so_many_bytes_of_requests_are_held_and_no_more(provider: ModelServer, tmp_path: Path) -> None:
    part, small = 256 << 10, {"model": "unheard-of", "messages": []}
    with gateway(tmp_path / "home", provider, **SETTINGS, gateway_body_bytes=part) as made:
        begun = [Wire(made.url) for _ in range(LARGE_AT_ONCE + 1)]
        for wire in begun:
            wire.send(CHAT, b"a" * (part - 1), token=made.token, size=part)
        [answered], _, _ = select.select([wire.socket for wire in begun], [], [], 60)
        refused = begun.pop([wire.socket for wire in begun].index(answered))
        status, headers, _ = refused.answer()
        refused.close()
        assert (status, headers["x-remit-code"], headers["retry-after"]) == (503, "gateway.bodies", "1")
        assert ask(made.url, CHAT, small, token=made.token)[1].get("x-remit-code") != "gateway.bodies"
        for wire in begun:
            wire.socket.sendall(b"a")
            assert wire.answer()[1]["x-remit-code"] == "gateway.json"
            wire.close()
        assert ask(made.url, CHAT, b"a" * part, token=made.token)[1]["x-remit-code"] == "gateway.json"
