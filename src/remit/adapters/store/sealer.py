"""The sealer (Postgres): moves committed entries into the log in one order for all workers, and signs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import bindparam, delete, func, select

from remit.adapters.store.errors import from_postgres
from remit.adapters.store.log import LogWriter
from remit.adapters.store.pending import PendingMac, draft_of
from remit.adapters.store.pulse import CHANNEL
from remit.adapters.store.statements import Statements
from remit.adapters.store.transaction import WriteTransaction
from remit.audit.tables import PENDING
from remit.kernel import crash
from remit.kernel.errors import InternalError, Unavailable

TICK_SECONDS = 0.5
LOCK_SECONDS = 30.0
MAX_MOVE = 5000
ADVISORY_LOCK = 7246314

_log = logging.getLogger(__name__)

_WAITING = (
    select(
        PENDING.c.id,
        PENDING.c.workspace,
        PENDING.c.ts_us,
        PENDING.c.fields,
        PENDING.c.salt,
        PENDING.c.body,
        PENDING.c.mac,
    )
    .order_by(PENDING.c.id)
    .limit(MAX_MOVE)
)
_NOTIFY = select(func.pg_notify(CHANNEL, "").label("told"))
_MOVED = delete(PENDING).where(PENDING.c.id == bindparam("moved"))
_WORK = (
    "SELECT EXISTS (SELECT 1 FROM audit_pending) "
    "OR coalesce((SELECT max(seq) + 1 FROM audit_entry), 0) > coalesce((SELECT max(size) FROM audit_checkpoint), 0)"
)


class Sealer:
    """A thread with a connection of its own. Every worker has one; the advisory lock lets one work at a time."""

    def __init__(self, connect: Callable[[], Any], statements: Statements, log: LogWriter, mac: PendingMac) -> None:
        self._connect = connect
        self._statements = statements
        self._log = log
        self._mac = mac
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._turn = threading.Lock()
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin to tick, from the first entry on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="remit-sealer", daemon=True)
            self._thread.start()

    def now(self) -> None:
        """Seal everything that is committed, in the calling thread.

        Raises:
            IntegrityError: The log does not continue the last head, or a waiting entry was changed.
            Unavailable: Another worker holds the lock for too long, or the server is gone.
        """
        deadline = time.monotonic() + LOCK_SECONDS
        while not self._attempt(waited_for=True):
            if time.monotonic() > deadline:
                message = f"Another worker has been sealing the audit log for {LOCK_SECONDS:g} seconds."
                raise Unavailable(message, code="store.sealer")
            time.sleep(0.01)

    def close(self) -> None:
        """End the thread and let go of the connection."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._turn:
            self._drop()

    # -------------------------------------------------------------------------------------------------------- inside

    def _run(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            try:
                self._attempt(waited_for=False)
                self.error = None
            except Exception as error:  # noqa: BLE001 - kept for statistics; the next tick tries again
                if str(error) != str(self.error):
                    _log.error("the audit log could not be signed: %s", error)
                self.error = error

    def _attempt(self, *, waited_for: bool) -> bool:
        """Seal if there is work and nobody else is at it; whether everything visible is sealed now."""
        with self._turn:
            try:
                connection = self._connection = self._connection or self._connect()
                if not waited_for and not self._ask(connection, _WORK):
                    return True
                self._seal(connection)
            except _TakenError:
                return False
            except psycopg.Error as error:
                self._drop()
                raise from_postgres(error) from error
        return True

    def _ask(self, connection: Any, sql: str) -> bool:
        return bool(connection.execute(sql).fetchone()[0])

    def _seal(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        while self._in_transaction(connection, self._move) == MAX_MOVE:
            pass
        crash.reach("audit.checkpoint:before")
        self._in_transaction(connection, self._log.sign)
        crash.reach("audit.checkpoint:after")

    def _move(self, tx: WriteTransaction) -> int:
        rows = tx.tuples(_WAITING)
        if rows:
            self._log.write(tx, [draft_of(row, self._mac) for row in rows])
            tx.execute(_MOVED, [{"moved": row[0]} for row in rows])
            tx.row(_NOTIFY)  # told to whoever listens when this transaction commits, see ``pulse``
        return len(rows)

    def _in_transaction[T](
        self, connection: psycopg.Connection[tuple[Any, ...]], work: Callable[[WriteTransaction], T]
    ) -> T:
        """One transaction of the one sealer: the lock ends with it, also when this process stands still in it."""
        connection.execute("BEGIN")
        tx = WriteTransaction(connection.cursor(), self._statements, from_postgres, now_us=_no_time, salt=_no_salt)
        try:
            self._lock(connection)
            result = work(tx)
            connection.execute("COMMIT")
        except BaseException:
            self._log.rolled_back()
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
        self._log.committed()
        return result

    def _lock(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        if not self._ask(connection, f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})"):
            raise _TakenError

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


class _TakenError(Exception):
    """Another worker is sealing."""


def _no_time() -> int:
    message = "the sealer adds no entries of its own"
    raise InternalError(message)


def _no_salt() -> bytes:
    message = "the sealer adds no entries of its own"
    raise InternalError(message)
