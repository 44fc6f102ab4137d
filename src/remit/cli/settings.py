"""``remit settings``: every setting with its value, where that came from and what it does."""

from __future__ import annotations

from dataclasses import asdict

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table


@click.command()
@click.argument("words", required=False, default="", metavar="[WORDS]")
@click.option("--changed", is_flag=True, help="Only those that somebody set.")
@common
def settings(words: str, home: str | None, *, changed: bool, as_json: bool, debug: bool) -> int:
    """Every setting that a command here and now would use, where each came from; WORDS: only those that speak of it."""
    del debug
    from remit.operations.origins import list_settings, matching

    found = matching(list_settings(settings_of(home)), words=words, changed=changed)
    if as_json:
        emit({"settings": [asdict(one) for one in found]})
        return 0
    if not found:
        say("No setting fits. All of them: remit settings")
        return 0
    rows = [
        (one.name, "(hidden)" if one.hidden and one.changed else one.value or "-", one.place or one.origin.value)
        for one in found
    ]
    say(table(rows, head=("setting", "value", "from")))
    return 0


COMMANDS = {"settings": settings}
