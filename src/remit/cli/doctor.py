"""``remit doctor``: what is wrong with this install, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say

_MARKS = {"ok": "ok  ", "warn": "warn", "bad": "NOT "}


@click.command()
@click.option("--production", is_flag=True, help="Go through the deployment checklist too.")
@click.option("--network", is_flag=True, help="Ask the configured providers, under the guard.")
@common
def doctor(home: str | None, *, production: bool, network: bool, as_json: bool, debug: bool) -> int:
    """Check this install: machine, home, store, audit log, clocks, secrets; each with what to do.

    Ends with 1 when something must be mended; a warning alone does not.
    """
    del debug
    from remit.bootstrap import examine
    from remit.packs.build.pack import TOOLS

    found = examine(settings_of(home), tools=tuple(TOOLS), production=production, network=network)
    ok = all(one.ok for one in found)
    if as_json:
        emit({"ok": ok, "checks": [{**asdict(one), "ok": one.ok} for one in found]})
    else:
        for one in found:
            say(f"{_MARKS[one.state.value]} {one.name:22} {one.seen}")
            if one.fix:
                say(f"     why: {one.why}")
                say(f"     fix: {one.fix}")
    return 0 if ok else 1


COMMANDS = {"doctor": doctor}
