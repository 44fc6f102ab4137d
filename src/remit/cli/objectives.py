"""``remit objectives``: error budgets, what is used of them and how fast they burn."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from remit.cli.context import acting, settings_of
from remit.cli.output import common, emit, hint, say, table

_WORDS = {"ok": "ok", "warn": "look at it", "bad": "missed"}


@click.command()
@click.option("--check", is_flag=True, help="Exit 1 when a budget is used up or burns too fast.")
@common
def objectives(home: str | None, *, check: bool, as_json: bool, debug: bool) -> int:
    """What may fail of actions and missions over 28 days, what has, and how fast more of it does."""
    del debug
    from remit.accounts.access import Permission, reading, require
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock, iso, micros_of
    from remit.kernel.ports import ReadTx
    from remit.missions.objectives import ErrorBudget, error_budgets

    settings = settings_of(home)
    now_us = micros_of(SystemClock().now())

    def op(tx: ReadTx) -> tuple[ErrorBudget, ...]:
        require(tx, acting(settings), workspace=settings.workspace, permission=Permission.READ)
        return error_budgets(tx, settings.workspace, settings, now_us=now_us)

    with open_store(settings) as store:
        found = asyncio.run(reading(store, op))
    late = [one for one in found if one.used >= 1 or any(burn.fast for burn in one.burns)]
    if as_json:
        told = [
            {name: value for name, value in asdict(one).items() if name != "since_us"}
            | {"mark": one.mark, "since": iso(one.since_us) if one.capped else None}
            for one in found
        ]
        emit({"error_budgets": told})
    else:
        rows = [
            (
                one.what,
                f"{one.objective:.2%}",
                f"{one.bad} of {one.good + one.bad}",
                f"{one.used:.0%}",
                ", ".join(f"{burn.rate:g} in {burn.hours} h" for burn in one.burns),
                _WORDS[one.mark],
            )
            for one in found
        ]
        say(table(rows, head=("what", "objective", "failed", "budget used", "burns", "state")))
        for one in found:
            if one.capped:
                say(f"{one.what}: the newest {one.good + one.bad} that count, since {iso(one.since_us)}")
        if late:
            hint("what failed: remit missions; remit why MISSION")
    return 1 if check and late else 0


COMMANDS = {"objectives": objectives}
