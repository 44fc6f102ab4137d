"""``remit up``: everything in one process, or in several on Postgres."""

from __future__ import annotations

import importlib
from typing import Any

import click

from remit.cli.context import settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, hint, say

HOST, PORT = "127.0.0.1", 4100


@click.command(name="up")
@click.option("--host", default=HOST, show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0: any that is free.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes (Postgres).")
@click.option("--anywhere", is_flag=True, help="Allow an address that other machines can reach.")
@click.option("--access-log", is_flag=True, help="A line on stderr for each request.")
@common
def up(
    host: str,
    port: int,
    workers: int,
    home: str | None,
    *,
    anywhere: bool,
    access_log: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Serve console, API and gateway on one port, and run missions, until interrupted.

    Ctrl-C, or SIGTERM, stops gracefully; a second time, at once.
    """
    # By name: what serves stands beside this room, and no other command of it loads a server.
    starting = importlib.import_module("remit.serve.up.starting")
    settings = settings_of(home)
    words = [
        *(("--home", home) if home else ()),
        *(("--access-log",) if access_log else ()),
        *(("--debug",) if debug else ()),
    ]

    def plain() -> None:
        """Say so when nobody can sign in at the address that was told: production speaks HTTPS only."""
        if not settings.public_url and settings.plain_refused:
            hint("plain HTTP is turned away here: put a proxy with TLS in front, and set public_url = https://HOST")

    def ready(at: Any, pid: int, link: str) -> None:  # noqa: ANN401 - ``listening.Listening``, loaded by name
        base = settings.public_url or at.url
        if as_json:
            where = {"host": at.host, "port": at.port, "pid": pid, "workers": workers}
            told = {**where, "console": at.url, "api": f"{at.url}/api/v1", "openai": at.openai}
            tell_once({"up": {**told, "set_up": base + link} if link else told}, "", as_json=True)
            return
        plain()
        say(f"serving (pid {pid}), stop with Ctrl-C")
        say(f"  console  {at.url}")
        say(f"  API      {at.url}/api/v1  (described at {at.url}/openapi.json)")
        say(f"  gateway  OPENAI_BASE_URL={at.openai}  ANTHROPIC_BASE_URL={at.anthropic}")
        if link:
            tell_once({}, f"  set your password, once and within the hour: {base}{link}", as_json=False)
        say("next: remit run build examples/intakes/clinic.yaml --queue")
        say("  or, for a program that asks models, an agent and its key:")
        say("  remit agents register NAME --kind client --effect model --model '*'")
        say("  remit keys create NAME --agent NAME")

    code: int = starting.up(
        settings,
        host=host,
        port=port,
        workers=workers,
        anywhere=anywhere,
        access_log=access_log,
        words=words,
        ready=ready,
    )
    return code


COMMANDS = {"up": up}
