"""What both stores share: queueing writes, waiting for them, reading off the event loop, verifying."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from sqlalchemy import Text, column, select, table

from remit.adapters.store.log import LogWriter
from remit.adapters.store.migrate import HEAD
from remit.adapters.store.pulse import Pulse
from remit.adapters.store.statistics import Statistics
from remit.adapters.store.transaction import ReadTransaction, WriteTransaction
from remit.adapters.store.writer import FutureWaiter, Item, LoopWaiter, Writer
from remit.audit.erase import Erased, erase_keys
from remit.audit.note import Signer, Verifier
from remit.audit.report import Discrepancy, Report
from remit.audit.signed import recorded
from remit.kernel.action import Principal
from remit.kernel.effects import Durability
from remit.kernel.errors import Conflict, Unavailable
from remit.kernel.ports import ReadTx
from remit.kernel.within import joined, pending

COMMIT_SECONDS = 2.0
_REVISION = select(column("version_num", Text())).select_from(table("alembic_version"))


class _Held[T](Future[T]):
    """The future of a write that may still be held for the next one: a thread that blocks on it hands it over first."""

    def __init__(self, flush: Callable[[], None]) -> None:
        super().__init__()
        self._flush = flush

    def result(self, timeout: float | None = None) -> T:
        """As a future's."""
        if not self.done():
            self._flush()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As a future's."""
        if not self.done():
            self._flush()
        return super().exception(timeout)


def _heard[T](committed: asyncio.Future[T]) -> None:
    """Whoever went on ahead may have ended since: then nobody asks why its write failed."""
    if not committed.cancelled():
        committed.exception()


