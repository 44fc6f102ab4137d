"""The store on Postgres: a pool for readers, one writing connection a process, and a sealer that numbers the log.

A writing transaction cannot number its entries: sequences leave gaps, and transactions become visible out of order. It
puts them into ``audit_pending`` with an authentication code, and one sealer at a time (whoever holds the advisory lock)
moves what is visible into the log and signs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from remit.adapters.store.errors import from_postgres
from remit.adapters.store.heads import HeadsFile
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import KeyFile
from remit.adapters.store.log import LogWriter
from remit.adapters.store.migrate import migrate_postgres
from remit.adapters.store.pending import PendingMac, pending_rows
from remit.adapters.store.pulse_postgres import PostgresPulse
from remit.adapters.store.sealer import Sealer
from remit.adapters.store.shown import Masking
from remit.adapters.store.statements import Statements
from remit.adapters.store.statistics import Statistics, count_rows, counted
from remit.adapters.store.transaction import Cursor, ReadTransaction, WriteTransaction
from remit.adapters.store.writer import Writer
from remit.audit import verify as audit
from remit.audit.entry import SALT_SIZE, Draft
from remit.audit.keyring import Keyring, seal_all
from remit.audit.note import Signer
from remit.audit.tables import PENDING
from remit.kernel.backoff import Pace, connecting
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.entropy import random_bytes
from remit.kernel.errors import Unavailable

READERS = 8
SYSTEM_CLOCK = SystemClock()
CONNECT_SECONDS = 10
POOL_SECONDS = 10.0
PATIENCE_SECONDS = 2.0  # a write waits so long for a lost connection before it fails
LIFETIME_SECONDS = 1800.0
IDLE_SECONDS = 5  # a process that stands still within a transaction loses it, and its locks, after so long

type Connection = psycopg.Connection[tuple[Any, ...]]

_ABOUT = (
    "SELECT pg_database_size(current_database()), current_setting('server_version'),"
    " (SELECT version_num FROM alembic_version)"
)
_SIZES = (
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)


def connect(url: str) -> Connection:
    """A connection to write on: a commit is on disk when it returns, whatever the server's default.

    The server ends it when its process stands still within a transaction: others wait for its locks.

    Raises:
        Unavailable: The server does not answer.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        prepare(connection)
        connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}".encode())
    except psycopg.Error as error:
        raise from_postgres(error) from error
    return connection


def prepare(connection: Connection) -> None:
    """Session settings that the store's promises rest on."""
    connection.autocommit = True
    connection.execute("SET synchronous_commit = on")


