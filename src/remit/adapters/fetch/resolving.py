"""Names to addresses, once for each connection: whoever checks and whoever connects use the same answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from functools import partial

from remit.kernel.errors import Failed, Unavailable

#: Every address of a name, as the system would try them.
type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

PATIENCE_S = 5.0
MOST_LOOKUPS = 32  # at once: a resolver that hangs does not gather threads without end

_UNKNOWN = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_places = threading.BoundedSemaphore(MOST_LOOKUPS)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system, for at most ``PATIENCE_S`` seconds. A name counts as absolute: no search list is gone through.

    Raises:
        Failed: Nobody knows the name. Unavailable: No answer (in time).
    """
    if not _places.acquire(blocking=False):
        message = f"{MOST_LOOKUPS} names are being looked up already, so {host} has to wait."
        raise Unavailable(message, code="fetch.resolver")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()
    # A thread of its own, which nobody waits for at the end: getaddrinfo can't be stopped, and may take half a minute.
    look = partial(copy_context().run, _look_up, host, port, loop, answer)  # with the permit that it belongs to
    threading.Thread(target=look, daemon=True, name="fetch-resolver").start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answer
    except TimeoutError as error:
        message = f"The name {host} was not resolved within {PATIENCE_S:g} s."
        raise Unavailable(message, code="fetch.resolver") from error
    except socket.gaierror as error:
        if error.errno in _UNKNOWN:
            message = f"The name {host} leads nowhere: no such host is known."
            raise Failed(message, code="fetch.unknown_host", hint="check how the address is spelled") from error
        message = f"The name {host} can't be resolved: {error.strerror}."
        raise Unavailable(message, code="fetch.resolver") from error


def _look_up(host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]) -> None:
    absolute = f"{host}." if "." in host and ":" not in host else host
    found: list[str] = []
    failure: OSError | None = None
    try:
        for _family, _kind, _protocol, _name, place in socket.getaddrinfo(
            absolute.encode("ascii"), port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        ):
            address = str(place[0])
            if address not in found:
                found.append(address)
    except OSError as error:
        failure = error
    finally:
        _places.release()

    def tell() -> None:
        if not answer.done():
            if failure is not None:
                answer.set_exception(failure)
            else:
                answer.set_result(found)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
