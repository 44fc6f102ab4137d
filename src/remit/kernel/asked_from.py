"""From where the request came that this code runs for, as the one who lets requests in tells; for the audit log.

It belongs to the context, as the ids of ``correlation`` do: the store's writer runs each operation in the context that
queued it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from remit.kernel.plain import plain

LONGEST = 200
_FROM: ContextVar[Mapping[str, str] | None] = ContextVar("remit_asked_from", default=None)


def asked_from() -> Mapping[str, str] | None:
    """``via``, ``ip`` and ``agent`` of the request; ``None``: none came, this process's own user asks."""
    return _FROM.get()


@contextmanager
def asking(*, via: str, ip: str, agent: str) -> Generator[None]:
    """While this lasts, orders come from there. ``agent`` is what the client calls itself: anybody may say anything."""
    token = _FROM.set({"via": via, "ip": ip[:64], "agent": plain(agent, limit=LONGEST)})
    try:
        yield
    finally:
        _FROM.reset(token)
