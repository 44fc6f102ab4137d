"""The queue and the limits on the command line: ``queue``, ``limits``."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table
from remit.cli.place import line_of, place_view, wait_of
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.guard.rate_limits import Limit, Limits
    from remit.guard.rate_use import Use
    from remit.missions.queue import Place
    from remit.settings import Settings

_PRIORITY = click.Choice(["critical", "high", "normal", "low"])
_AGE = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> int:
    """``30d``, ``12h``, ``90m`` or ``45s`` in seconds.

    Raises:
        InvalidInput: Something else.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        message = f"{text[:40]!r} is no time: a number with d, h, m or s."
        raise InvalidInput(message, hint="remit queue clean --older-than 30d")
    return int(match[1]) * _SECONDS[match[2]]


# ---------------------------------------------------------------------------------------------------------------- queue


@click.group(invoke_without_command=True)
@common
@click.pass_context
def queue(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Which missions run or wait, in which order, and how long each will wait."""
    del debug
    if ctx.invoked_subcommand is not None:
        ctx.obj = {"home": home, "as_json": as_json}
        return 0
    from remit.bootstrap import open_runtime

    settings = settings_of(home)

    async def read() -> list[Place]:
        async with open_runtime(settings) as runtime:
            return await runtime.missions.queue(settings.workspace)

    found = asyncio.run(read())
    if as_json:
        emit({"queue": [place_view(place) for place in found]})
    elif found:
        say(table([_cells(place) for place in found], head=_HEAD))
    else:
        say("nothing waits and nothing runs: remit run build FILE --queue")
    return 0


_HEAD = ("position", "mission", "priority", "workspace", "since", "wait", "state")


def _cells(place: Place) -> tuple[str, ...]:
    from remit.kernel.clock import iso

    return (
        str(place.position or "-"),
        place.mission,
        place.priority.name.lower(),
        place.workspace,
        iso(place.entered_us)[:19],
        "-" if not place.position else wait_of(place),
        place.state.value,
    )


@queue.command(name="move")
@click.argument("mission")
@click.option("--priority", type=_PRIORITY, required=True, help="Its new class; critical goes first.")
@common
@click.pass_context
def move(ctx: click.Context, mission: str, priority: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Give a MISSION that waits another priority; the time it has waited counts as before."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.cli.missions import resolve
    from remit.missions.queue_order import Priority

    home, as_json = _outer(ctx, home, as_json=as_json)
    settings = settings_of(home)

    async def order() -> Place:
        async with open_runtime(settings) as runtime:
            found = await resolve(runtime.missions, settings.workspace, mission)
            return await runtime.missions.move(
                settings.workspace, found, Priority[priority.upper()], actor=_acting(settings)
            )

    place = asyncio.run(order())
    emit({"moved": place_view(place)}) if as_json else say(f"{place.mission}: {line_of(place)}")
    return 0


@queue.command(name="pause")
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.option("--all", "everywhere", is_flag=True, help="Every workspace of this home.")
@common
@click.pass_context
def pause(ctx: click.Context, reason: str, home: str | None, *, everywhere: bool, as_json: bool, debug: bool) -> int:
    """Take up nothing more, in any process, until the queue is resumed; what runs goes on."""
    del debug
    return _pause(ctx, reason, home, everywhere=everywhere, as_json=as_json, paused=True)


@queue.command(name="resume")
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.option("--all", "everywhere", is_flag=True, help="Every workspace of this home.")
@common
@click.pass_context
def resume(ctx: click.Context, reason: str, home: str | None, *, everywhere: bool, as_json: bool, debug: bool) -> int:
    """Take up missions again."""
    del debug
    return _pause(ctx, reason, home, everywhere=everywhere, as_json=as_json, paused=False)


def _pause(ctx: click.Context, reason: str, home: str | None, *, everywhere: bool, as_json: bool, paused: bool) -> int:
    from remit.bootstrap import open_runtime
    from remit.missions.queue_pause import pause as ordered

    home, as_json = _outer(ctx, home, as_json=as_json)
    settings = settings_of(home)

    async def order() -> bool:
        async with open_runtime(settings) as runtime:
            return await ordered(
                runtime.missions.deps,
                settings.workspace,
                by=_acting(settings),
                reason=reason,
                paused=paused,
                home=everywhere,
            )

    changed = asyncio.run(order())
    whose = "of this home" if everywhere else f"of the workspace {settings.workspace}"
    if as_json:
        emit({"paused": paused, "changed": changed, "home": everywhere, "workspace": settings.workspace})
    else:
        already = "" if changed else " already"
        say(f"the queue {whose} is {'paused' if paused else 'open'}{already}")
    return 0


@queue.command(name="clean")
@click.option("--older-than", "age", default="30d", metavar="AGE", help="Only what ended before: 30d, 12h, 90m, 0s.")
@common
@click.pass_context
def clean(ctx: click.Context, age: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Remove the files that finished missions left behind; their history, results and audit log stay."""
    del debug
    from datetime import timedelta

    from remit.bootstrap import open_runtime
    from remit.missions.queue_clean import Cleaned

    home, as_json = _outer(ctx, home, as_json=as_json)
    settings = settings_of(home)
    back = timedelta(seconds=seconds_of(age))

    async def order() -> Cleaned:
        async with open_runtime(settings) as runtime:
            await runtime.start()
            older_than = runtime.clock.now() - back
            return await runtime.missions.clean(settings.workspace, older_than=older_than, actor=_acting(settings))

    done = asyncio.run(order())
    if as_json:
        emit(
            {
                "cleaned": list(done.missions),
                "kept": list(done.kept),
                "engine_records": done.runs,
                "rate_buckets": done.buckets,
            }
        )
        return 0
    say(f"cleaned {len(done.missions)} missions, {done.runs} records of the engine, {done.buckets} buckets of rates")
    for mission in done.kept:
        say(f"kept {mission}: somebody changed its workspace; remit resume {mission} --drift reset puts it back")
    return 0


# --------------------------------------------------------------------------------------------------------------- limits


@click.group(invoke_without_command=True)
@common
@click.pass_context
def limits(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Which limits hold for whom, what is used of them, what is left, and when it is full again."""
    del debug
    if ctx.invoked_subcommand is not None:
        ctx.obj = {"home": home, "as_json": as_json}
        return 0
    from remit.bootstrap import open_store
    from remit.guard.rate_limits import read_limits
    from remit.guard.rate_use import read_use
    from remit.kernel.ports import ReadTx

    settings = settings_of(home)

    def read(tx: ReadTx) -> tuple[Limits, list[Use]]:
        known = read_limits(tx, settings.workspace)
        return known, read_use(tx, settings.workspace, known)

    with open_store(settings) as store:
        known, used = store.view(read)
    if as_json:
        emit(_limits_view(known, used))
        return 0
    head = ("limit", "for", "what", "with plan")
    rows = [(limit.name, _for(limit), str(limit), _with_plan(limit)) for limit in known.by_name.values()]
    say(f"plan {known.plan.name.value}\n\n{table(rows, head=head)}")
    if used:
        cells = [
            (use.limit.name, use.subject or "the workspace", f"{use.used:,}", f"{use.remaining:,}", use.full_in)
            for use in used
        ]
        say("\n" + table(cells, head=("limit", "whose", "used", "left", "full again in")))
    return 0


def _limits_view(known: Limits, used: list[Use]) -> dict[str, object]:
    return {
        "plan": known.plan.name.value,
        "limits": [limit.as_json() | {"text": str(limit)} for limit in known.by_name.values()],
        "used": [
            {
                "limit": use.limit.name,
                "whose": use.subject,
                "used": use.used,
                "remaining": use.remaining,
                "reset_seconds": round(use.full_in_us / 1_000_000, 1),
            }
            for use in used
        ],
    }


def _for(limit: Limit) -> str:
    who = f"each {limit.per.value}".replace("_", " and ")
    if limit.per.value == "workspace":
        who = "the workspace"
    kind = f" of kind {limit.agent_kind}" if limit.agent_kind else ""
    return f"{who}{kind}" + (f", {limit.target}" if limit.target else "")


def _with_plan(limit: Limit) -> str:
    from remit.guard.rate_limits import plans_of

    if not limit.plan:
        return "-"
    return ", ".join(f"{name.value} {'none' if most is None else f'{most:,}'}" for name, most in plans_of(limit))


@limits.command(name="set")
@click.argument("name")
@click.option("--amount", type=int, default=None, help="How many; needed unless --off or --reset.")
@click.option("--every", default=None, metavar="TIME", help="In how long: 1m, 1h, 1d; 0s: in all.")
@click.option("--burst", type=int, default=None, help="How many at once; all of them when left out.")
@click.option("--measure", type=click.Choice(["requests", "tokens", "minutes"]), default=None, help="What is counted.")
@click.option(
    "--per",
    type=click.Choice(["agent", "key", "team", "workspace", "domain", "mission_domain", "tool"]),
    default=None,
    help="Who shares it.",
)
@click.option("--kind", default=None, help="The effects that it holds for: model, fetch, tool, deploy, publish ...")
@click.option("--agent-kind", default=None, help="Only for agents of this kind.")
@click.option("--target", default=None, help="Only for this tool, model or domain.")
@click.option("--off", is_flag=True, help="Take the limit out of force.")
@click.option("--reset", is_flag=True, help="Forget your own order: what is shipped holds again.")
@common
@click.pass_context
def set_limits(
    ctx: click.Context,
    name: str,
    amount: int | None,
    every: str | None,
    burst: int | None,
    measure: str | None,
    per: str | None,
    kind: str | None,
    agent_kind: str | None,
    target: str | None,
    home: str | None,
    *,
    off: bool,
    reset: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Set the limit NAME in this workspace: a shipped one's numbers, or one of your own."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard import rate_limits
    from remit.kernel.clock import SystemClock

    home, as_json = _outer(ctx, home, as_json=as_json)
    settings, clock = settings_of(home), SystemClock()
    by, workspace = _acting(settings), settings.workspace
    changes: dict[str, object] = {
        "amount": amount,
        "period_s": None if every is None else seconds_of(every),
        "burst": burst,
        "measure": measure,
        "per": per,
        "kind": kind,
        "agent_kind": agent_kind,
        "target": target,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    if (off or reset) == bool(given) or (off and reset):
        message = "Say what the limit is to be (--amount N ...), or --off, or --reset."
        raise InvalidInput(message, hint=f"remit limits set {name} --amount 20")
    with open_store(settings) as store:
        if off:
            asyncio.run(rate_limits.lift_limit(store, name, workspace=workspace, by=by, clock=clock))
        elif reset:
            asyncio.run(rate_limits.reset_limit(store, name, workspace=workspace, by=by, clock=clock))
        else:
            known = store.view(lambda tx: rate_limits.read_limits(tx, workspace)).by_name.get(name)
            limit = rate_limits.changed(name, known, given)
            asyncio.run(rate_limits.set_limit(store, limit, workspace=workspace, by=by, clock=clock))
        now = store.view(lambda tx: rate_limits.read_limits(tx, workspace)).by_name.get(name)
        store.seal()
    if as_json:
        emit({"limit": name, "now": None if now is None else now.as_json() | {"text": str(now)}})
    else:
        say(f"{name}: {'no limit' if now is None else now}")
    return 0


def _acting(settings: Settings) -> Principal:
    return Principal(ActorKind.USER, settings.acting)


def _outer(ctx: click.Context, home: str | None, *, as_json: bool) -> tuple[str | None, bool]:
    """Options may stand before the subcommand too."""
    outer: dict[str, object] = ctx.obj or {}
    before = outer.get("home")
    return home or (str(before) if before else None), as_json or bool(outer.get("as_json"))


COMMANDS: dict[str, click.Command] = {"queue": queue, "limits": limits}
