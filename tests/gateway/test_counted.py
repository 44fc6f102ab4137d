"""Telemetry of the gateway: sums of a minute, under the switch, without a read or a write for a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson

from remit.accounts.telemetry import turn
from remit.accounts.telemetry_events import Asked, Event, Kind, dashboard, forget, list_events
from remit.adapters.store.sqlite import SqliteStore
from remit.kernel.clock import micros_of
from remit.kernel.effects import Wire
from remit.serve.gateway.counted import MODELS, MOST, Counted
from remit.settings import Settings

from ..guard.fakes import OWNER, WORKSPACE, HandClock, make_store, make_world  # noqa: TID252 - tests are no package
from .running import Gateway, ask
from .test_wire import CHAT

CHATS = "POST /v1/chat/completions"


def read(store: SqliteStore) -> list[Event]:
    store.write("guard.settle", lambda _tx: None)  # what is patient goes with the next
    return store.view(lambda tx: list_events(tx, WORKSPACE))


async def switched(store: SqliteStore, clock: HandClock, *, on: bool) -> None:
    await turn(store, "telemetry", on=on, workspace=WORKSPACE, reason="a test", by=OWNER, clock=clock)


async def test_a_minute_is_one_event_for_each_interface_and_status(tmp_path: Path) -> None:
    with make_store(tmp_path) as store:
        clock = HandClock()
        await make_world(store, clock=clock)
        await switched(store, clock, on=True)
        clock.advance(1)
        counted = Counted(store, clock, Settings(tmp_path), every_s=0.05)
        for took in (0.1, 0.2, 0.3):
            counted.call(WORKSPACE, Wire.CHAT, 200, took)
        counted.call(WORKSPACE, Wire.CHAT, 402, 0.001)
        counted.note(WORKSPACE, MODELS, 200, 0.0)
        counted.call("elsewhere", Wire.CHAT, 200, 0.1)  # its switch is off
        for _ in range(200):
            await asyncio.sleep(0.05)  # it writes by itself
            if found := read(store):
                break
        told = {(one.name, one.outcome): one for one in found}
        assert {key: one.times for key, one in told.items()} == {
            (CHATS, "200"): 3,
            (CHATS, "402"): 1,
            (MODELS, "200"): 1,
        }
        assert told[CHATS, "200"].took_us == 200_000
        assert told[CHATS, "402"].kind is Kind.ERROR
        assert {one.surface for one in found} == {"gateway"}
        assert told[CHATS, "200"].as_json()["times"] == 3
        seen = store.view(lambda tx: dashboard(tx, WORKSPACE, now_us=micros_of(clock.now())))
        chats = next(one for one in seen.features if one.name == CHATS)
        assert (chats.uses, chats.errors, chats.p50_ms, seen.days[-1].uses, seen.errors) == (4, 1, 200.0, 5, 1)


async def test_what_was_called_while_the_switch_was_off_is_forgotten(tmp_path: Path) -> None:
    with make_store(tmp_path) as store:
        clock = HandClock()
        await make_world(store, clock=clock)
        counted = Counted(store, clock, Settings(tmp_path))
        calls: list[Callable[[], object]] = [lambda: counted.call(WORKSPACE, Wire.MESSAGES, 200, 0.1)]
        calls[0]()
        clock.advance(1)
        await switched(store, clock, on=True)
        calls[0]()
        counted.flush()  # the minute began before the turn
        assert read(store) == []
        clock.advance(1)
        calls[0]()
        await switched(store, clock, on=False)
        counted.flush()
        assert read(store) == []
        counted.flush()  # nothing to write
        by_setting = Counted(store, clock, Settings(tmp_path, telemetry=True))
        by_setting.call(WORKSPACE, Wire.MESSAGES, 200, 0.1)
        by_setting.flush()
        assert read(store) == [], "the order counts, not the setting"
        for number in range(MOST + 10):
            counted.note(WORKSPACE, f"GET /{number}", 200, 0.0)
        assert len(counted._sums) == MOST, "names don't fill the memory"
        counted.flush()


def test_calls_are_told_by_their_interface_and_nobodys_name(gate: Gateway) -> None:
    store, clock, owner = gate.runtime.store, gate.runtime.clock, gate.runtime.owner

    def order(*, on: bool) -> None:
        made = turn(store, "telemetry", on=on, workspace="default", reason="a test", by=owner, clock=clock)
        asyncio.run_coroutine_threadsafe(made, gate.loop).result(30)

    def flushed() -> list[Event]:
        async def flush() -> None:
            gate.app.stopped()

        asyncio.run_coroutine_threadsafe(flush(), gate.loop).result(30)
        store.write("guard.settle", lambda _tx: None)
        return store.view(lambda tx: list_events(tx, "default", Asked(surface="gateway")))

    order(on=True)
    assert flushed() == []
    try:
        body = orjson.dumps(CHAT)
        for _ in range(3):
            assert ask(gate.url, "/v1/chat/completions", body, token=gate.token)[0] == 200
        assert ask(gate.url, "/v1/chat/completions", b"{", token=gate.token)[0] == 400
        assert ask(gate.url, "/v1/chat/completions", body, token="nobody")[0] == 401
        found = {(one.name, one.outcome): one.times for one in flushed()}
        assert found == {(CHATS, "200"): 3, (CHATS, "400"): 1}, "whoever shows no key that counts is nobody's use"
        assert gate.token not in str(flushed())
    finally:
        order(on=False)
        over = forget(store, workspace="default", reason="over", by=owner)
        asyncio.run_coroutine_threadsafe(over, gate.loop).result(30)
