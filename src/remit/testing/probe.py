"""A small mission that touches everything a mission can: files, commands, an outside witness, parallel steps, features.

Run it as ``remit run remit.testing.probe:PACK FILE``; the crash drills do. The input is JSON:
``{"witness": "http://127.0.0.1:PORT", "features": ["red", "blue"], "pause_s": 0}``; without a witness nobody is told.
``"fail": true`` adds a step that always fails, ``"flaky": 2`` one whose first two attempts fail and are tried again,
``"sleep_s": 30`` one whose command takes that long, ``"knock": 6`` one that asks ``away`` that often in vain,
``"secret": "secret://NAME"`` one whose command is given that secret and prints it,
``"ship_usd": 12`` one whose notification is estimated at that much (above 10 a person must approve it).
The witness ``"environment"`` is the one that ``REMIT_PROBE_WITNESS`` names when a step runs.
Bodies append their name to the file that ``REMIT_PROBE_LOG`` names, so that a drill sees from outside which ran.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any, cast

from remit.kernel.canonical import Json, canonical
from remit.kernel.effects import Command, Notify, WriteFiles
from remit.kernel.errors import Failed, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.mission import FileContains, FileExists, NoSecrets, Plan, ResultHas, RetryPolicy, StepSpec
from remit.kernel.money import usd
from remit.missions.pack import Result, StepContext, StepFunction

VERSION = "1"

#: What a careless program does with a secret: as it is, quoted, in base64 (beside other text), hexadecimal, a URL.
PRINTING = """
import base64, json, os, sys, urllib.parse
given = os.environ["GIVEN"]
print("it is", given, repr(given), json.dumps({"key": given}))
print(base64.b64encode(given.encode()).decode(), base64.b64encode(b"user:" + given.encode()).decode())
print(given.encode().hex(), "https://host/?key=" + urllib.parse.quote(given, safe=""))
sys.stderr.write(f"Traceback: ValueError: {given}")
"""

JOIN = "from pathlib import Path; Path('all').write_text(' '.join(map(str, sorted(Path().glob('*.txt')))))"


def _read(data: bytes, name: str) -> dict[str, Any]:
    try:
        value: object = json.loads(data)
    except ValueError as error:
        message = f"the probe's input is no JSON: {error}"
        raise InvalidInput(message, place=name) from error
    if not isinstance(value, dict):
        message = "the probe's input must be a JSON object"
        raise InvalidInput(message, place=name)
    return {
        "witness": "",
        "features": [],
        "pause_s": 0,
        "sleep_s": 0,
        "flaky": 0,
        "knock": 0,
        "away": "",
        "fail": "",
        "ship_usd": 0,
        "secret": "",
        **cast("dict[str, Any]", value),
    }


def _note(ctx: StepContext) -> None:
    log = os.environ.get("REMIT_PROBE_LOG")
    if log:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, f"{ctx.step} {ctx.attempt}\n".encode())
        os.close(handle)


async def _tell(ctx: StepContext, witness: str) -> None:
    if witness == "environment":
        witness = os.environ.get("REMIT_PROBE_WITNESS", "")
    if witness:
        outcome = await ctx.do(Notify(f"{witness}/{ctx.step}", f"{ctx.step} done", "probe"))
        if not outcome.ok:
            message = f"the witness did not take {ctx.step}"
            raise Failed(message)


async def write(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Write one file, tell the witness."""
    _note(ctx)
    await asyncio.sleep(cast("float", params["pause_s"]))
    await ctx.do(WriteFiles({f"{ctx.step}.txt": f"{ctx.step}\n".encode()}))
    await _tell(ctx, str(params["witness"]))
    return {"wrote": f"{ctx.step}.txt"}


