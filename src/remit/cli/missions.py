"""Missions on the command line: run, show, list, logs, resume, rollback, branch, cancel, worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.cli.redaction import REDACTOR
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.ids import is_id

if TYPE_CHECKING:
    from remit.bootstrap import Runtime
    from remit.missions.estimate import Estimate
    from remit.missions.pack import Pack
    from remit.missions.plan import OrderedPlan
    from remit.missions.presets import Preset
    from remit.settings import Settings

MAX_INPUT = 8 << 20
SHORTEST_PREFIX = 6
PRIORITY = click.Choice(["critical", "high", "normal", "low"])


def asynchronously[**P, R](function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Run an async command to its end."""
    import functools

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return asyncio.run(function(*args, **kwargs))

    return call


@click.command()
@click.argument("pack")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("--preset", default="", metavar="NAME", help="The preset; the pack's own when left out.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan and its estimate; write nothing.")
@click.option("--budget", default=None, metavar="USD", help="At most this much; 'remit doctor' shows the default.")
@click.option("--parallel", default=None, type=int, metavar="N", help="Steps at the same time.")
@click.option("--queue", is_flag=True, help="Hand it to a worker instead of running it here.")
@click.option("--priority", type=PRIORITY, default="normal", help="Its class in the queue; critical goes first.")
@common
@asynchronously
async def run(
    pack: str,
    source: Path,
    preset: str,
    budget: str | None,
    parallel: int | None,
    priority: str,
    home: str | None,
    *,
    plan_only: bool,
    queue: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Run a mission: PACK (build, or module:attribute) with INPUT, a file."""
    del debug
    from remit.bootstrap import Packs, open_runtime, prepare_home
    from remit.cli.place import line_of
    from remit.cli.watching import finish
    from remit.kernel.money import usd
    from remit.missions.intake import planned, refuse_secrets
    from remit.missions.presets import chosen, named, refuse_uninstalled, require_critics
    from remit.missions.queue_order import Priority

    settings = settings_of(home, parallel=parallel, budget_usd=budget)
    packs = Packs(pack)
    refuse_uninstalled(pack, packs)
    data = _read(source)
    found = _known(pack, packs)
    refuse_secrets(REDACTOR, data, source.name)
    if preset and named(preset).pack != found.name:
        refuse_uninstalled(preset, packs)
    with_preset = chosen(preset, found.name)
    plan = planned(found, data, source.name)
    require_critics(with_preset, plan.plan)
    expected = _expected(settings, plan, with_preset, found.name)
    if plan_only:
        from remit.cli.views import plan_lines, plan_view

        emit(plan_view(plan, expected, with_preset)) if as_json else say(
            "\n".join(plan_lines(plan, expected, with_preset))
        )
        return 0
    await prepare_home(settings)
    async with open_runtime(settings, pack=pack) as runtime:
        mission = await runtime.missions.create(
            settings.workspace,
            pack,
            data,
            name=source.name,
            originator=runtime.acting,
            budget=usd(settings.budget_usd),
            queue=queue,
            priority=Priority[priority.upper()],
            preset=preset,
        )
        if queue:
            return await _tell_queued(runtime, mission, as_json=as_json)
        hint(f"mission {mission}  (if it stops: remit resume {mission})")
        hint(f"estimate: {expected.expected()}")
        return await finish(
            runtime,
            mission,
            lambda: runtime.missions.run(
                settings.workspace, mission, told=lambda place: hint(f"waits for its turn: {line_of(place)}")
            ),
            as_json=as_json,
        )


def _known(pack: str, packs: Mapping[str, Pack]) -> Pack:
    found = packs.get(pack)
    if found is None:
        message = f"There is no pack {pack!r}: there are {', '.join(packs)}, or module:attribute."
        raise NotFound(message, hint="remit run build examples/intakes/clinic.yaml")
    return found


async def _tell_queued(runtime: Runtime, mission: str, *, as_json: bool) -> int:
    from remit.cli.place import line_of, place_view

    view = await runtime.missions.show(runtime.settings.workspace, mission)
    if as_json:
        emit({"mission": mission, "status": view.status.value, "queue": place_view(view.place)})
    else:
        say(f"queued {mission}: {line_of(view.place)}")
        hint(f"next: remit show {mission}")
    return 0


@click.command()
@click.argument("mission")
@click.option("--from", "from_step", default="", metavar="STEP", help="Run this step and what needs it again.")
@click.option(
    "--drift",
    type=click.Choice(["refuse", "rerun", "reset"]),
    default="refuse",
    help="What to do about artefacts that changed since their step.",
)
@common
@asynchronously
async def resume(mission: str, from_step: str, drift: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Go on where MISSION stopped: what is done is checked, and never done again."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.place import line_of
    from remit.cli.watching import finish
    from remit.missions.rows import OnDrift
    from remit.missions.service import View

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        mission = await resolve(runtime.missions, settings.workspace, mission)

        async def go_on() -> View:
            ordered = await runtime.missions.resume(
                settings.workspace, mission, actor=runtime.acting, from_step=from_step, drift=OnDrift(drift)
            )
            if ordered:
                await runtime.missions.wait(ordered, told=lambda place: hint(f"waits for its turn: {line_of(place)}"))
            return await runtime.missions.show(settings.workspace, mission)

        return await finish(runtime, mission, go_on, as_json=as_json)


@click.command()
@click.argument("mission")
@click.option("--to", "to_step", default="", metavar="STEP", help="Back to this step's checkpoint.")
@click.option("--feature", default="", metavar="FEATURE", help="Take out this feature and what needs it.")
@common
@asynchronously
async def rollback(mission: str, to_step: str, feature: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Undo MISSION: everything, or back to a step, or one feature."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.watching import finish

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        mission = await resolve(runtime.missions, settings.workspace, mission)
        return await finish(
            runtime,
            mission,
            lambda: runtime.missions.rollback(
                settings.workspace, mission, actor=runtime.acting, to_step=to_step, feature=feature
            ),
            as_json=as_json,
        )


@click.command()
@click.argument("mission")
@click.option("--from", "from_step", required=True, metavar="STEP", help="The finished step to start from.")
@click.option("--input", "source", type=click.Path(path_type=Path), default=None, help="Another input.")
@common
@asynchronously
async def branch(
    mission: str, from_step: str, source: Path | None, home: str | None, *, as_json: bool, debug: bool
) -> int:
    """Start a variation of MISSION that shares everything up to STEP."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.watching import finish

    settings = settings_of(home)
    other = None if source is None else (_read(source), source.name)
    async with open_runtime(settings) as runtime:
        mission = await resolve(runtime.missions, settings.workspace, mission)
        child = await runtime.missions.branch(
            settings.workspace, mission, from_step=from_step, actor=runtime.acting, other=other
        )
        hint(f"mission {child}  (a branch of {mission})")
        return await finish(runtime, child, lambda: runtime.missions.run(settings.workspace, child), as_json=as_json)


@click.command()
@click.argument("mission")
@common
@asynchronously
async def cancel(mission: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Stop MISSION; within a second when it runs."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.views import mission_view

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        await runtime.start()
        mission = await resolve(runtime.missions, settings.workspace, mission)
        view = await runtime.missions.cancel(settings.workspace, mission, actor=runtime.acting)
        emit(mission_view(runtime.store, view)) if as_json else say(f"{view.mission.id} {view.status}")
    return 0


@click.command()
@click.argument("mission")
@common
@asynchronously
async def show(mission: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show MISSION: its steps, cost, workspace and what to do next."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.views import mission_lines, mission_view

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        mission = await resolve(runtime.missions, settings.workspace, mission)
        view = await runtime.missions.show(settings.workspace, mission)
        emit(mission_view(runtime.store, view)) if as_json else say("\n".join(mission_lines(view)))
    return 0


@click.command(name="missions")
@click.option("--limit", default=20, type=click.IntRange(1, 500), help="At most this many.")
@common
@asynchronously
async def list_missions(limit: int, home: str | None, *, as_json: bool, debug: bool) -> int:
    """List missions, newest first."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.kernel.clock import iso
    from remit.kernel.money import Money

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        found = await runtime.missions.list(settings.workspace, limit=limit)
    rows = [
        {
            "mission": one.id,
            "status": one.status.value,
            "pack": one.pack,
            "input": one.input_name,
            "parent": one.parent or None,
            "originator": one.originator,
            "created": iso(one.created_us),
            "updated": iso(one.updated_us),
            "cost_usd": str(Money(one.cost_micros).usd),
            "error": one.error or None,
            "waits_for": list(one.waits_for),
        }
        for one in found
    ]
    if as_json:
        emit({"missions": rows})
    elif rows:
        head = ("mission", "status", "pack", "input", "created")
        say(table([tuple(str(row[name]) for name in head) for row in rows], head=head))
        for one in found:
            for asked in one.waits_for:
                say(f"{one.id} waits for a person: remit approvals {asked}")
    else:
        say("no missions yet: remit run build examples/intakes/clinic.yaml")
    return 0


@click.command()
@click.argument("mission")
@click.option("--step", default="", help="Only this step.")
@common
@asynchronously
async def logs(mission: str, step: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Print what each attempt of MISSION's steps said; secrets are masked."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.kernel.clock import iso

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        mission = await resolve(runtime.missions, settings.workspace, mission)
        attempts = await runtime.missions.logs(settings.workspace, mission)
    chosen = [one for one in attempts if step in {"", one.step}]
    if as_json:
        emit(
            {
                "mission": mission,
                "attempts": [
                    {
                        "step": one.step,
                        "attempt": one.number,
                        "outcome": str(one.outcome),
                        "started": iso(one.started_us),
                        "ended": iso(one.ended_us),
                        "error": one.error or None,
                        "log": one.log,
                    }
                    for one in chosen
                ],
            }
        )
        return 0
    for one in chosen:
        say(f"{iso(one.started_us)[:19]} {one.step} attempt {one.number}: {one.outcome} {one.error}".rstrip())
        if one.log:
            say("  " + one.log.replace("\n", "\n  "))
    return 0


@click.command()
@click.option("--concurrency", default=None, type=int, metavar="N", help="Missions at once.")
@common
@asynchronously
async def worker(concurrency: int | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Run queued missions and those of dead workers, until interrupted."""
    del debug
    from remit.bootstrap import open_runtime, prepare_home, verify_on_schedule

    settings = settings_of(home, concurrency=concurrency)
    await prepare_home(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_runtime(settings) as runtime:
        await runtime.start(worker=True)
        emit({"worker": runtime.engine.executor, "pid": os.getpid()}) if as_json else say(
            f"worker {runtime.engine.executor} (pid {os.getpid()}) takes missions; stop with Ctrl-C"
        )
        every_s = settings.audit_verify_every_s
        tending = asyncio.create_task(runtime.tend())
        watching = asyncio.create_task(verify_on_schedule(runtime.store, runtime.clock, every_s=every_s))
        await stop.wait()
        tending.cancel()
        watching.cancel()
    return 0


def _expected(settings: Settings, plan: OrderedPlan, preset: Preset | None, pack: str) -> Estimate:
    """The estimate before a run; refined by earlier missions where there is a home to ask. Nothing is made."""
    from remit.bootstrap import KEY, open_store
    from remit.missions.estimate import estimated

    if not (settings.home / KEY).is_file():
        return estimated(None, plan, preset, workspace=settings.workspace, pack=pack)
    with open_store(settings) as store:
        return store.view(lambda tx: estimated(tx, plan, preset, workspace=settings.workspace, pack=pack))


def _read(source: Path) -> bytes:
    """The input file's bytes.

    Raises:
        InvalidInput: No such file, no file, or too large.
    """
    try:
        if source.stat().st_size > MAX_INPUT:
            message = f"{source} is larger than {MAX_INPUT >> 20} MiB."
            raise InvalidInput(message, place=str(source))
        return source.read_bytes()
    except OSError as error:
        message = f"The input {source} can't be read: {error.strerror}."
        raise InvalidInput(message, place=str(source), hint="remit run build examples/intakes/clinic.yaml") from error


async def resolve(missions: Any, workspace: str, text: str) -> str:  # noqa: ANN401 - imported only by commands that run
    """A mission's id from itself or from a prefix that fits only one.

    Raises:
        NotFound: None fits. InvalidInput: several do.
    """
    if is_id(text):
        return text
    if len(text) >= SHORTEST_PREFIX:
        fits = [one.id for one in await missions.list(workspace, limit=500) if one.id.startswith(text)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            message = f"{text!r} fits {len(fits)} missions."
            raise InvalidInput(message, hint="give more of the id")
    message = f"There is no mission {text[:60]!r}."
    raise NotFound(message, hint="remit missions")


COMMANDS = {
    "run": run,
    "show": show,
    "missions": list_missions,
    "logs": logs,
    "resume": resume,
    "rollback": rollback,
    "branch": branch,
    "cancel": cancel,
    "worker": worker,
}
