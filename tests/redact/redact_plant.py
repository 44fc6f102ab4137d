# ruff: noqa: T201 - what is printed is one of the sinks
"""A pack that carries two secrets wherever a mission can carry anything, and a worker for it.

``python redact_plant.py HOME SENT INPUT...`` runs it as the command line would, with a scripted model and a tool beside
the shipped adapters; ``SENT`` gets what those were sent. The secrets come from the environment: ``PLANT_KNOWN`` is
registered (a channel refers to it), ``PLANT_TOKEN`` is known by its form alone.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Effect, Fetch, Model, Notify, Tool, WriteFiles
from remit.kernel.errors import RemitError
from remit.kernel.finding import Finding, Severity
from remit.kernel.mission import FileExists, NoSecrets, Outcome, ResultHas, StepSpec
from remit.kernel.money import usd
from remit.missions.pack import Result, StepContext
from remit.sdk import Mission

mission = Mission("redact_plant:PACK", version="1")
log = logging.getLogger("shop.orders")

#: Prints what it is given, backwards: nothing that it is given holds a secret, all that it prints does.
BACKWARDS = "import sys; [print(word[::-1], file=out) for word in sys.argv[1:] for out in (sys.stdout, sys.stderr)]"
LEAVES = "import sys; from pathlib import Path; Path('left.txt').write_text(sys.argv[1][::-1])"
NAMES = "import sys; from pathlib import Path; Path(sys.argv[1][::-1]).write_text('x')"


def planted() -> tuple[str, str]:
    return os.environ["PLANT_KNOWN"], os.environ["PLANT_TOKEN"]


@mission.step(post=[ResultHas("asked", value=True)])
async def say(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Everything that is read: logs, prints, prompts and answers, tools, messages, findings."""
    del params
    known, token = planted()
    ctx.log(f"a line with {known} and {token}")
    log.warning("order %s for %s", known, {token: known}, extra={"password": "open", "of": (known, [token])})
    print("printed", known, token)
    print("printed", known, token, file=sys.stderr)
    warnings.warn(f"old {known} {token}", stacklevel=1)
    thread = threading.Thread(target=_fail, args=(known, token), name=f"worker {known}")
    thread.start()
    thread.join()
    await ctx.do(
        Model("scripted", "one", {"messages": [{"role": "user", "content": f"{known} {token}"}], token: known})
    )
    await ctx.do(Tool("lookup", {"what": "orders"}))
    await ctx.do(Notify("hook", f"about {known}", f"told {token} {known}"))
    await ctx.do(Notify("desk", f"about {known}", f"told {token} {known}"))
    told = await ctx.do(Command(("python", "-c", BACKWARDS, known[::-1], token[::-1])))
    ctx.log(told.text)
    place = f"shop.py:{known}"
    ctx.report([Finding("a.b", Severity.INFO, f"found {known} {token}", place=place, fix=token)], critic="reader")
    return {"asked": True}


