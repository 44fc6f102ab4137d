"""The gateway on the command line: ``gateway``."""

from __future__ import annotations

import os

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say

HOST, PORT = "127.0.0.1", 4100


@click.command(name="gateway")
@click.option("--host", default=HOST, show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0: any that is free.")
@click.option("--anywhere", is_flag=True, help="Allow an address that other machines can reach.")
@click.option("--access-log", is_flag=True, help="A line on stderr for each request.")
@common
def gateway(
    host: str, port: int, home: str | None, *, anywhere: bool, access_log: bool, as_json: bool, debug: bool
) -> int:
    """Answer clients of OpenAI's and Anthropic's interfaces, each call under the guard, until interrupted."""
    del debug
    from remit.serve.gateway.serving import Listening, serve

    settings = settings_of(home)

    def ready(at: Listening) -> None:
        if as_json:
            emit({"gateway": {"openai": at.openai, "anthropic": at.anthropic, "pid": os.getpid()}})
            return
        say(f"gateway at {at.anthropic} (pid {os.getpid()}), stop with Ctrl-C")
        say(f"  OpenAI clients:     OPENAI_BASE_URL={at.openai}")
        say(f"  Anthropic clients:  ANTHROPIC_BASE_URL={at.anthropic}")
        say("next: a key for a client: remit keys create NAME")

    serve(settings, host=host, port=port, anywhere=anywhere, access_log=access_log, ready=ready)
    return 0


COMMANDS = {"gateway": gateway}
