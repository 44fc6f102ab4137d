"""The writer: one thread, one queue, one transaction for whatever queued while the last one was being committed."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.adapters.store.shown import Drafted
from remit.adapters.store.transaction import MissedError, WriteTransaction
from remit.audit.entry import Draft
from remit.audit.refusal import Refused
from remit.kernel import crash
from remit.kernel.effects import Durability
from remit.kernel.errors import Unavailable

MAX_BATCH = 256
SEAL_SECONDS = 0.5
PATIENT_SECONDS = 0.004  # how long what nobody waits for is held for the next write: about one commit of a disk
BUSY = 4  # operations of a batch: from there on the next one is given time to fill, and so
FILL_SECONDS = 0.0005  # for each operation of the last batch,
LONGEST_FILL = 0.005  # at most

_log = logging.getLogger(__name__)

type Operation = Callable[[WriteTransaction], Any]


class Backend(Protocol):
    """What the writer asks of a database. Called from the writer's thread only.

    Attributes:
        steady: Whether nothing but a fault undoes what has run: whoever goes on ahead of the commit may then be told.
    """

    steady: bool

    def begin(self) -> WriteTransaction:
        """Start a transaction that holds the write lock where there is one.

        Raises:
            Unavailable: It cannot be started; nothing is at risk.
        """
        ...

    def savepoint(self) -> None:
        """Mark a place to return to."""
        ...

    def keep(self) -> None:
        """Forget the mark: what follows it stays."""
        ...

    def undo(self) -> bool:
        """Return to the mark; ``False`` when the database has ended the whole transaction."""
        ...

    def commit(self, drafts: list[Draft]) -> None:
        """Add the entries and commit; on return both are on disk.

        Raises:
            RemitError: Nothing was committed.
        """
        ...

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        ...

    def again(self, error: BaseException) -> bool:
        """Whether the database gave up on a transaction that may well succeed when run by itself."""
        ...

    def seal(self) -> None:
        """Sign a checkpoint over everything committed.

        Raises:
            RemitError: Nothing was signed.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class _OperationError(Exception):
    """An operation failed where there was no mark to return to; its own error is kept in its item."""


class Waiter(Protocol):
    """Who waits for an operation."""

    def tell(self, item: Item, by_loop: dict[asyncio.AbstractEventLoop, list[Item]]) -> None:
        """Pass the outcome on, or leave it with the loop it belongs to."""
        ...


@dataclass(slots=True)
class Item:
    """A queued operation and, once run, its outcome."""

    name: str
    op: Operation
    durable: Durability
    waiter: Waiter
    ahead: LoopWaiter | None = None  # who goes on once it has run, before it is committed
    context: Context = field(default_factory=copy_context)  # of whoever queued it: ids of what it belongs to
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class FutureWaiter:
    """A thread that holds a future."""

    future: Future[Any]

    def tell(self, item: Item, by_loop: dict[asyncio.AbstractEventLoop, list[Item]]) -> None:  # noqa: ARG002 - the protocol's
        """Resolve the future here."""
        if not self.future.set_running_or_notify_cancel():
            return
        if item.error is not None:
            self.future.set_exception(item.error)
        else:
            self.future.set_result(item.value)