@mission.step(post=[ResultHas("done", value=True)])
async def execute(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Everything that is executed: refused, each in its own words."""
    del params
    known, token = planted()
    asked: tuple[Effect, ...] = (
        WriteFiles({"a.txt": known.encode()}),
        WriteFiles({f"{token}.txt": b"x"}),
        WriteFiles({"b.bin": known.encode("utf-16-le")}),
        Command(("python", "-c", f"print('{known}')")),
        Command(("python", "-"), stdin=token.encode()),
        Fetch(f"https://example.org/?key={known}"),
        Fetch(f"https://app:{token}@example.org/"),
        Tool("lookup", {token: [known]}),
        Tool(f"lookup-{known}", {}),
        Notify(f"http://127.0.0.1:9/{known}", "x", "y"),
    )
    refused = 0
    for effect in asked:
        try:
            await ctx.do(effect)
        except RemitError as error:
            refused += 1
            ctx.log(f"refused: {error.message}")
            log.warning("refused", exc_info=error)
    return {"done": True, "refused": refused}


@mission.step(post=[FileExists("plain.txt")])
async def wait(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """What a person must approve, with secrets in it."""
    del params
    known, token = planted()
    await ctx.do(WriteFiles({"plain.txt": b"nothing to see\n"}))
    await ctx.do(Notify("desk", f"dear {known}", f"it costs {token}"), estimate=usd("12"))
    return {}


@mission.step(post=[NoSecrets()])
async def fail(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Fail with a secret in every part of the error."""
    del ctx, params
    _fail(*planted())
    return {}


@mission.step(post=[NoSecrets()])
async def leave(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """A command leaves a file with a secret in it, or in its name."""
    known, token = planted()
    words = (NAMES, token[::-1]) if params["name"] else (LEAVES, known[::-1])
    await ctx.do(Command(("python", "-c", *words)))
    return {}


@mission.step(post=[NoSecrets()])
async def answer(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """A result with a secret."""
    del ctx, params
    known, token = planted()
    return {"result": {known: [token]}}


def _fail(known: str, token: str) -> None:
    shown_by_tracebacks_with_locals = known
    try:
        raise KeyError(token)  # noqa: TRY301 - the cause of the next
    except KeyError as error:
        kind = type(f"Broken {known}", (ValueError,), {})
        wrapped = kind(f"{shown_by_tracebacks_with_locals} {http.client.__name__}")
        wrapped.add_note(f"note {known} {token}")
        raise wrapped from error


@mission.planner
def plan(data: bytes, name: str) -> Iterable[StepSpec]:
    """The steps that the input names, one after the other."""
    del name
    given = json.loads(data)
    before: list[str] = []
    functions = {"say": say, "execute": execute, "wait": wait, "fail": fail, "answer": answer}
    for step in given["steps"]:
        if step.startswith("leave"):
            yield mission.use(leave, step, needs=before, params={"name": step == "leave-name"})
        else:
            yield mission.use(functions[step], needs=before, critic="reader" if step == "say" else "")
        before = [step]


PACK = mission.pack()


class Scripted:
    """A model and a tool whose answers hold both secrets; what they are sent is kept for the test."""

    def __init__(self, seen: Path) -> None:
        self.seen = seen

    async def perform(self, action: Action) -> Outcome:
        """Answer with secrets."""
        known, token = planted()
        with os.fdopen(os.open(self.seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
            file.write(action.payload + b"\n")
            if isinstance(action.effect, Model):
                file.write(json.dumps(dict(action.effect.request)).encode() + b"\n")
        log.warning("the provider answered %s", token)
        text = f"the answer is {known}, or {token}"
        value: dict[str, Json] = {
            "choices": [{"text": text, "tool": {"arguments": json.dumps({"key": known})}}],
            known: 1,
        }
        return Outcome(ok=True, value=value, text=text)


async def run(home: str, seen: Path, sources: list[Path]) -> None:
    """As ``remit run`` does, with two more adapters, one mission after the other."""
    from remit.bootstrap import open_runtime
    from remit.cli.context import settings_of

    settings = settings_of(home)
    more = Scripted(seen)
    async with open_runtime(settings, pack=PACK.name, adapters={"model": more, "tool": more}) as runtime:
        await runtime.start()
        for source in sources:
            made = await runtime.missions.create(
                settings.workspace,
                PACK.name,
                source.read_bytes(),
                name=source.name,
                originator=runtime.acting,
                budget=usd("100"),
            )
            view = await runtime.missions.run(settings.workspace, made)
            print(json.dumps({"mission": made, "status": view.status.value}))
            log.warning("%s", view)


def commands(lines: list[list[str]]) -> None:
    """Many commands in one process, for their start costs more than they do; a mark after each, on both outputs."""
    from remit.cli.root import run as command

    for words in lines:
        code = command(words)
        print(f"\x1e{code}\x1e", flush=True)
        print("\x1e\x1e", file=sys.stderr, flush=True)


if __name__ == "__main__":
    from remit.cli import redaction
    from remit.kernel import correlation

    redaction.install(level=logging.DEBUG)
    if sys.argv[1] == "commands":
        commands(json.load(sys.stdin))
    else:
        correlation.begin()
        asyncio.run(run(sys.argv[1], Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]]))
