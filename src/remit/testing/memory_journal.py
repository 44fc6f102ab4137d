"""A journal in memory: real statements on SQLite, each write committed before ``submit`` returns. For quick tests."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future

from sqlalchemy.schema import CreateIndex, CreateTable

from remit.adapters.store.errors import from_sqlite
from remit.adapters.store.schema import metadata
from remit.adapters.store.sqlite import dialect
from remit.adapters.store.statements import Statements
from remit.adapters.store.transaction import ReadTransaction, WriteTransaction
from remit.audit.entry import SALT_SIZE, Draft
from remit.audit.refusal import Refused
from remit.kernel import crash
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.effects import Durability


class MemoryJournal:
    """``kernel.ports.Journal`` without a disk, a thread or a Merkle log. ``entries`` is every audit entry so far."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.entries: list[Draft] = []
        self._clock = clock or SystemClock()
        self._statements = Statements(dialect())
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)  # Python 3.13 warns of a connection that is dropped open
        self._lock = threading.Lock()
        for table in metadata().sorted_tables:
            self._connection.execute(str(CreateTable(table).compile(dialect=dialect())))
            for index in table.indexes:
                self._connection.execute(str(CreateIndex(index).compile(dialect=dialect())))

    def submit[T](
        self,
        name: str,
        op: Callable[[WriteTransaction], T],
        *,
        durable: Durability = Durability.COMMIT,
        patient: bool = False,
    ) -> Future[T]:
        """Write now; a crash point raises out of here."""
        del durable, patient  # everything is as durable as it gets
        crash.check(name)
        crash.reach(f"{name}:before")
        future: Future[T] = Future()
        with self._lock:
            tx = WriteTransaction(
                self._connection.cursor(),
                self._statements,
                from_sqlite,
                now_us=lambda: micros_of(self._clock.now()),
                salt=lambda: bytes(SALT_SIZE),
            )
            self._connection.execute("BEGIN")
            try:
                future.set_result(op(tx))
            except Exception as error:  # noqa: BLE001 - the waiter's to know
                self._connection.execute("ROLLBACK")
                if isinstance(error, Refused) and error.entry is not None:
                    tx.drafts = []
                    tx.append(error.entry, error.payload)
                    self.entries += [each.item for each in tx.drafts]
                future.set_exception(error)
                return future
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            self.entries += [each.item for each in tx.drafts]
        crash.reach(f"{name}:after")
        return future

    async def commit[T](
        self, name: str, op: Callable[[WriteTransaction], T], *, durable: Durability = Durability.COMMIT
    ) -> T:
        """Write now."""
        return self.submit(name, op, durable=durable).result()

    async def ahead[T](self, name: str, op: Callable[[WriteTransaction], T]) -> asyncio.Future[T]:
        """Write now."""
        written: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        written.set_result(self.submit(name, op).result())
        return written

    async def read[T](self, op: Callable[[ReadTransaction], T]) -> T:
        """Read now."""
        with self._lock:
            return op(ReadTransaction(self._connection.cursor(), self._statements, from_sqlite))

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()
