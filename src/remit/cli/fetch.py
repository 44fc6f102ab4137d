"""``remit fetch``: read one web address, as an agent would: under the guard, with every limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, settings_of
from remit.cli.missions import asynchronously
from remit.cli.output import common, emit, hint, say
from remit.kernel.effects import Fetch
from remit.kernel.errors import InvalidInput
from remit.kernel.plain import plain, plain_lines

if TYPE_CHECKING:
    from remit.kernel.mission import Outcome

MOST_LINES = 400
_REFUSED = 1


@click.command()
@click.argument("url")
@click.option("--method", type=click.Choice(["GET", "HEAD"]), default="GET", show_default=True, help="How to ask.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="Send it too; VALUE may be secret://NAME."
)
@click.option("--depth", default=0, type=click.IntRange(0, 100), metavar="N", help="Links from a page that was given.")
@click.option("--output", default="", metavar="FILE", help="Write the page's text there, and only tell about it here.")
@common
@asynchronously
async def fetch(
    url: str,
    method: str,
    headers: tuple[str, ...],
    depth: int,
    output: str,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Read URL: judged, robots.txt kept to, redirects rechecked, the text without secrets; audited.

    Public addresses on ports 80 and 443 only; the settings fetch_ports and fetch_private open more. Which hosts may be
    read, the rules say (remit policy). Ends with 1 when the answer was an error, 3 when it was refused, 5 when nobody
    answered.
    """
    del debug
    from remit.bootstrap import open_runtime, write_fetched
    from remit.kernel.action import Action
    from remit.kernel.ids import new_id

    settings = settings_of(home)
    by = acting(settings)
    action = Action(new_id(), Fetch(url, method, _named(headers), depth), by, by, settings.workspace)
    async with open_runtime(settings) as runtime:
        await runtime.guard.restore(settings.workspace)
        try:
            done = await runtime.guard.run(action)
        finally:
            runtime.store.seal()
    if output:
        write_fetched(Path(output), done.text)
    if as_json:
        text = {} if output else {"text": done.text}
        emit({"action": action.id, "ok": done.ok, **done.value, **text, **({"output": output} if output else {})})
    else:
        _tell(done, output=output, action=action.id)
    return 0 if done.ok else _REFUSED


def _named(headers: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in headers:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            message = f"The header {name[:40]!r} has no value."
            raise InvalidInput(message, hint="remit fetch URL --header NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _tell(done: Outcome, *, output: str, action: str) -> None:
    """The page on stdout, with nothing in it that a terminal obeys; what is known about it beside."""
    value = done.value
    moved = value.get("redirects")
    way = f", after {len(moved)} redirects" if isinstance(moved, list | tuple) and moved else ""
    hint(
        f"{value.get('status')} {plain(str(value.get('url')), limit=300)} ({value.get('bytes')} bytes of "
        f"{value.get('type') or 'text'} from {value.get('address')}{way})"
    )
    if output:
        say(f"written to {output}")
    else:
        for line in plain_lines(done.text, lines=MOST_LINES) if done.text else ():
            say(line)
    if not done.ok:
        hint(f"the server answered with an error: remit why {action}")


COMMANDS = {"fetch": fetch}