async def compute(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Run a command that joins the files that are there into one, tell the witness."""
    _note(ctx)
    outcome = await ctx.do(Command(("python", "-c", JOIN)))
    if not outcome.ok:
        raise Failed(f"the command failed: {outcome.text}")
    await _tell(ctx, str(params["witness"]))
    return {"exit_code": cast("int", outcome.value["exit_code"])}


async def fail(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Fail, always."""
    del params
    _note(ctx)
    raise Failed(f"{ctx.step} was told to fail")


async def flaky(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Fail as often as it was told, then succeed."""
    _note(ctx)
    if ctx.attempt <= cast("int", params["times"]):
        raise Unavailable(f"attempt {ctx.attempt} of {ctx.step} was told to fail")
    return {"recovered": True}


async def knock(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Ask for what is not there, again and again; nobody minds."""
    _note(ctx)
    doors = (ctx.do(Notify(str(params["at"]), "knock", "probe")) for _ in range(cast("int", params["times"])))
    answers = await asyncio.gather(*doors, return_exceptions=True)
    refused = sum(isinstance(answer, RemitError) for answer in answers)
    return {"refused": refused}


async def sleep(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Run a command that does nothing for a while."""
    _note(ctx)
    await ctx.do(Command(("python", "-c", f"import time; time.sleep({float(cast('float', params['seconds']))})")))
    return {"slept": params["seconds"]}


async def reveal(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Run a command that is given a secret and prints it in several forms: what comes back is masked."""
    _note(ctx)
    outcome = await ctx.do(Command(("python", "-c", PRINTING), env={"GIVEN": str(params["secret"])}))
    ctx.log(outcome.text)
    return {"given": outcome.ok, "printed": outcome.text}


async def ship(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Tell the witness at a price."""
    _note(ctx)
    witness = str(params["witness"])
    if witness == "environment":
        witness = os.environ.get("REMIT_PROBE_WITNESS", "")
    told = Notify(f"{witness}/{ctx.step}", "shipped", str(params["text"]))
    outcome = await ctx.do(told, estimate=usd(str(params["usd"])))
    if not outcome.ok:
        raise Failed(f"the witness did not take {ctx.step}")
    return {"shipped": True}


class Probe:
    """The pack."""

    name = "remit.testing.probe:PACK"
    version = VERSION

    def plan(self, data: bytes, *, name: str) -> Plan:
        """``start``, one step for each feature, ``join``, ``last``."""
        given = _read(data, name)
        params = {"witness": given["witness"], "pause_s": given["pause_s"]}
        steps = [self._write("start", params, ())]
        steps += [self._write(f"feature-{one}", params, ("start",), feature=one) for one in given["features"]]
        names = tuple(step.name for step in steps)
        join = StepSpec(
            "join", "compute", params=params, needs=names, version=VERSION, post=(FileExists("all"), NoSecrets())
        )
        post = (ResultHas("wrote", "last.txt"),)
        steps += [join, StepSpec("last", "write", params=params, needs=("join",), version=VERSION, post=post)]
        if given["sleep_s"]:
            params = {"seconds": given["sleep_s"]}
            post = (ResultHas("slept", given["sleep_s"]),)
            steps.append(StepSpec("sleep", "sleep", params=params, needs=("join",), version=VERSION, post=post))
        if given["knock"]:
            params = {"times": given["knock"], "at": given["away"]}
            post = (ResultHas("refused", given["knock"]),)
            steps.append(StepSpec("knock", "knock", params=params, version=VERSION, post=post))
        if given["flaky"]:
            steps.append(
                StepSpec(
                    "flaky",
                    "flaky",
                    params={"times": given["flaky"]},
                    needs=("join",),
                    version=VERSION,
                    retry=RetryPolicy(max_attempts=int(given["flaky"]) + 1, initial_delay=0.05),
                    post=(ResultHas("recovered", value=True),),
                )
            )
        if given["secret"]:
            params, post = {"secret": given["secret"]}, (ResultHas("given", value=True),)
            steps.append(StepSpec("reveal", "reveal", params=params, version=VERSION, post=post))
        if given["ship_usd"]:
            at = given.get("ship_at") or given["witness"]
            params = {"witness": at, "usd": given["ship_usd"], "text": given.get("ship_text", "probe")}
            post = (ResultHas("shipped", value=True),)
            steps.append(StepSpec("ship", "ship", params=params, needs=("join",), version=VERSION, post=post))
        if given["fail"]:
            steps.append(StepSpec("broken", "fail", needs=("join",), version=VERSION, post=(FileExists("all"),)))
        return Plan(self.name, tuple(steps), summary=f"probe with {len(given['features'])} features")

    def _write(self, name: str, params: Mapping[str, Json], needs: tuple[str, ...], *, feature: str = "") -> StepSpec:
        post = (FileContains(f"{name}.txt", name), NoSecrets())
        return StepSpec(name, "write", params=params, needs=needs, version=VERSION, post=post, feature=feature)

    def step(self, uses: str) -> StepFunction:
        """The function of that name."""
        functions: dict[str, StepFunction] = {
            "write": write,
            "compute": compute,
            "sleep": sleep,
            "flaky": flaky,
            "knock": knock,
            "fail": fail,
            "ship": ship,
            "reveal": reveal,
        }
        if uses not in functions:
            message = f"the probe has no step function {uses!r}"
            raise InvalidInput(message)
        return functions[uses]

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """The input without a feature; nothing depends on one."""
        given = _read(data, "input")
        if feature not in given["features"]:
            message = f"the probe has no feature {feature!r}"
            raise NotFound(message)
        given["features"] = [name for name in given["features"] if name != feature]
        return canonical(given), (feature,)


PACK = Probe()
