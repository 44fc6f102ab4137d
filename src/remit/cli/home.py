"""``remit init``: make a home."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import address_of, settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, say
from remit.kernel.action import ActorKind, Principal


@click.command()
@common
def init(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a home: store, signing key, local owner, agents. Harmless to repeat."""
    del debug
    from remit.accounts.links import first_link
    from remit.bootstrap import open_entrance, open_store, prepare_home

    settings = settings_of(home)
    fresh = asyncio.run(prepare_home(settings))
    link = None
    with open_store(settings) as store:
        key = store.verifiers[0].vkey
        if fresh:
            owner = Principal(ActorKind.USER, settings.owner)
            link = asyncio.run(first_link(open_entrance(settings, store), workspace=settings.workspace, owner=owner))
    url = "" if link is None else address_of(settings) + link.path()
    if as_json:
        told = {"home": str(settings.home), "created": fresh, "key": key}
        return tell_once({**told, "set_up": url} if url else told, "", as_json=True)
    say(f"{'made' if fresh else 'found'} the home {settings.home}")
    say(f"audit key {key}")
    if url:
        tell_once({}, f"set your password, once and within the hour, in the console: {url}", as_json=False)
    say("next: remit run build examples/intakes/clinic.yaml")
    return 0


COMMANDS = {"init": init}
