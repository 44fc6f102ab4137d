"""Live events: whoever comes back is told exactly what they missed; whoever is slow is let go."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect as connect_within

from remit.accounts.people import remove_user
from remit.kernel.errors import InvalidInput
from remit.kernel.mission import StepStatus
from remit.missions.events import read_events
from remit.missions.rows import MissionRow, StepRow, insert_mission, set_step
from remit.serve.edge.identity import nobody
from remit.serve.live import hub as hubs
from remit.serve.live import stream as streams
from remit.serve.live.asked import asked_of

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .serving import Api, serving
from .watching import Got, append, watching

PROVE = os.environ.get("REMIT_PROVE") == "1"
EXAMPLES = 60 if PROVE else 6
CLIENTS = 1000 if PROVE else 200
MISSION = "0193a2f4-0000-7000-8000-000000000001"


def logged(api: Api, after: int) -> list[int]:
    """What the log says came after."""
    return [
        event.seq
        for event in api.runtime.store.view(
            lambda tx: read_events(tx, "default", after=after, upto=1 << 40, most=1 << 20)
        )
    ]


def head(api: Api) -> int:
    return max(logged(api, -1))


@pytest.fixture
def token(api: Api) -> str:
    return api.key("viewer")


#: In ten seconds, as it comes, a busy machine may not have answered.
connect = partial(connect_within, open_timeout=60, close_timeout=60, ping_timeout=60)


async def test_what_is_committed_is_told_once_and_in_order(api: Api, token: str) -> None:
    async with watching(api.url, token) as watch:
        ready = await anext(aiter(watch.events()))
        assert (ready.kind, ready.number) == ("ready", head(api))
        api.do(lambda: append(api.runtime.store, 30))
        found = await watch.take(30)
        assert [one.seq for one in found] == logged(api, ready.seq)
        assert [one.data["subject"] for one in found] == [f"n{number}" for number in range(30)]
        assert found[0].data["seq"] == found[0].number


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 1 << 30))
def test_reconnecting_at_any_point_gives_exactly_the_same_sequence(
    api: Api, token: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rand = Random(seed)
    monkeypatch.setattr(hubs, "KEPT", rand.choice([3, 40, 2048]))  # so that much has to come from the log
    monkeypatch.setattr(hubs, "MOST", rand.choice([4, 500]))
    total = rand.randrange(20, 120)
    begin = head(api)

    async def go() -> list[int]:
        async def write() -> None:
            done = 0
            while done < total:
                many = min(rand.randrange(1, 9), total - done)
                await asyncio.wrap_future(
                    asyncio.run_coroutine_threadsafe(append(api.runtime.store, many, start=done), api.loop)
                )
                done += many
                await asyncio.sleep(rand.random() * 0.03)

        writing = asyncio.create_task(write())
        seen: list[int] = []
        last = begin
        while len(seen) < total:
            async with watching(api.url, token, last=last) as watch:
                for got in await watch.take(min(rand.randrange(1, 40), total - len(seen))):
                    seen.append(got.seq)
                    last = got.seq
        await writing
        return seen

    assert asyncio.run(go()) == logged(api, begin)


async def test_many_clients_are_all_told_everything(tmp_path: Path) -> None:
    with serving(tmp_path / "home", streams=5000, streams_each=5000) as api:
        token = api.key("viewer")
        async with AsyncExitStack() as stack:
            watches = [await stack.enter_async_context(watching(api.url, token)) for _ in range(CLIENTS)]
            assert api.hub.open == CLIENTS
            begin = head(api)
            began = time.perf_counter()
            for batch in range(10):
                api.do(lambda batch=batch: append(api.runtime.store, 10, start=batch * 10))
            found = await asyncio.gather(*(watch.take(100, seconds=120) for watch in watches))
            took = time.perf_counter() - began
            expected = logged(api, begin)
            assert all([one.seq for one in each] == expected for each in found)
            assert took < 60, f"{CLIENTS} clients were told 100 events in {took:.1f} s"


async def test_a_slow_reader_is_let_go_with_a_last_word_and_loses_nothing(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.serve.live.sse.LAST_WORD_S", 60.0)  # however long this machine takes to write the rest
    begin = head(api)
    many = 20_000
    async with watching(api.url, token, last=begin, buffer=2048) as slow, watching(api.url, token) as quick:
        await anext(aiter(slow.events()))
        for start in range(0, many, 500):
            api.do(lambda start=start: append(api.runtime.store, 500, start=start))
            await asyncio.sleep(0)
            assert len(await quick.take(500)) == 500  # nobody waits for the slow one
        found = await slow.rest_of()
        assert found[-1].kind == "dropped"
        seen = [one.seq for one in found if one.kind == "entry"]
        assert 0 < len(seen) < many
    async with watching(api.url, token, last=seen[-1]) as back:
        seen += [one.seq for one in await back.take(many - len(seen))]
    assert seen == logged(api, begin)


async def test_whoever_was_removed_is_let_go_within_a_second(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as api:
        member = await asyncio.to_thread(api.key, "member")
        async with watching(api.url, member) as watch:
            await anext(aiter(watch.events()))
            runtime = api.runtime
            api.do(lambda: remove_user(runtime.store, "member", workspace="default", by=runtime.owner))
            pace = Pace()
            found = await watch.rest_of()
            assert found[-1].kind == "gone"
            assert pace.spent() < (1.0 if PROVE else 3.0)
        async with watching(api.url, member) as refused:
            assert refused.status == 401  # a key of somebody who was removed is nobody's


async def test_a_token_that_ends_ends_its_streams(api: Api) -> None:
    token = api.key("viewer", frozenset({"read"}))
    async with watching(api.url, token) as watch:
        await anext(aiter(watch.events()))
        api.revoke(token)
        assert (await watch.rest_of(seconds=60))[-1].kind == "gone"


async def test_streams_are_bounded_for_each_person(tmp_path: Path) -> None:
    with serving(tmp_path / "home", streams_each=2) as api:
        token = api.key("viewer")
        async with watching(api.url, token), watching(api.url, token):
            reply = api.open(token).get("/api/v1/events")
            assert (reply.status, reply.json["code"]) == (429, "live.streams")
            assert api.open(api.key("member")).get("/api/v1/events?follow=false").status == 200
        for _ in range(600):
            if not api.hub.open:
                break
            await asyncio.sleep(0.1)
        assert api.open(token).get("/api/v1/events?follow=false").status == 200


async def a_mission(api: Api, mission: str, workspace: str = "default") -> None:
    row = MissionRow(mission, workspace, "build", "1", "in", b"", "", b"", "", "user:owner", 1, 1, status="running")
    steps = [StepRow(workspace, mission, 1, name, place) for place, name in enumerate(("first", "second"))]
    await api.runtime.store.commit("mission.create", lambda tx: insert_mission(tx, row, steps))


async def test_one_missions_stream_has_its_events_and_where_its_steps_stand(api: Api, token: str) -> None:
    api.do(lambda: a_mission(api, MISSION))
    begin = head(api)
    api.do(lambda: append(api.runtime.store, 3, mission=MISSION))
    api.do(lambda: append(api.runtime.store, 3))
    async with watching(api.url, token, query=f"?mission={MISSION}", last=begin) as watch:
        found: list[Got] = []
        async with asyncio.timeout(60):
            async for event in watch.events():
                found.append(event)
                if len([one for one in found if one.kind == "state"]) == 1:
                    break
            step = StepRow("default", MISSION, 1, "second", 1)
            api.do(
                lambda: api.runtime.store.commit(
                    "step.start",
                    lambda tx: set_step(tx, step, status=StepStatus.RUNNING, attempts=1, changed_us=9_000_000),
                )
            )
            async for event in watch.events():
                found.append(event)
                if event.kind == "state" and event.data["status"] == "running":
                    break
        assert [one.data["subject"] for one in found if one.kind == "entry"] == ["n0", "n1", "n2"]
        assert found[-1].data["step"] == "second"
        assert found[-1].number is None
    unknown = api.open(token).get("/api/v1/events?mission=0193a2f4-0000-7000-8000-000000000009")
    assert unknown.status == 404


def test_a_number_beyond_the_log_is_told_to_begin_anew(api: Api, token: str) -> None:
    reply = api.open(token).get("/api/v1/events?follow=false", **{"last-event-id": "999999999"})
    assert b"event: reset" in reply.body
    assert api.open(token).get("/api/v1/events?after=soon").status == 422
    assert api.open(token).get("/api/v1/events?kinds=Mission!").status == 422


@pytest.mark.parametrize("after", ["0" * 5000, "0" * 20 + "9" * 30, "9007199254740993", "-2", "\u0661"])
def test_what_is_no_number_of_an_event_is_refused(after: str) -> None:
    """However long it is: it is read whole."""
    with pytest.raises(InvalidInput):
        asked_of(nobody("192.0.2.7"), mission="", kinds="", after=after)


def test_kinds_leave_out_what_is_not_asked_for(api: Api, token: str) -> None:
    api.do(lambda: append(api.runtime.store, 1, action="approval.requested"))
    reply = api.open(token).get("/api/v1/events?follow=false&after=-1&kinds=approval")
    actions = {
        orjson.loads(line[6:])["action"] for line in reply.body.decode().split("\n") if line.startswith('data: {"seq')
    }
    assert actions == {"approval.requested"}


def test_web_sockets_say_the_same(api: Api, token: str) -> None:
    begin = head(api)
    place = api.url.replace("http", "ws") + f"/api/v1/events/ws?after={begin}"
    with connect(place, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        assert orjson.loads(socket.recv(60))["event"] == "ready"
        api.do(lambda: append(api.runtime.store, 5))
        expected = logged(api, begin)  # and what else was written meanwhile
        told: list[Any] = []
        while len(told) < len(expected):
            one = orjson.loads(socket.recv(60))
            if "id" in one:  # how things stand may be told in between
                told.append(one)
    assert len(expected) >= 5
    assert [one["id"] for one in told] == expected
    assert {one["event"] for one in told} == {"entry"}
    with connect(f"{place}&follow=false", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        every = [orjson.loads(each) for each in socket]
    assert [one["id"] for one in every if one["event"] == "entry"][: len(expected)] == expected
    assert every[-1] == {"event": "end", "data": {"why": "asked"}}
    from websockets.exceptions import InvalidStatus

    for headers in ({}, {"Authorization": "Bearer nobody"}):
        with pytest.raises(InvalidStatus), connect(place, additional_headers=headers):
            pass


def test_a_web_socket_with_a_session_from_another_origin_is_refused(api: Api) -> None:
    from websockets.exceptions import InvalidStatus

    place = api.url.replace("http", "ws") + "/api/v1/events/ws"
    cookie = {"Cookie": f"remit_session={api.session('viewer')}"}
    with pytest.raises(InvalidStatus), connect(place, additional_headers=cookie, origin="https://evil.example"):  # pyright: ignore[reportArgumentType]
        pass
    with connect(place, additional_headers=cookie, origin=api.url) as socket:  # pyright: ignore[reportArgumentType]
        assert orjson.loads(socket.recv(60))["event"] == "ready"


async def test_a_silent_stream_shows_that_it_lives(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.2)
    async with watching(api.url, token) as watch:
        async with asyncio.timeout(60):
            async for block in watch.blocks():
                if block == ": beat":
                    break


@pytest.fixture
def child() -> Iterator[Any]:
    running: list[subprocess.Popen[str]] = []

    def start(home: Path) -> tuple[str, str, subprocess.Popen[str]]:
        made = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("live_child.py")), str(home)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        running.append(made)
        assert made.stdout is not None
        url, _, token = made.stdout.readline().strip().partition(" ")
        return url, token, made

    yield start
    for each in running:
        each.kill()
        each.wait()
        if each.stdout is not None:
            each.stdout.close()


async def test_the_server_is_killed_and_the_stream_goes_on_where_it_was(tmp_path: Path, child: Any) -> None:
    """The server writes an entry every few milliseconds by itself, and dies in between, twice."""
    seen: list[int] = []
    last = -1
    for _ in range(3):
        url, token, process = child(tmp_path / "home")
        async with watching(url, token, last=last) as watch:
            found = await watch.take(60)
            seen += [one.seq for one in found]
            last = seen[-1]
        process.send_signal(signal.SIGKILL)
        process.wait()
    from remit.adapters.store import open_store

    store = open_store(tmp_path / "home")
    try:
        there = store.view(lambda tx: read_events(tx, "default", after=-1, upto=last, most=1 << 20))
    finally:
        store.close()
    assert seen == [event.seq for event in there]
