"""Deployments and presets on the command line."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.missions import asynchronously, resolve
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.errors import ApprovalPending, InvalidInput
from remit.kernel.plain import plain_lines

if TYPE_CHECKING:
    from remit.bootstrap import Runtime
    from remit.missions.deployments import Deployed, Live
    from remit.missions.presets import Preset

_EXITS = {"deployed": 0, "already": 0, "switched_back": 1, "smoke_failed": 1}
_TOLD = {
    "deployed": "is live",
    "already": "was live already",
    "switched_back": "did not answer when it was live: the one before is live again",
    "smoke_failed": "failed its smoke test: nothing was changed",
}
MOST_LINES = 200


@click.command()
@click.argument("mission", required=False, default="")
@click.option("--to", "target", required=True, metavar="DIR", help="The folder to deploy to; it must be there.")
@click.option("--smoke", default="", metavar="COMMAND", help="What tests a release; 'python scripts/smoke.py'.")
@click.option("--keep", default=5, type=click.IntRange(1, 100), metavar="N", help="Releases to keep.")
@click.option("--status", is_flag=True, help="Show what is live there; change nothing.")
@common
@asynchronously
async def deploy(
    mission: str,
    target: str,
    smoke: str,
    keep: int,
    home: str | None,
    *,
    status: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Deploy the tree of MISSION: tested, approved, switched to at once, tested again, or switched back."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.kernel.action import ActorKind, Principal
    from remit.missions.deployments import SMOKE

    settings = settings_of(home)
    place = _place(target)
    async with open_runtime(settings) as runtime:
        if status:
            _show(await runtime.deployments.look(settings.workspace, place), as_json=as_json)
            return 0
        if not mission:
            message = "Say which mission to deploy, or ask for --status."
            raise InvalidInput(message, hint="remit missions")
        mission = await resolve(runtime.missions, settings.workspace, mission)
        await runtime.guard.restore(settings.workspace)
        try:
            done = await runtime.deployments.deploy(
                settings.workspace,
                mission,
                place,
                actor=Principal(ActorKind.USER, settings.acting),
                smoke=_words(smoke) or SMOKE,
                keep=keep,
            )
        except ApprovalPending as pending:
            await _tell_pending(runtime, mission, place, pending, as_json=as_json)
            return pending.row.exit
        finally:
            runtime.store.seal()
    _tell(done, as_json=as_json)
    return _EXITS[done.ended.value]


def _place(target: str) -> str:
    """The target as deployments know it: absolute, parents resolved, its own last name as given."""
    path = Path(os.path.abspath(target))  # noqa: PTH100 - the last part must not be resolved
    return str(path.parent.resolve() / path.name)


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        message = f"The smoke test {command[:80]!r} can't be read: {error}."
        raise InvalidInput(message, hint="quote it as a shell would: --smoke 'python check.py'") from error


def _tell(done: Deployed, *, as_json: bool) -> None:
    if as_json:
        emit(done.as_json())
        return
    say(f"{done.target}: release {done.release[:12]} of mission {done.mission} {_TOLD[done.ended.value]}")
    if done.text:
        say(done.text)
    if done.ended.value == "deployed":
        say(f"take it back with: remit rollback {done.mission}")


async def _tell_pending(runtime: Runtime, mission: str, place: str, pending: ApprovalPending, *, as_json: bool) -> None:
    """What a person has to decide about: the diff against what is live, and how to go on."""
    preview = await runtime.deployments.preview(runtime.settings.workspace, mission, place)
    again = f"remit deploy {mission} --to {shlex.quote(place)}"
    if as_json:
        told = {"mission": mission, "status": "pending", "target": place, "approval": pending.approval_id or None}
        emit({**told, "summary": preview.summary, "diff": preview.diff, "next": again})
        return
    say("\n".join(plain_lines(preview.diff, lines=MOST_LINES)))
    say(preview.summary)
    say(pending.message)
    hint(f"next: remit approve {pending.approval_id or 'ID'}, then {again}")


def _show(live: Live, *, as_json: bool) -> None:
    from remit.kernel.clock import iso

    by = live.by
    if as_json:
        emit(
            {
                "target": live.target,
                "live": live.tree or None,
                "since": iso(by.closed_us) if by is not None else None,
                "mission": live.mission or None,
                "action": by.row.action if by is not None else None,
                "ordered_by": by.row.ordered_by if by is not None else None,
                "releases": list(live.releases),
                "history": [
                    {
                        "action": each.row.action,
                        "mission": each.row.mission,
                        "release": each.row.tree or None,
                        "previous": each.row.previous or None,
                        "compensates": each.row.compensates or None,
                        "state": each.state.value,
                        "ordered_by": each.row.ordered_by,
                        "at": iso(each.row.at_us),
                    }
                    for each in live.history
                ],
            }
        )
        return
    if by is not None:
        how = f"since {iso(by.closed_us)[:19]}, of mission {live.mission}, ordered by {by.row.ordered_by}"
        say(f"{live.target}: release {live.tree[:12]} is live {how} (remit why {by.row.action})")
    elif live.tree:
        say(f"{live.target}: release {live.tree[:12]} is live, and was not deployed from here")
    else:
        say(f"{live.target}: nothing is live")
    rows = [
        (
            iso(each.row.at_us)[:19],
            each.row.tree[:12] or "-",
            each.row.mission,
            each.state.value,
            f"took back {each.row.compensates}" if each.row.compensates else "deployed",
        )
        for each in live.history
    ]
    if rows:
        say(table(rows, head=("at", "release", "mission", "ended", "what")))


@click.command()
@click.argument("name", required=False, default="")
@common
def presets(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """List the presets, or show one: agents, tools, estimate, risk, guardrails, critics, approval."""
    del debug, home
    from remit.bootstrap import Packs
    from remit.missions.presets import PRESETS, named

    installed = frozenset(Packs())
    if name:
        preset = named(name)
        there = preset.pack in installed
        emit({**preset.as_json(), "installed": there}) if as_json else say("\n".join(_lines(preset, there=there)))
    elif as_json:
        emit({"presets": [{**each.as_json(), "installed": each.pack in installed} for each in PRESETS.values()]})
    else:
        rows = [
            (
                each.name,
                "yes" if each.pack in installed else "no",
                f"{each.cost[0]} to {each.cost[1]}",
                f"{each.seconds[0] // 60} to {each.seconds[1] // 60} min",
                each.risk.value,
                ", ".join(each.critics),
                each.approval or "-",
            )
            for each in PRESETS.values()
        ]
        say(table(rows, head=("preset", "installed", "cost", "time", "risk", "critics", "approval for")))
    return 0


def _lines(preset: Preset, *, there: bool) -> list[str]:
    rows = (
        ("agents", ", ".join(preset.agents)),
        ("tools", ", ".join(preset.tools)),
        ("cost", f"{preset.cost[0]} to {preset.cost[1]}"),
        ("time", f"{preset.seconds[0] // 60} to {preset.seconds[1] // 60} min"),
        ("risk", preset.risk.value),
        ("guardrails", ", ".join(preset.guardrails)),
        ("critics", f"{', '.join(preset.critics)} (a plan without them is refused)"),
        ("approval", preset.approval or "not needed"),
    )
    head = f"{preset.title} (pack {preset.pack}{'' if there else ', not installed here'})"
    return [head, *(f"  {name:<11} {text}" for name, text in rows)]


COMMANDS = {"deploy": deploy, "presets": presets}