class Connector:
    """Makes the connections of the writer and the sealer; after a loss, attempts back off (RES-4).

    They are 0.1 s apart, then twice that and so on up to 5 s, with jitter, whoever makes them. In between, whoever asks
    waits for as long as it is patient, and is then told when the next attempt is due.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float],
        rand: Callable[[], float] = random.random,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._url = url
        self._pace = Pace(monotonic, rand=rand)
        self._sleep = sleep

    def connect(self, *, patience_s: float = 0.0) -> Connection:
        """A connection.

        Raises:
            Unavailable: The server does not answer; ``retry_after`` says when it will be asked again.
        """
        try:
            return connecting(
                lambda: connect(self._url), self._pace, patience_s=patience_s, sleep=self._sleep, lost=_absent
            )
        except Unavailable as error:
            if error.code == "connection.lost" or _absent(error):
                # The same words each time, for whoever logs what is new; the time stands in retry_after.
                message = "Postgres is not there; it is asked again after growing pauses."
                raise Unavailable(message, code="store.connection", retry_after=self._pace.wait()) from error
            raise


def _absent(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and error.code == "store.connection"


class PostgresStore(Store):
    """The journal (``kernel.ports.Journal``) on a Postgres database that many workers share.

    Args:
        url: ``postgresql://...``, without secrets in logs.
        signers: Keys that sign checkpoints, the first names the log; every worker needs the same.
        heads: Where this host keeps the heads that it signed, outside the database.
        clock: For the entries' times.
        salt: Source of random bytes.
        keys: Encrypt the log's payloads, made with ``shared=True``; every worker needs the same key-encryption key.
            Without them payloads are stored as they are.
        key_file: Where ``signers`` were read from; a change of key is seen there before the next checkpoint.
        origin: Tells from where orders of this process come, for the payloads of what a person did.
        masking: Masks text that people read and entries of the log as they are written, see ``shown``.
    """

    def __init__(
        self,
        url: str,
        signers: Sequence[Signer],
        *,
        heads: Path,
        clock: Clock = SYSTEM_CLOCK,
        salt: Callable[[int], bytes] = random_bytes,
        keys: Keyring | None = None,
        key_file: KeyFile | None = None,
        origin: Callable[[], Mapping[str, str]] | None = None,
        masking: Masking | None = None,
    ) -> None:
        self._url = url
        self._statements = Statements(PGDialect_psycopg())
        self._heads = HeadsFile(heads)
        log = LogWriter(signers, self._heads, sole_file=False, key_file=key_file)
        self._keys = keys
        self._mac = PendingMac(key_file.read().pending if key_file else signers[0].derive("audit pending"))
        connector = Connector(url, monotonic=clock.monotonic)
        self._sealer = Sealer(connector.connect, self._statements, log, self._mac)
        make = partial(
            WriteTransaction,
            statements=self._statements,
            translate=from_postgres,
            now_us=lambda: micros_of(clock.now()),
            salt=lambda: salt(SALT_SIZE),
            keys=keys,
            origin=origin,
            masking=masking,
        )
        backend = _Backend(
            partial(connector.connect, patience_s=PATIENCE_SECONDS),
            make,
            self._mac,
            self._sealer,
            add_pending=self._statements.insert_sql(PENDING),
            monotonic=clock.monotonic,
        )
        super().__init__(log, Writer(backend), readers=READERS)
        self._pool: ConnectionPool[Connection] | None = None
        self._pool_lock = threading.Lock()

    def migrate(self) -> None:
        """Bring the database to this version's schema (creating it), in this process; workers take turns.

        Raises:
            Conflict: A newer Remit wrote it.
        """
        migrate_postgres(self._url)

    def view[T](self, op: Callable[[ReadTransaction], T]) -> T:
        """As ``read``, in the calling thread."""
        with self._snapshot() as tx:
            return op(tx)

    @contextmanager
    def _snapshot(self) -> Generator[ReadTransaction]:
        try:
            with self._readers_pool().connection() as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                try:
                    yield ReadTransaction(connection.cursor(), self._statements, from_postgres, keys=self._keys)
                finally:
                    with suppress(psycopg.Error):
                        connection.execute("COMMIT")
        except PoolTimeout as error:
            message = f"Postgres gave no connection within {POOL_SECONDS:g} seconds."
            raise Unavailable(message, code="store.connection") from error
        except psycopg.Error as error:
            raise from_postgres(error) from error

    def _readers_pool(self) -> ConnectionPool[Connection]:
        """The readers' connections, made when the first reader asks; several may ask at once."""
        with self._pool_lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=READERS,
                    timeout=POOL_SECONDS,
                    max_lifetime=LIFETIME_SECONDS,
                    configure=prepare,
                    check=ConnectionPool.check_connection,
                    open=True,
                )
            return self._pool

    def _verify_once(self, start: int) -> audit.Report:
        return self.view(
            lambda tx: audit.verify(
                tx,
                verifiers=self.verifiers,
                heads=self._heads.read,
                pending_mac=self._mac.of_row,
                every_row_has_head=False,
                start=start,
            )
        )

    def _overwriting[T](self, tx: WriteTransaction, work: Callable[[], T]) -> T:  # noqa: ARG002 - the store's
        return work()

    def _shred(self) -> bool:
        # A plain VACUUM would leave the dead rows' bytes in the pages; FULL writes the table (a row a subject) anew.
        connection = connect(self._url)
        try:
            connection.execute("VACUUM (FULL) audit_dek")
        except psycopg.Error as error:
            raise from_postgres(error) from error
        finally:
            connection.close()
        return True

    def pulse(self) -> PostgresPulse:
        """What tells that the store may have changed, not yet started."""
        return PostgresPulse(self._url)

    def statistics(self) -> Statistics:
        """Rows, sizes and queues, for administrators."""
        rows = self.view(count_rows)
        size, version, revision = self.view(lambda tx: tx.cursor.execute(_ABOUT).fetchone())
        sizes = self.view(lambda tx: dict(tx.cursor.execute(_SIZES).fetchall()))
        pool = self._pool.get_stats() if self._pool else {}
        return Statistics(
            database="postgres",
            rows=rows,
            bytes=size,
            wal_bytes=0,
            queued=self._writer.depth,
            connections={"writer": 1, "sealer": 1, **pool},
            signed=self._log.signed_size,
            seal_error=str(self._writer.seal_error or self._sealer.error or ""),
            more=counted(rows),
            sizes={name: sizes[name] for name in rows if name in sizes},
            version=version,
            revision=revision,
            batches=self._writer.batches,
            writes=self._writer.writes,
        )

    def check(self) -> None:
        """Ask the database something.

        Raises:
            Unavailable: It does not answer.
        """
        self.view(lambda tx: tx.cursor.execute("SELECT 1"))

    def close(self) -> None:
        """Commit what is queued, sign what is unsigned, close every connection."""
        super().close()
        self._sealer.close()
        if self._pool is not None:
            self._pool.close()


