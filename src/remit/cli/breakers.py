"""``remit breakers``: the circuits of outside services; a person resets one or holds one open, with a reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table


@click.group(invoke_without_command=True)
@common
@click.pass_context
def breakers(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Every circuit that ever opened: where it stands, why, until when; reset or open one."""
    del debug
    if ctx.invoked_subcommand is not None:
        return 0
    from remit.bootstrap import open_store
    from remit.guard.breakers import list_circuits
    from remit.kernel.clock import iso

    settings = settings_of(home)
    with open_store(settings) as store:
        found = asyncio.run(list_circuits(store, workspace=settings.workspace))
    if as_json:
        emit({"breakers": [view.as_json() for view in found]})
        return 0
    if not found:
        say("No circuit ever opened.")
        return 0
    rows = [
        (
            view.kind,
            view.operation,
            view.phase.value,
            (_until(view.until_us) if view.until_us else "until reset") if view.phase.value == "open" else "-",
            str(view.trips_ever),
            iso(view.tripped_us)[:19] if view.tripped_us else "-",
            view.why + (f" ({view.moved_by})" if view.moved_by else ""),
        )
        for view in found
    ]
    say(table(rows, head=("kind", "operation", "circuit", "open", "trips", "last trip", "why")))
    return 0


@breakers.command()
@click.argument("kind")
@click.argument("operation")
@click.option("--reason", required=True, help="Why it may be called again, for the audit log.")
@common
def reset(kind: str, operation: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Close a circuit: calls go through again, in every process within a quarter of a second."""
    del debug
    return _move(kind, operation, reason, home, as_json=as_json, opened=False)


@breakers.command(name="open")
@click.argument("kind")
@click.argument("operation")
@click.option("--reason", required=True, help="Why nobody may call it, for the audit log.")
@common
def open_(kind: str, operation: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Hold a circuit open until it is reset: every call is refused at once."""
    del debug
    return _move(kind, operation, reason, home, as_json=as_json, opened=True)


def _move(kind: str, operation: str, reason: str, home: str | None, *, as_json: bool, opened: bool) -> int:
    from remit.bootstrap import open_store
    from remit.guard.breakers import Order, move
    from remit.kernel.action import ActorKind, Principal
    from remit.kernel.clock import SystemClock

    above = click.get_current_context().parent
    given = {} if above is None else above.params  # `remit breakers --home DIR reset ...` says it there
    settings = settings_of(home or given.get("home"))
    as_json = as_json or bool(given.get("as_json"))
    by = Principal(ActorKind.USER, settings.acting)
    order = Order(settings.workspace, kind, operation)
    with open_store(settings) as store:
        view = asyncio.run(move(store, order, opened=opened, reason=reason, by=by, clock=SystemClock()))
        store.seal()
    if as_json:
        emit(view.as_json())
        return 0
    say(f"{kind} {operation}: {view.phase.value} ({reason})")
    if opened:
        say(f"undo it with: remit breakers reset {kind} {operation} --reason WHY")
    return 0


def _until(at_us: int) -> str:
    left = at_us / 1_000_000 - datetime.now(UTC).timestamp()
    return f"another {left:.0f} s" if left > 0 else "may be tried"


COMMANDS = {"breakers": breakers}