@dataclass(frozen=True, slots=True)
class LoopWaiter:
    """A coroutine: all that wait on one loop are woken by one call."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def tell(self, item: Item, by_loop: dict[asyncio.AbstractEventLoop, list[Item]]) -> None:
        """Leave it for the loop."""
        by_loop.setdefault(self.loop, []).append(item)


def _wake(items: list[Item]) -> None:
    for item in items:
        if item.ahead is not None:
            _resolve(item.ahead.future, item)  # first: it may not have been told before
        if isinstance(item.waiter, LoopWaiter):
            _resolve(item.waiter.future, item)


def _wake_ahead(items: list[Item]) -> None:
    for item in items:
        # What failed since, with the commit, is told by the write's own future.
        if item.ahead is not None and not item.ahead.future.done():
            item.ahead.future.set_result(item.value)


def _resolve(future: asyncio.Future[Any], item: Item) -> None:
    if future.done():
        return
    if item.error is not None:
        future.set_exception(item.error)
    else:
        future.set_result(item.value)


@dataclass(slots=True)
class Writer:
    """Runs operations in the order in which they were queued; starts with the first one.

    A batch is what queued during the last commit, at most 256. Few callers never wait for company; where the last batch
    had several operations, the next one is given some milliseconds to fill: a commit costs the processor as much as ten
    operations, and with that many callers about it is the processor that they wait for. An unsigned entry is signed at
    most half a second later, at once when somebody waits for it, and at ``close``.
    """

    backend: Backend
    name: str = "remit-writer"
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _queue: queue.SimpleQueue[Item | None] = field(default_factory=queue.SimpleQueue[Item | None])
    _held: list[Item] = field(default_factory=list["Item"])
    _holders: set[asyncio.AbstractEventLoop] = field(default_factory=set[asyncio.AbstractEventLoop])
    _patient: set[asyncio.AbstractEventLoop] = field(default_factory=set[asyncio.AbstractEventLoop])  # have a timer
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _unsigned_since: float | None = None
    _last: int = 0  # operations of the last batch
    seal_error: BaseException | None = None
    batches: int = 0  # committed by this process, and how many operations they held
    writes: int = 0

    def put(self, item: Item) -> None:
        """Queue an operation.

        Raises:
            InternalError: Its name is no crash point.
            Unavailable: The store is closed.
        """
        crash.check(item.name)
        with self._lock:
            self._start()
            self._release()
            self._queue.put(item)

    def put_with_next(self, item: Item, loop: asyncio.AbstractEventLoop, *, patient: bool = False) -> None:
        """Queue an operation whose caller, in this loop, goes on: with the next one, or when the loop has its turn.

        Writes that one task makes before it waits are one batch then, and cost one commit instead of two. The order
        stays: whatever is queued later, by any thread, comes after it. A ``patient`` one is held a few milliseconds
        longer: the outcome of a call goes with the intent of the next, which else would wait for its commit first.

        Raises:
            InternalError: Its name is no crash point.
            Unavailable: The store is closed.
        """
        crash.check(item.name)
        with self._lock:
            self._start()
            self._held.append(item)
            if loop in self._holders:
                return
            if not patient:
                self._holders.add(loop)
                loop.call_soon(self.flush)
            elif loop not in self._patient:
                self._patient.add(loop)
                loop.call_later(PATIENT_SECONDS, self._flush_patient, loop)

    @property
    def waiting(self) -> int:
        """How many operations were queued and not begun, roughly: others queue and take meanwhile."""
        return self._queue.qsize() + len(self._held)

    def flush(self) -> None:
        """Hand over what is held."""
        with self._lock:
            self._release()

    def _flush_patient(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._patient.discard(loop)
            self._release()

    def _start(self) -> None:
        if self._closed:
            message = "The store is closed."
            raise Unavailable(message, code="store.closed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def _release(self) -> None:
        for item in self._held:
            self._queue.put(item)
        self._held.clear()
        self._holders.clear()

    def close(self) -> None:
        """Finish what is queued, sign what is unsigned, and end the thread."""
        with self._lock:
            self._closed = True
            self._release()
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    @property
    def depth(self) -> int:
        """Operations that wait."""
        return self._queue.qsize() + len(self._held)

    # --------------------------------------------------------------------------------------------- the thread's side

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._take()
            self._last = len(batch)
            if batch:
                self._guarded(batch)
            if self._unsigned_since is not None and (not open_ or self._due() <= 0):
                self._seal([])
        self.backend.close()

    def _due(self) -> float:
        if self._unsigned_since is None:
            return SEAL_SECONDS
        return self._unsigned_since + SEAL_SECONDS - self.monotonic()

    def _take(self) -> tuple[list[Item], bool]:
        """What is queued; ``False`` once the end is reached."""
        batch: list[Item] = []
        timeout = max(self._due(), 0.001) if self._unsigned_since is not None else None
        try:
            item = self._queue.get(timeout=timeout)
            if self._last >= BUSY and not self._closed:
                self.sleep(min(self._last * FILL_SECONDS, LONGEST_FILL))
            while item is not None:
                batch.append(item)
                if len(batch) == MAX_BATCH:
                    return batch, True
                item = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _guarded(self, batch: list[Item]) -> None:
        """Whatever goes wrong, every waiter hears of it and the thread lives on."""
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - handed to every waiter
            for item in batch:
                item.error = item.error or error
            self._tell(batch)

    def _commit(self, batch: list[Item]) -> None:
        for item in batch:
            crash.reach(f"{item.name}:before")
        try:
            drafts = self._run_all(batch)
        except Exception as error:
            if len(batch) > 1 and self.backend.again(error):
                for item in batch:
                    item.error = item.value = None
                    self._guarded([item])
                return
            raise
        self.batches += 1
        self.writes += len(batch)
        for item in batch:
            if item.error is None:
                crash.reach(f"{item.name}:after")
        if drafts and self._unsigned_since is None:
            self._unsigned_since = self.monotonic()
        sealed = [item for item in batch if item.durable is Durability.SEALED and item.error is None]
        self._tell([item for item in batch if item not in sealed] if sealed else batch)
        if sealed:
            self._seal(sealed)

    def _run_all(self, batch: list[Item]) -> int:
        """Run the operations in one transaction; how many entries it added.

        Marks to return to cost two statements an operation (on Postgres a round trip and a subtransaction), and few
        operations fail: they are set only when one did, and everything is run once more. So is one that was refused:
        its entry is written after what it did was undone.
        """
        try:
            return self._run_together(batch, marks=False)
        except _OperationError:
            if len(batch) == 1 and not _is_again(batch[0].error):
                raise
        for item in batch:
            item.error = item.value = None
        return self._run_together(batch, marks=True)

    def _run_together(self, batch: list[Item], *, marks: bool) -> int:
        tx = self.backend.begin()
        try:
            drafts: list[Drafted] = []
            tx.defers = not marks
            tx.keeps = tx.defers and len(batch) > 1
            for item in batch:
                drafts += self._run_one(tx, item, mark=marks)
            entries = tx.finish(drafts) if marks else self._finish(tx, drafts)
            self._tell_ahead(batch)
            self.backend.commit(entries)
        except BaseException:
            tx.forget()
            self.backend.rollback()
            raise
        return len(drafts)

    def _finish(self, tx: WriteTransaction, drafts: list[Drafted]) -> list[Draft]:
        """Run what waited for the end. Whose it was that failed is found when each is run by itself."""
        try:
            return tx.finish(drafts)
        except BaseException as error:
            if self.backend.again(error):
                raise
            raise _OperationError from error

    def _run_one(self, tx: WriteTransaction, item: Item, *, mark: bool) -> list[Drafted]:
        if mark:
            self.backend.savepoint()
        tx.drafts = []
        try:
            item.value = item.context.run(item.op, tx)
        except BaseException as error:
            if self.backend.again(error):
                raise
            item.error = error
            if not mark:
                raise _OperationError from error
            if not self.backend.undo():
                message = f"The database ended the whole transaction: {error}"
                raise Unavailable(message, code="store.ended") from error
            tx.drafts = []
            if isinstance(error, Refused) and error.entry is not None:
                item.context.run(tx.append, error.entry, error.payload)
            return tx.drafts
        if mark:
            self.backend.keep()
        return tx.drafts

    def _seal(self, waiting: list[Item]) -> None:
        try:
            self.backend.seal()
            self.seal_error = None
        except Exception as error:  # noqa: BLE001 - kept, and handed to whoever waits
            self.seal_error = error
            _log.error("the audit log could not be signed: %s", error)
            for item in waiting:
                item.error = error
        # After a failure the next try comes half a second after the next entry, or when somebody waits for it.
        self._unsigned_since = None
        self._tell(waiting)

    def _tell(self, batch: list[Item]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Item]] = {}
        for item in batch:
            item.waiter.tell(item, by_loop)
        _call(_wake, by_loop)

    def _tell_ahead(self, batch: list[Item]) -> None:
        """Let those go on that only wait for their operations to have run; nothing but a failed commit undoes them."""
        if not self.backend.steady:
            return
        by_loop: dict[asyncio.AbstractEventLoop, list[Item]] = {}
        for item in batch:
            if item.ahead is not None and item.error is None:
                item.ahead.tell(item, by_loop)
        _call(_wake_ahead, by_loop)


def _call(wake: Callable[[list[Item]], None], by_loop: dict[asyncio.AbstractEventLoop, list[Item]]) -> None:
    for loop, items in by_loop.items():
        try:
            loop.call_soon_threadsafe(wake, items)
        except RuntimeError:
            _log.debug("an event loop closed before its writes were committed")


def _is_again(error: BaseException | None) -> bool:
    """Whether an operation that was alone is run once more: refused, or undone by what waited for the end."""
    return error is None or isinstance(error, MissedError) or (isinstance(error, Refused) and error.entry is not None)
