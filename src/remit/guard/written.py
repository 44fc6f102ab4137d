"""An outcome that was queued and not awaited: what a later write of the same batch must know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from remit.kernel.ports import Journal, Tx


class Written:
    """A queued write. Writes are first in first out, so one that is committed later implies this one, if it succeeded.

    That is what ``check`` tells inside the later operation, even when both are in one transaction.
    """

    __slots__ = ("_error", "_op", "future")

    def __init__(self, journal: Journal, name: str, op: Callable[[Tx], None], *, patient: bool = False) -> None:
        self._op = op
        self._error: BaseException | None = None
        self.future: Future[None] = journal.submit(name, self._run, patient=patient)

    def _run(self, tx: Tx) -> None:
        self._error = None  # it may be run again, when the database ended its first transaction
        try:
            self._op(tx)
        except BaseException as error:
            self._error = error
            raise

    def check(self) -> None:
        """To be called in a later operation.

        Raises:
            BaseException: What this write failed with.
        """
        if self.future.done():
            self.future.result()
        elif self._error is not None:
            raise self._error

    async def wait(self) -> None:
        """Until it is committed.

        Raises:
            BaseException: What it failed with.
        """
        await asyncio.wrap_future(self.future)
