"""``remit demo``: a real intake to a running, tested application, and the audit log verified at the end.

Killed half-way, the next ``remit demo`` goes on where the mission was.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Command, Limits, Network
from remit.kernel.errors import Failed
from remit.kernel.ids import new_id

if TYPE_CHECKING:
    from remit.audit.verify import Report
    from remit.bootstrap import Runtime
    from remit.missions.service import View

INTAKE = "clinic.yaml"


@click.command()
@common
def demo(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Build the clinic application from its intake, show it answering, verify the audit log."""
    del debug
    return asyncio.run(_demo(home, as_json=as_json))


async def _demo(home: str | None, *, as_json: bool) -> int:
    from remit.bootstrap import open_runtime, prepare_home
    from remit.cli.views import mission_view
    from remit.kernel.money import usd
    from remit.packs.build.example import example

    began = time.monotonic()
    settings = settings_of(home)
    source = example()
    await prepare_home(settings)
    async with open_runtime(settings) as runtime:
        workspace = settings.workspace
        mission = await _unfinished(runtime)
        if mission:
            hint(f"An unfinished demo is there: it goes on where it was (remit resume {mission}).")
        else:
            mission = await runtime.missions.create(
                workspace,
                "build",
                source.read_bytes(),
                name=INTAKE,
                originator=runtime.acting,
                budget=usd(settings.budget_usd),
            )
            hint(f"Intake {source}\nKill this process when you like: 'remit demo' goes on where it was.")
        view = await _finish(runtime, mission)
        if view.status.value != "succeeded":
            emit(mission_view(runtime.store, view)) if as_json else say(f"mission {mission}: {view.status}")
            raise Failed(view.mission.error or f"the mission is {view.status}", hint=f"remit logs {mission}")
        answers = await _use(runtime, view)
        await asyncio.to_thread(runtime.store.seal)
        report = await asyncio.to_thread(runtime.store.verify)
        shown = mission_view(runtime.store, view)
    seconds = time.monotonic() - began
    if as_json:
        emit({**shown, "answers": answers, "verified": report.ok, "seconds": round(seconds, 1)})
    else:
        _tell(view, answers, report, home=home, seconds=seconds)
    return 0 if report.ok else 1


async def _unfinished(runtime: Runtime) -> str:
    """The newest demo mission, when it stopped half-way."""
    for one in await runtime.missions.list(runtime.settings.workspace, limit=20):
        if one.pack == "build" and one.input_name == INTAKE:
            return one.id if one.status.value in {"interrupted", "queued", "failed", "cancelled"} else ""
    return ""


async def _finish(runtime: Runtime, mission: str) -> View:
    """Run or resume it, with its progress on stderr."""
    from remit.cli.watching import follow

    workspace = runtime.settings.workspace

    async def work() -> View:
        view = await runtime.missions.show(workspace, mission)
        if view.mission.run:
            ordered = await runtime.missions.resume(workspace, mission, actor=runtime.acting)
            if ordered:
                await runtime.missions.wait(ordered)
            return await runtime.missions.show(workspace, mission)
        return await runtime.missions.run(workspace, mission)

    return await follow(runtime, mission, work)


async def _use(runtime: Runtime, view: View) -> dict[str, object]:
    """Start the finished application and use it, through the guard like everything else."""
    repository = runtime.missions.deps.repository_for(view.mission.id)
    directory = await repository.materialise(view.mission.head_commit, "demo")
    try:
        command = Command(("python", "scripts/smoke.py"), network=Network.LOOPBACK, limits=Limits(wall_s=90))
        outcome = await runtime.guard.run(
            Action(
                id=new_id(),
                effect=command,
                principal=Principal(ActorKind.AGENT, "apptester"),
                on_behalf_of=runtime.acting,
                workspace=runtime.settings.workspace,
                mission=view.mission.id,
                step="demo",
                directory=directory,
            )
        )
    finally:
        await repository.discard(["demo"])
    if not outcome.ok:
        message = f"The finished application does not answer: {outcome.text[-300:]}"
        raise Failed(message, hint=f"remit logs {view.mission.id}")
    answer: dict[str, object] = json.loads(str(outcome.value["stdout"]).strip().splitlines()[-1])
    return answer


def _tell(view: View, answers: dict[str, object], report: Report, *, home: str | None, seconds: float) -> None:
    """The end of the demo for people: what runs, what was recorded, what to try."""
    me = sys.argv[0] if sys.argv[0].endswith("remit") else "remit"
    at = f" --home {home}" if home else ""
    mission, where = view.mission.id, view.workspace
    done = sum(step.done for step in view.steps)
    say()
    say(f"The application is built and tested ({done} steps, every effect through the guard).")
    say("Started once more, it answered, and was stopped again:")
    requests = answers.get("requests")
    if isinstance(requests, list):
        for line in requests:  # pyright: ignore[reportUnknownVariableType] - JSON
            say(f"  {line}")
    say(f"  its files and history: {where}")
    verdict = "verified: nothing was changed" if report.ok else "NOT as it was written"
    say(f"The audit log is {verdict} ({report.size} entries, {report.signed} under a signed checkpoint).")
    say(f"It took {seconds:.0f} s.")
    say()
    say("Try next:")
    say(f"  {me} up{at}    # the console in your browser; the API and a gateway for models on the same port")
    say(f"  {me} show {mission}{at}")
    say(f"  {me} audit show --mission {mission}{at}")
    say(f"  {me} rollback {mission} --feature invoicing{at}    # take one feature out again")
    say(f"  {me} audit verify{at}")
    say(f"  cat {where}/README.md    # how to run the application yourself")


COMMANDS = {"demo": demo}
