"""The build pack's step functions: they render, run checks and read the verdicts; every effect through ``ctx.do``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Limits, Network, WriteFiles
from remit.kernel.errors import Failed, InternalError
from remit.missions.pack import Result, StepContext
from remit.packs.build.findings import findings
from remit.packs.build.intake import read_intake
from remit.packs.build.ir import Application
from remit.packs.build.ir_build import build_ir
from remit.packs.build.render import render_assembly, render_feature, render_skeleton

TAIL = 4_000
"""Characters of a check's output that its step keeps: the end, where tools say what is wrong."""

_EXECUTABLE = frozenset({"scripts/smoke.py"})
_COUNTS = re.compile(r"(\d+) (passed|failed|skipped|error|errors)\b")


@lru_cache(maxsize=4)
def application(data: bytes) -> Application:
    """The application that an intake describes; kept, because every step of a mission asks for the same one."""
    return build_ir(read_intake(data, name="intake"))


async def render(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Write one part of the application: ``skeleton``, ``feature`` (with its id) or ``assembly``."""
    app = application(ctx.input)
    match params["part"]:
        case "skeleton":
            files = render_skeleton(app)
        case "feature":
            files = render_feature(app, str(params["feature"]))
        case "assembly":
            files = render_assembly(app)
        case other:
            message = f"the build pack renders no part {other!r}"
            raise InternalError(message)
    await ctx.do(WriteFiles(files, executable=_EXECUTABLE & files.keys()))
    return {"files": len(files), "bytes": sum(len(data) for data in files.values())}


async def run(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Run the step's commands one after the other; the first that fails fails the step, with the end of its output.

    ``params``: ``commands`` (lists of arguments), ``env``, ``network`` (``none`` or ``loopback``), ``wall_s``;
    ``critic``: what the step is a critic of, so that what its tools say is told as findings; ``secrets``: scan the
    whole tree for secrets too, the verdict of the critic ``secrets``.
    """
    env = cast("Mapping[str, str]", params.get("env", {}))
    wall = cast("float", params.get("wall_s", 120.0))
    network = Network(str(params.get("network", "none")))
    last = ""
    for argv in cast("list[list[str]]", params["commands"]):
        command = Command(tuple(argv), env=env, network=network, limits=Limits(wall_s=wall, cpu_s=int(wall) * 2))
        outcome = await ctx.do(command)
        last = outcome.text
        shown = " ".join(argv)
        ctx.log(f"$ {shown}\n{last[-TAIL:]}")
        if not outcome.ok:
            if params.get("critic"):
                ctx.report(findings(argv, last))
            code, end = outcome.value.get("exit_code"), outcome.value.get("end")
            message = f"{shown!r} failed ({end}, exit code {code}): {_reason(last)}"
            raise Failed(message, code="build.check", hint=f"remit logs {ctx.mission} --step {ctx.step}")
    if params.get("secrets"):
        await _scan(ctx)
    counts: dict[str, Json] = {kind: int(number) for number, kind in _COUNTS.findall(last)}
    return {"output": last[-TAIL:], **counts}


async def _scan(ctx: StepContext) -> None:
    """No file of the tree holds a secret.

    Raises:
        Failed: One does; the message says which and where, never the value.
    """
    found = await ctx.secrets()
    ctx.report(found, critic="secrets")
    if found:
        message = f"{len(found)} secret(s) stand in the tree: {found[0].message}"
        raise Failed(message, code="build.secret", hint=found[0].fix)


def _reason(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"


STEPS = {"render": render, "run": run}
