"""``remit drill``: make things fail on purpose, in a home of its own, and see every promise held."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.guard.faults import refuse_in_production
from remit.kernel.errors import InvalidInput


@click.command()
@click.argument("name", required=False, default="")
@click.option("--list", "listed", is_flag=True, help="Say which drills there are.")
@common
def drill(name: str, home: str | None, *, listed: bool, as_json: bool, debug: bool) -> int:
    """Play a scenario of failures on a temporary home; report attempts, durations, and whether every promise held."""
    del debug
    # By name: the scenarios stand above this room, and nobody but a drill loads them.
    scenarios = importlib.import_module("remit.testing.scenarios")
    if listed:
        found = [(scene.name, scene.about) for scene in scenarios.SCENES.values()]
        if as_json:
            emit({"drills": [{"drill": each, "about": about} for each, about in found]})
        else:
            say(table(found, head=("drill", "what happens")))
        return 0
    if not name:
        message = "Say which drill to play."
        raise InvalidInput(message, code="drill.name", hint="remit drill --list")
    settings = settings_of(home)
    refuse_in_production(settings.environment.value)
    hint(f"playing {name} in a home of its own; waits between tries are {scenarios.FASTER:g} times shorter")
    report = asyncio.run(scenarios.rehearse(name, settings))
    if as_json:
        emit(report.as_json())
    else:
        _tell(report.as_json())
    return 0 if report.ok else 1


def _tell(told: dict[str, Any]) -> None:
    """For people."""
    attempts = told["attempts"]
    if attempts:
        say(
            f"{attempts['actions']} actions, {attempts['attempts']} attempts, {attempts['retried']} tried again, "
            f"{attempts['success_rate']:.1%} succeeded; an attempt took {attempts['p50_s'] * 1000:.0f} ms "
            f"(p95 {attempts['p95_s'] * 1000:.0f} ms)"
        )
        if attempts["errors"]:
            say("errors    " + ", ".join(f"{code} {count}" for code, count in attempts["errors"].items()))
    if told["injected"]:
        say("injected  " + ", ".join(f"{what} {count}" for what, count in told["injected"].items()))
    for promise in told["promises"]:
        seen = f" ({promise['seen']})" if promise["seen"] else ""
        say(f"{'held  ' if promise['held'] else 'BROKEN'}    {promise['promise']}{seen}")
    audit = told["audit"]
    say(f"audit     {'verified' if audit['verified'] else 'NOT as it was written'}, {audit['entries']} entries")
    say(f"{told['drill']}: {'every promise held' if told['ok'] else 'a promise broke'} ({told['seconds']:.1f} s)")


COMMANDS = {"drill": drill}