class _Backend:
    """The writer's connection."""

    steady = False  # a deadlock ends a transaction, and alone an operation may be refused

    def __init__(
        self,
        connect: Callable[[], Connection],
        make: Callable[[Cursor], WriteTransaction],
        mac: PendingMac,
        sealer: Sealer,
        *,
        add_pending: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._add_pending = add_pending
        self._connect = connect
        self._make = make
        self._mac = mac
        self._sealer = sealer
        self._monotonic = monotonic
        self._connection: Connection | None = None
        self._tx: WriteTransaction | None = None
        self._opened = 0.0

    def begin(self) -> WriteTransaction:
        """Start a transaction; a connection that died, or is old, is replaced first."""
        if self._connection is not None and self._monotonic() - self._opened > LIFETIME_SECONDS:
            self.close()
        if self._connection is not None:
            try:
                self._connection.execute("BEGIN")
            except psycopg.OperationalError:
                self.close()
        if self._connection is None or self._tx is None:
            self._connection = self._connect()
            self._opened = self._monotonic()
            self._tx = self._make(self._connection.cursor())
            self._run("BEGIN")
        return self._tx

    def _run(self, sql: str) -> None:
        if self._connection is None:
            message = "Postgres closed the connection."
            raise Unavailable(message, code="store.connection")
        try:
            self._connection.execute(sql)  # pyright: ignore[reportCallIssue, reportArgumentType] - fixed texts
        except psycopg.Error as error:
            raise from_postgres(error) from error

    def savepoint(self) -> None:
        """Mark a place to return to."""
        self._run("SAVEPOINT op")

    def keep(self) -> None:
        """A mark costs nothing until the end, forgetting it a round trip."""

    def undo(self) -> bool:
        """Return to the mark."""
        if self._connection is None or self._connection.closed:
            return False
        self._run("ROLLBACK TO op")
        return True

    def commit(self, drafts: list[Draft]) -> None:
        """Put the entries where the sealer finds them, and commit."""
        if not drafts or self._tx is None or self._connection is None:
            self._run("COMMIT")
            return
        rows = pending_rows(seal_all(self._tx.keys, self._tx, drafts), self._mac)
        try:
            # One round trip: when a row is refused, the server skips the COMMIT that follows it, and we roll back.
            with self._connection.pipeline():
                for row in rows:
                    self._tx.cursor.execute(self._add_pending, row)
                self._tx.cursor.execute("COMMIT")
        except psycopg.Error as error:
            raise from_postgres(error) from error
        if self._tx.keys is not None:
            self._tx.keys.committed()
        self._sealer.start()

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        if self._tx is not None and self._tx.keys is not None:
            self._tx.keys.rolled_back()
        if self._connection is None:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def again(self, error: BaseException) -> bool:
        """A deadlock or serialization failure between workers ends a transaction; alone, each operation may succeed."""
        return isinstance(error, Unavailable) and error.code == "store.contention"

    def seal(self) -> None:
        """Have the sealer take over what is committed, now."""
        self._sealer.now()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = self._tx = None
