"""The audit log's newest signed head, for a header of every answer: whoever keeps it can prove a log was rewritten."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable

from remit.audit.query import latest_note
from remit.bootstrap import Store
from remit.kernel.errors import RemitError

_log = logging.getLogger(__name__)

HEADER = b"remit-checkpoint"
KEPT_S = 1.0


class Newest:
    """The newest head, read at most once a second; a header is never waited for after the first.

    Args:
        store: Where it stands.
        monotonic: Seconds that never go back.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._value = b""
        self._read_at = -KEPT_S
        self._look: asyncio.Task[None] | None = None

    async def value(self) -> bytes:
        """The signed note, base64; empty while nothing was signed, or it can't be read."""
        now = self._monotonic()
        if now - self._read_at >= KEPT_S and self._look is None:
            self._read_at = now
            self._look = asyncio.get_running_loop().create_task(self._read())
        if not self._value and self._look is not None:
            await asyncio.shield(self._look)
        return self._value

    async def _read(self) -> None:
        try:
            note = await self._store.read(latest_note)
            self._value = b64encode(note.encode()) if note else b""
        except RemitError as error:
            _log.warning("the newest head can't be read: %s", error.message)
        finally:
            self._look = None
