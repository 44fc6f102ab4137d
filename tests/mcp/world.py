"""A home, clients of the protocol over real pipes, and what the witness saw."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp_types
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from remit.accounts.gateway_policy import set_policy
from remit.bootstrap import open_store
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.settings import load

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path

SOURCE = str(Path(__file__).parents[2] / "src")


def remit(home: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a command with ``--json``; what it answers."""
    at = words.index("--") if "--" in words else len(words)
    command = [sys.executable, "-m", "remit.cli", *words[:at], "--home", str(home), "--json", *words[at:]]
    done = run_command(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip().startswith("{") else {}


def make_home(folder: Path) -> Path:
    """A home with two agents: ``helper``, who may call some tools of ``files``, and ``idle``, who may call none."""
    home = folder / "home"
    remit(home, "init")
    helper = (
        "--tool",
        "files/echo",
        "--tool",
        "files/read_*",
        "--tool",
        "files/delete_file",
        "--tool",
        "files/outside",
    )
    remit(home, "agents", "register", "helper", "--effect", "tool", *helper)
    remit(home, "agents", "register", "idle", "--effect", "files")
    return home


@dataclass
class Client:
    """A session with what it was told unasked."""

    session: ClientSession
    told: list[str] = field(default_factory=list)

    async def names(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name: str, /, **arguments: Any) -> mcp_types.CallToolResult:
        return await self.session.call_tool(name, arguments)

    async def text(self, name: str, /, **arguments: Any) -> str:
        return text_of(await self.call(name, **arguments))


def text_of(result: mcp_types.CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, mcp_types.TextContent))


@dataclass
class World:
    """A home and a witness."""

    home: Path
    folder: Path

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    def witness(self, mode: str = "plain") -> list[str]:
        return [sys.executable, "-m", "remit.testing.mcp_server", "--calls", str(self.calls_file), "--mode", mode]

    def calls(self) -> list[dict[str, Any]]:
        """Every call that reached the witness."""
        if not self.calls_file.exists():
            return []
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def remit(self, *words: str, code: int = 0) -> dict[str, Any]:
        return remit(self.home, *words, code=code)

    @asynccontextmanager
    async def proxy(self, *options: str, mode: str = "plain", server: str = "files") -> AsyncIterator[Client]:
        """A client of ``remit mcp proxy`` before the witness."""
        words = ["--server", server, "--env", f"PYTHONPATH={SOURCE}", *options, "--", *self.witness(mode)]
        async with self.client("proxy", *words) as client:
            yield client

    @asynccontextmanager
    async def client(self, *words: str) -> AsyncIterator[Client]:
        """A client of ``remit mcp WORDS``."""
        at = 1 if words[:1] == ("proxy",) else 0
        args = ["-m", "remit.cli", "mcp", *words[:at], "--home", str(self.home), *words[at:]]
        server = StdioServerParameters(command=sys.executable, args=args, env=dict(os.environ))
        client: Client

        async def hear(message: object) -> None:
            client.told.append(type(message).__name__)

        log = (self.folder / "stderr").open("a")
        try:
            async with (
                stdio_client(server, errlog=log) as (incoming, outgoing),
                ClientSession(incoming, outgoing, message_handler=hear) as session,
            ):
                client = Client(session)
                await session.initialize()
                yield client
        finally:
            log.close()

    async def observe(self) -> None:
        """Have the workspace only watch."""
        settings, _ = load(flags={"home": str(self.home)})
        by = Principal(ActorKind.USER, settings.owner)
        with open_store(settings) as store:
            words = {"mode": "observe"}
            await set_policy(store, words, workspace=settings.workspace, by=by, clock=SystemClock())

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()


def copy_home(template: Path, folder: Path) -> Path:
    home = folder / "home"
    shutil.copytree(template, home)
    return home


def secret() -> str:
    """Something that looks like a token; never one that stands in the tree."""
    return "ghp_" + "A1b2C3d4E5" * 3 + "Zz9Yx8"
