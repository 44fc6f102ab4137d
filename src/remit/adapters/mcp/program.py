"""Talking to a tool server that is a program: its process, and messages as lines on its standard streams."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from remit.kernel.errors import Unavailable

#: Bytes of one message from a server; a longer one ends the connection.
MOST_MESSAGE = 8 << 20
_KEEPER = Path(__file__).with_name("keeper.py")
_PACKAGE_ROOT = _KEEPER.parents[3]
_INHERITED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
_CHUNK = 1 << 16
_STOP_S = 4.0
_LONGEST_LINE = 2000

type Incoming = MemoryObjectSendStream[SessionMessage | Exception]
type Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]

_log = logging.getLogger(__name__)


def clean_environment(added: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a server: who and where the user is, and what was given; nothing else of Remit's own."""
    kept = {name: value for name in _INHERITED if (value := os.environ.get(name)) and not value.startswith("()")}
    return {"LANG": "C.UTF-8", **kept, **added}


@asynccontextmanager
async def program(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: str | None = None, words: list[str]
) -> AsyncGenerator[Streams]:
    """Start a program under its keeper; streams of messages. When the block ends, nothing of it runs any more.

    Args:
        argv: The program and its arguments.
        env: Variables beside the clean environment.
        cwd: Where; here when left out.
        words: Takes the last lines that it prints for people.

    Raises:
        Unavailable: It can't be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_KEEPER), str(_PACKAGE_ROOT), *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(env),
            cwd=cwd,
            start_new_session=True,
            limit=MOST_MESSAGE,
        )
    except OSError as error:
        message = f"The program {argv[0]!r} can't be started: {error.strerror}."
        raise Unavailable(message, code="mcp.start", hint="remit mcp servers") from error
    to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_hear(process, to_session)),
        asyncio.create_task(_say(process, from_session, to_session)),
        asyncio.create_task(_note(process, words)),
    ]
    try:
        yield incoming, outgoing
    finally:
        try:
            await asyncio.shield(_end(process, tasks))
        finally:
            for stream in (incoming, outgoing, to_session, from_session):
                stream.close()


async def _end(process: asyncio.subprocess.Process, tasks: list[asyncio.Task[None]]) -> None:
    """Close its input, give it a moment, then have its keeper end everything."""
    if process.stdin is not None:
        process.stdin.close()
    for wait, ask in ((0.5, process.terminate), (_STOP_S, process.kill)):
        if process.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), wait)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                ask()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if process.returncode is None:
        await process.wait()


async def _hear(process: asyncio.subprocess.Process, to_session: Incoming) -> None:
    """Its lines as messages; ends, and with it the session, when they end or one is too long."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    try:
        while line := await process.stdout.readline():
            if line.strip():
                await to_session.send(_parsed(line))
    except ValueError:
        _log.warning("a tool server sent a message of more than %d bytes: the connection is ended", MOST_MESSAGE)
    except (anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
        pass
    finally:
        to_session.close()


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _say(
    process: asyncio.subprocess.Process,
    from_session: MemoryObjectReceiveStream[SessionMessage],
    to_session: Incoming,
) -> None:
    assert process.stdin is not None  # noqa: S101 - as above
    try:
        async for message in from_session:
            process.stdin.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await process.stdin.drain()
    except (anyio.ClosedResourceError, ConnectionError, OSError):
        to_session.close()


async def _note(process: asyncio.subprocess.Process, words: list[str]) -> None:
    """What it prints for people goes to the log, where secrets are masked; never to whoever asks the tools."""
    assert process.stderr is not None  # noqa: S101 - as above
    rest = b""
    while data := await process.stderr.read(_CHUNK):
        *lines, rest = (rest + data)[-_CHUNK:].split(b"\n")
        for line in lines:
            said = line[:_LONGEST_LINE].decode("utf-8", "replace").strip()
            _log.info("tool server: %s", said)
            words[:] = [*words[-2:], said] if said else words
