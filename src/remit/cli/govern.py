"""Who must stop, and why something was refused: ``kill``, ``unkill``, ``why``."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.output import common, emit, say
from remit.kernel.errors import InvalidInput


@click.command()
@click.argument("which", metavar="ID")
@common
def why(which: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Tell the story of an action, a decision, an effect key, or of what went wrong in a mission."""
    del debug
    from remit.bootstrap import open_store, prover
    from remit.guard.why import why as story_of

    settings = settings_of(home)
    with open_store(settings) as store:
        story = asyncio.run(story_of(store, which, workspace=settings.workspace, prove=prover(store)))
    emit(story.as_json()) if as_json else say(story.text())
    return 0


_SCOPES = click.Choice(["agent", "mission", "team", "install"])


@click.command()
@click.argument("name", required=False, default="")
@click.option("--scope", type=_SCOPES, default=None, help="What NAME is; an agent unless it is a mission's id.")
@click.option("--all", "everything", is_flag=True, help="Stop the whole install.")
@click.option("--reason", default="ordered on the command line", help="Why, for the audit log.")
@common
def kill(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, debug: bool
) -> int:
    """Stop an agent (or mission, team, the whole install) now: nothing of it starts, what runs ends within a second."""
    del debug
    return _switch(name, scope, reason, home, everything=everything, as_json=as_json, stop=True)


@click.command()
@click.argument("name", required=False, default="")
@click.option("--scope", type=_SCOPES, default=None, help="What NAME is; an agent unless it is a mission's id.")
@click.option("--all", "everything", is_flag=True, help="Lift the stop of the whole install.")
@click.option("--reason", required=True, help="Why it may go on, for the audit log.")
@common
def unkill(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, debug: bool
) -> int:
    """Let it act again, with a reason."""
    del debug
    return _switch(name, scope, reason, home, everything=everything, as_json=as_json, stop=False)


def _switch(
    name: str, scope: str | None, reason: str, home: str | None, *, everything: bool, as_json: bool, stop: bool
) -> int:
    from remit.accounts import kills
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock
    from remit.kernel.ids import is_id

    if everything == bool(name):
        message = "Say what to stop: a name, or --all."
        raise InvalidInput(message, hint="remit agents")
    settings = settings_of(home)
    kind = "install" if everything else scope or ("mission" if is_id(name) else "agent")
    target = kills.Target(kills.KillScope(kind), name)
    by, of, mask = acting(settings), settings.workspace, masking(settings)
    order = kills.kill if stop else kills.unkill
    with open_store(settings) as store:
        asyncio.run(order(store, target, workspace=of, reason=reason, by=by, clock=SystemClock(), mask=mask))
        store.seal()
    reason = mask(reason)
    verb = "killed" if stop else "unkilled"
    if as_json:
        emit({verb: {"scope": kind, "name": name}, "reason": reason})
    else:
        undo = f"remit unkill {name or '--all'} --reason WHY" if stop else f"remit kill {name or '--all'}"
        say(f"{verb} {target}: {reason}\nundo it with: {undo}")
    return 0


COMMANDS = {"why": why, "kill": kill, "unkill": unkill}
