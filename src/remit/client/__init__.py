"""A typed client of the control API: ``Client`` for threads, ``AsyncClient`` for event loops.

Promise: what a server says of its audit log is held to: the newest signed head is remembered for each server, and an
answer under a head that does not extend it is refused. Errors are Remit's own, from the problem documents.
"""

from remit.client.clients import AsyncClient, Client
from remit.client.live import Event, EventKind

__all__ = ["AsyncClient", "Client", "Event", "EventKind"]
