"""The gateway on the command line: ``gateway``."""

from __future__ import annotations

import importlib
import os
from typing import Any

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
    # By name: what serves stands beside this room, and no other command of it loads a server.
    serving = importlib.import_module("remit.serve.gateway.serving")
    settings = settings_of(home)

    def ready(at: Any) -> None:  # noqa: ANN401 - ``serving.Listening``, loaded by name
        if as_json:
            emit({"gateway": {"openai": at.openai, "anthropic": at.anthropic, "pid": os.getpid()}})
            return
        say(f"gateway at {at.anthropic} (pid {os.getpid()}), stop with Ctrl-C")
        say(f"  OpenAI clients:     OPENAI_BASE_URL={at.openai}")
        say(f"  Anthropic clients:  ANTHROPIC_BASE_URL={at.anthropic}")
        say("next: for a program that asks models, an agent and its key:")
        say("  remit agents register NAME --kind client --effect model --model '*'")
        say("  remit keys create NAME --agent NAME")

    serving.serve(settings, host=host, port=port, anywhere=anywhere, access_log=access_log, ready=ready)
    return 0


COMMANDS = {"gateway": gateway}
