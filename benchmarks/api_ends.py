"""What the API is measured between: the servers, each in a process and on a core of its own, and callers on another.

python api_ends.py remit HOME       # the API on a home, as `remit up` serves it; prints its address and a key
python api_ends.py floor            # FastAPI and uvicorn that answer the same bytes and do nothing else
python api_ends.py load URL PATH KEY --callers 16 --seconds 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvicorn
import uvloop

from remit.serve.listening import listen

TEAMS = 50
#: What a list of 50 teams has in bytes, near enough, for the floor.
FLOOR_BYTES = 7_000


def pin(core: int) -> None:
    """Stay on one core, where the system has them to give."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


async def _serve(app: object, told: dict[str, str]) -> None:
    with listen("127.0.0.1", 0, anywhere=False, command="up") as listener:
        config = uvicorn.Config(
            app,  # pyright: ignore[reportArgumentType] - an ASGI callable
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            access_log=False,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}", **told}), flush=True)
        await running


async def remit(home: Path) -> None:
    """The API over 50 teams."""
    from remit.accounts.api_keys import create_api_key
    from remit.accounts.teams import Team, create_team
    from remit.bootstrap import open_runtime, prepare_home
    from remit.serve.api.app import Served
    from remit.settings import Settings

    most = 1_000_000
    settings = Settings(
        home=home, api_per_minute=most, api_per_hour=most, key_per_minute=most, key_per_hour=most, request_log=True
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)  # so that a request's line is written
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        for number in range(TEAMS):
            team = Team("default", f"team-{number:03}", f"Team {number}", "bills@example.org")
            await create_team(runtime.store, team, by=runtime.owner, clock=runtime.clock)
        key = await create_api_key(
            runtime.entrance, "bench", workspace="default", by=runtime.owner, scopes=["read", "write"]
        )
        await _serve(Served(runtime), {"key": key.token})


async def floor() -> None:
    """The least that this stack can do."""
    from fastapi import FastAPI
    from fastapi.responses import Response

    app = FastAPI()
    listed, single = b"x" * FLOOR_BYTES, b"y" * 300

    @app.get("/api/v1/teams")
    async def list_() -> Response:
        return Response(listed, media_type="application/json")

    @app.get("/api/v1/teams/{team}")
    async def show(team: str) -> Response:
        del team
        return Response(single, media_type="application/json")

    await _serve(app, {"key": "none"})


class _Caller(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again."""

    def __init__(self, ask: bytes, until: float, waits: list[float], ended: asyncio.Event) -> None:
        self.ask, self.until, self.waits, self.ended = ask, until, waits, ended
        self.buffer = b""
        self.need = 0
        self.wrong = 0
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        self.began = time.perf_counter()
        if self.began >= self.until:
            self.transport.close()
            self.ended.set()
            return
        self.transport.write(self.ask)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.need:
            head, found, _ = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self.wrong += not head.startswith(b"HTTP/1.1 200")
            place = head.lower().index(b"content-length:")
            self.need = len(head) + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) >= self.need:
            self.waits.append(time.perf_counter() - self.began)
            self.buffer, self.need = b"", 0
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


async def load(url: str, path: str, key: str, *, callers: int, seconds: float) -> dict[str, float]:
    """Answers a second, and how long one waits."""
    host, port = cast("str", urlsplit(url).hostname), cast("int", urlsplit(url).port)
    ask = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made: list[_Caller] = []
    for _ in range(callers):
        _, caller = await loop.create_connection(
            lambda: _Caller(ask, began + seconds, waits, asyncio.Event()), host, port
        )
        made.append(caller)
    await asyncio.gather(*(caller.ended.wait() for caller in made))
    took = time.perf_counter() - began
    waits.sort()
    return {
        "per_s": len(waits) / took,
        "p50_ms": waits[len(waits) // 2] * 1000,
        "p95_ms": waits[int(len(waits) * 0.95)] * 1000,
        "wrong": sum(caller.wrong for caller in made),
    }


def main(argv: list[str]) -> None:
    """Be one of the ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["remit", "floor", "load"])
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args(argv)
    if given.role == "load":
        pin(1)
        url, path, key = given.rest
        found = uvloop.run(load(url, path, key, callers=given.callers, seconds=given.seconds))
        print(json.dumps(found), flush=True)
        return
    pin(0)
    uvloop.run(floor() if given.role == "floor" else remit(Path(given.rest[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
