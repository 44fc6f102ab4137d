"""What ``remit up`` does first: where to listen, how many processes, which one this is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from socket import socket

from remit.accounts.links import first_link
from remit.accounts.signing import check_signing
from remit.bootstrap import end_with_parent, hold_home, open_entrance, open_store, prepare_home
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, InvalidInput, Unavailable
from remit.serve.listening import Listening, listen
from remit.serve.up.supervisor import Supervisor, command_of, inherited
from remit.settings import Settings

type Ready = Callable[[Listening, int, str], None]


def up(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    anywhere: bool,
    access_log: bool,
    words: Sequence[str],
    ready: Ready,
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
        ready: Told once, when it answers: where, the process to send signals to, and the path of the link with which
            the owner sets a first password (empty: people can sign in).

    Raises:
        InvalidInput: More than one process on SQLite; an address that others reach, unasked; or a production install
            without a good signing secret.
        Unavailable: It can't be listened there.
        Conflict: Another ``remit up`` serves this home.
    """
    check_signing(settings)
    handed = inherited()
    if handed is not None:
        listener, parent = handed
        end_with_parent(parent)
        _run(settings, listener, ready=lambda at: ready(at, os.getpid(), ""), access_log=access_log)
        return 0
    if workers > 1 and not settings.store_url:
        message = f"{workers} processes can't share a store on SQLite, which has one writer."
        hint = "set store_url to a postgresql:// address, or give one process more to do: remit up --workers 1"
        raise InvalidInput(message, code="up.workers", hint=hint)
    listener = listen(host, port, anywhere=anywhere, command="up")
    with listener, _sole(settings):
        link = asyncio.run(_prepare(settings))
        told = partial(_tell, ready, link)
        if workers == 1:
            _run(settings, listener, ready=partial(told, pid=os.getpid()), access_log=access_log)
            return 0
        keeper = Supervisor(command_of(words), workers, listener, told, settings.gateway_drain_s)
        return asyncio.run(keeper.run())


@contextmanager
def _sole(settings: Settings) -> Generator[None]:
    """On SQLite one process works on a home.

    Raises:
        Conflict: Another one does.
        Unavailable: The home can't be written.
    """
    if settings.store_url:
        yield
        return
    with ExitStack() as stack:
        try:
            held = stack.enter_context(hold_home(settings))
        except OSError as error:
            message = f"The home {settings.home} can't be written: {error.strerror}."
            raise Unavailable(message, code="up.home", hint=f"remit doctor --home {settings.home}") from error
        if not held:
            message = f"Another remit up serves {settings.home}: on SQLite one process does."
            raise Conflict(message, code="up.running", hint="stop it, or use another home: remit up --home DIR")
        yield


async def _prepare(settings: Settings) -> str:
    """Make the home ready; the path of the link with which its owner sets a password, unless people can sign in."""
    await prepare_home(settings)
    if settings.oidc_issuer:
        return ""
    owner = Principal(ActorKind.USER, settings.owner)
    with open_store(settings) as store:
        link = await first_link(open_entrance(settings, store), workspace=settings.workspace, owner=owner)
    return "" if link is None else link.path()


def _tell(ready: Ready, link: str, at: Listening, pid: int) -> None:
    ready(at, pid, link)


def _run(settings: Settings, listener: socket, *, ready: Callable[[Listening], None], access_log: bool) -> None:
    from remit.serve.up.running import run  # noqa: PLC0415 - a supervisor serves nothing itself

    run(settings, listener, ready=ready, access_log=access_log)