class Store(ABC):
    """Remit's own store; implements ``kernel.ports.Journal`` and is its only implementation, on two databases."""

    def __init__(self, log: LogWriter, writer: Writer, *, readers: int) -> None:
        self._log = log
        self._writer = writer
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="remit-reader")

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The public keys of the log, the one that signs first, then those that signed before."""
        self._log.read_keys()
        return self._log.verifiers

    @property
    def waiting(self) -> int:
        """See ``Writer.waiting``."""
        return self._writer.waiting

    @property
    def signers(self) -> tuple[Signer, ...]:
        """The private keys that sign now: one, or two while the key is being changed."""
        self._log.read_keys()
        return self._log.signers

    @abstractmethod
    def migrate(self) -> None:
        """Bring the database to this version's schema (creating it), in this process.

        Raises:
            Conflict: A newer Remit wrote it.
        """

    # ------------------------------------------------------------------------------------------------------- writes

    def submit[T](
        self,
        name: str,
        op: Callable[[WriteTransaction], T],
        *,
        durable: Durability = Durability.COMMIT,
        patient: bool = False,
    ) -> Future[T]:
        """Queue a write, first in first out, from any thread; see ``kernel.ports.Journal``.

        Raises:
            InternalError: ``name`` is no crash point.
            Unavailable: The store is closed.
        """
        future: Future[T] = _Held(self._writer.flush)
        item = Item(name, op, durable, FutureWaiter(future))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._writer.put(item)
        else:
            self._writer.put_with_next(item, loop, patient=patient)
        return future

    async def commit[T](
        self, name: str, op: Callable[[WriteTransaction], T], *, durable: Durability = Durability.COMMIT
    ) -> T:
        """Queue a write and wait until it is committed, or signed for ``SEALED``.

        A waiter that is cancelled does not take its write back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        held = pending()
        whole = joined(op, held) if held else op
        self._writer.put(Item(name, whole, durable, LoopWaiter(loop, future)))
        result = await future
        for each in held:
            each.done = True
        return result

    async def ahead[T](self, name: str, op: Callable[[WriteTransaction], T]) -> asyncio.Future[T]:
        """Queue a write and wait until it has run; see ``kernel.ports.Journal``.

        A waiter that is cancelled does not take its write back.
        """
        loop = asyncio.get_running_loop()
        if pending():
            done: asyncio.Future[T] = loop.create_future()
            done.set_result(await self.commit(name, op))
            return done
        ran: asyncio.Future[T] = loop.create_future()
        committed: asyncio.Future[T] = loop.create_future()
        committed.add_done_callback(_heard)
        self._writer.put(Item(name, op, Durability.COMMIT, LoopWaiter(loop, committed), LoopWaiter(loop, ran)))
        await ran
        return committed

    def write[T](self, name: str, op: Callable[[WriteTransaction], T], *, durable: Durability = Durability.COMMIT) -> T:
        """As ``commit``, for code without an event loop."""
        future: Future[T] = Future()
        self._writer.put(Item(name, op, durable, FutureWaiter(future)))
        return future.result()

    def seal(self) -> None:
        """Wait until a signed checkpoint covers every entry committed so far.

        Raises:
            IntegrityError: The log does not continue the last head.
        """
        self.write("audit.checkpoint", lambda _tx: None, durable=Durability.SEALED)

    # -------------------------------------------------------------------------------------------------------- reads

    async def read[T](self, op: Callable[[ReadTransaction], T]) -> T:
        """Run reads in one snapshot, on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.view, op)

    @abstractmethod
    def view[T](self, op: Callable[[ReadTransaction], T]) -> T:
        """As ``read``, in the calling thread."""

    # ------------------------------------------------------------------------------------------------------ the rest

    def check_schema(self, tx: ReadTransaction) -> None:
        """Refuse a database whose schema is not this version's; inside a read.

        Raises:
            Conflict: It is of an older or a newer version.
        """
        found = {row[0] for row in tx.tuples(_REVISION)}
        if found != {HEAD}:
            message = f"The store's schema is {', '.join(sorted(found)) or 'none'}, this version's is {HEAD}."
            raise Conflict(message, code="store.schema", hint="remit init")

    async def check_writable(self) -> None:
        """Refuse a store whose audit log takes no entries: an empty transaction must commit, and heads must be signed.

        Raises:
            RemitError: Why it does not.
        """
        error = self._writer.seal_error
        if error is not None:
            message = f"The audit log could not be signed: {error}."
            raise Unavailable(message, code="store.sealing", hint="remit audit verify") from error
        await self.commit("audit.checkpoint", lambda _tx: None)

    def erase(
        self, subject: str, *, workspace: str, by: Principal, reason: str, allow: Callable[[ReadTx], None]
    ) -> tuple[Erased, bool]:
        """Erase a person from the audit log, see ``audit.erase.erase_keys``.

        Returns:
            What was erased, and whether no file of the database holds the destroyed keys any more. ``False``: a reader
            kept the write-ahead log from being cut; erasing again tries once more.

        Raises:
            Denied: ``by`` may not.
        """

        def op(tx: WriteTransaction) -> Erased:
            if tx.keys is not None:
                tx.keys.forget()
            return self._overwriting(
                tx, lambda: erase_keys(tx, subject, workspace=workspace, by=by, reason=reason, allow=allow)
            )

        found = self.write("audit.erase", op, durable=Durability.SEALED)
        return found, bool(found.holds) or self._shred()

    def blank[T](self, work: Callable[[WriteTransaction], T]) -> tuple[T, bool]:
        """Change texts so that what they held is in no file of the database; whether it came to that, as ``erase``."""
        done = self.write("audit.erase", lambda tx: self._overwriting(tx, lambda: work(tx)))
        return done, self._shred()

    @abstractmethod
    def _overwriting[T](self, tx: WriteTransaction, work: Callable[[], T]) -> T: ...

    @abstractmethod
    def _shred(self) -> bool: ...

    def verify(self, *, start: int = 0) -> Report:
        """Verify the audit log against the signatures and the heads file; see ``audit.verify.verify``.

        ``start``: only entries from this one on.
        """
        report = self._verify_once(start)
        return replace(report, discrepancies=tuple(d for d in report.discrepancies if not self._was_on_its_way(d)))

    def _was_on_its_way(self, discrepancy: Discrepancy) -> bool:
        """Whether a head's row was only being committed (by this process or another) while the log was read."""
        if discrepancy.kind != "unrecorded":
            return False
        deadline = time.monotonic() + COMMIT_SECONDS
        while not self.view(lambda tx: recorded(tx, discrepancy.note)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    @abstractmethod
    def _verify_once(self, start: int) -> Report: ...

    @abstractmethod
    def pulse(self) -> Pulse:
        """What tells that the store may have changed, not yet started."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Rows, sizes and queues, for administrators."""

    @abstractmethod
    def check(self) -> None:
        """Ask the database something.

        Raises:
            RemitError: It does not answer.
        """

    def close(self) -> None:
        """Commit what is queued, sign what is unsigned, close every connection."""
        self._writer.close()
        self._readers.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
