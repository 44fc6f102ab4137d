"""``remit init``: make a home."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say


@click.command()
@common
def init(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a home: store, signing key, local owner, agents. Harmless to repeat."""
    del debug
    from remit.bootstrap import open_store, prepare_home

    settings = settings_of(home)
    fresh = asyncio.run(prepare_home(settings))
    with open_store(settings) as store:
        key = store.verifiers[0].vkey
    if as_json:
        emit({"home": str(settings.home), "created": fresh, "key": key})
        return 0
    say(f"{'made' if fresh else 'found'} the home {settings.home}")
    say(f"audit key {key}")
    say("next: remit run build examples/intakes/clinic.yaml")
    return 0


COMMANDS = {"init": init}
