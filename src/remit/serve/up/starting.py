"""What ``remit up`` does first: where to listen, how many processes, which one this is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from remit.bootstrap import end_with_parent, prepare_home
from remit.kernel.errors import InvalidInput
from remit.serve.listening import Listening, listen
from remit.serve.up.supervisor import Supervisor, command_of, inherited
from remit.settings import Settings


def up(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    anywhere: bool,
    access_log: bool,
    words: Sequence[str],
    ready: Callable[[Listening, int], None],
) -> int:
    """Serve until asked to stop; the exit code.

    Args:
        settings: The settings in force.
        host: Where to listen.
        port: Where to listen; 0: any port that is free.
        workers: How many processes.
        anywhere: Whether an address that other machines can reach is meant.
        access_log: Whether each request gets a line in the log.
        words: The command's own words, for the processes that a supervisor starts.
        ready: Told once, when it answers, with the process to send signals to.

    Raises:
        InvalidInput: More than one process on SQLite; or an address that others reach, unasked.
        Unavailable: It can't be listened there.
        Conflict: Another ``remit up`` serves this home.
    """
    handed = inherited()
    if handed is not None:
        listener, parent = handed
        end_with_parent(parent)
        _run(settings, listener, ready=ready, alone=False, access_log=access_log)
        return 0
    if workers > 1 and not settings.store_url:
        message = f"{workers} processes can't share a store on SQLite, which has one writer."
        hint = "set store_url to a postgresql:// address, or give one process more to do: remit up --workers 1"
        raise InvalidInput(message, code="up.workers", hint=hint)
    listener = listen(host, port, anywhere=anywhere, command="up")
    if workers == 1:
        _run(settings, listener, ready=ready, alone=True, access_log=access_log)
        return 0
    with listener:
        asyncio.run(prepare_home(settings))  # once, before they all want to
        keeper = Supervisor(command_of(words), workers, listener, ready, settings.gateway_drain_s)
        return asyncio.run(keeper.run())


def _run(
    settings: Settings, listener: object, *, ready: Callable[[Listening, int], None], alone: bool, access_log: bool
) -> None:
    from remit.serve.up.running import run  # noqa: PLC0415 - a supervisor serves nothing itself

    run(
        settings,
        listener,  # pyright: ignore[reportArgumentType] - a socket
        ready=lambda at: ready(at, os.getpid()),
        alone=alone,
        access_log=access_log,
    )
