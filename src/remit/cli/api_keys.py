"""``remit apikeys``: keys of people, for their own programs at Remit's API."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import acting, settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, emit, say, table
from remit.kernel.clock import SystemClock, iso, micros_of

_SCOPES = click.Choice(["read", "write", "delete", "approve", "admin"])


@click.group(name="apikeys")
def api_keys() -> None:
    """Keys of people for Remit's own API: make, list, revoke. Keys of agents are remit keys."""


@api_keys.command()
@click.argument("name")
@click.option("--scope", multiple=True, type=_SCOPES, help="What it may use of your rights; repeatable; read if none.")
@click.option("--days", default=90, show_default=True, help="How long it holds, at most 365.")
@common
def create(name: str, scope: tuple[str, ...], days: int, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a key of your own; it is shown once, here, and kept nowhere."""
    del debug
    from remit.accounts.api_keys import create_api_key
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        order = create_api_key(
            open_entrance(settings, store),
            name,
            workspace=settings.workspace,
            by=acting(settings),
            scopes=scope or ("read",),
            days=days,
        )
        made = asyncio.run(order)
    text = f"{made.token}\nAPI key {made.id}, {' '.join(made.scopes)}, until {iso(made.expires_us)}"
    return tell_once(made.as_json(_now_us()), text, as_json=as_json)


@api_keys.command(name="list")
@click.option("--all", "everybody", is_flag=True, help="Everybody's, for whoever administers members.")
@common
def list_(home: str | None, *, everybody: bool, as_json: bool, debug: bool) -> int:
    """List your keys: their beginnings, what they open, until when, when they were used last."""
    del debug
    from remit.accounts.api_keys import list_api_keys
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        entrance = open_entrance(settings, store)
        order = list_api_keys(entrance, workspace=settings.workspace, by=acting(settings), everybody=everybody)
        found = asyncio.run(order)
    now = _now_us()
    if as_json:
        emit({"api_keys": [key.as_json(now) for key in found]})
        return 0
    if not found:
        say("There is no API key. Make one: remit apikeys create NAME")
        return 0
    rows = [
        (
            key.id,
            key.person,
            key.name,
            key.begins,
            " ".join(key.scopes),
            key.status(now),
            iso(key.expires_us),
            "-" if key.used_us is None else iso(key.used_us),
        )
        for key in found
    ]
    say(table(rows, head=("api key", "user", "name", "begins", "opens", "status", "until", "used")))
    return 0


@api_keys.command()
@click.argument("key")
@common
def revoke(key: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End a key by its id, your own or, administering members, somebody else's."""
    del debug
    from remit.accounts.api_keys import revoke_api_key
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        entrance = open_entrance(settings, store)
        asyncio.run(revoke_api_key(entrance, key, workspace=settings.workspace, by=acting(settings)))
    emit({"api_key": key, "revoked": True}) if as_json else say(f"revoked {key}")
    return 0


def _now_us() -> int:
    return micros_of(SystemClock().now())


COMMANDS = {"apikeys": api_keys}
