"""The engine's rows as data: which run is whose, and which executor was seen when.

``workflow_status`` is DBOS's table; the few columns named here are held by ``tests/engine/test_contract.py``.
``remit_executor`` is ours and lies beside it. Times of leases are the database's clock, so that hosts need not agree.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa

from remit.adapters.engine.database import EngineDatabase

#: The one workflow. Its name stands in every row: never change it without a new ``APP_VERSION``.
WORKFLOW = "remit.run"
#: An epoch of the workflow's code that we raise by hand, and only when an old row could not be run by new code.
APP_VERSION = "wf-1"
#: The queue every worker serves.
SHARED = "remit-runs"
#: The queue nobody serves: the submitting process claims its own row from it, the watchdog moves what it left behind.
HERE = "remit-here"

UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")
FINISHED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
#: The one format our rows are written in. A row that names another was changed by somebody else.
FORMAT = "portable_json"

_META = sa.MetaData()
STATUS = sa.Table(
    "workflow_status",
    _META,
    sa.Column("workflow_uuid", sa.Text, primary_key=True),
    sa.Column("status", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("executor_id", sa.Text),
    sa.Column("application_version", sa.Text),
    sa.Column("created_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger),
    sa.Column("completed_at", sa.BigInteger),
    sa.Column("started_at_epoch_ms", sa.BigInteger),
    sa.Column("recovery_attempts", sa.BigInteger),
    sa.Column("queue_name", sa.Text),
    sa.Column("owner_xid", sa.Text),
    sa.Column("serialization", sa.Text),
)
OUTPUT = sa.Table(
    "workflow_output",
    _META,
    sa.Column("workflow_uuid", sa.Text, primary_key=True),
    sa.Column("output", sa.Text),
)
EXECUTOR = sa.Table(
    "remit_executor",
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("app_version", sa.Text, nullable=False),
    sa.Column("worker", sa.Integer, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as its row tells it. ``attempts`` counts claims: 1 while it runs for the first time."""

    run_id: str
    status: str
    executor: str
    attempts: int
    serialization: str | None
    output: str | None

    @property
    def finished(self) -> bool:
        """Whether nobody will drive it again."""
        return self.status in FINISHED


@dataclass(frozen=True, slots=True)
class Stranded:
    """A run that no living worker will take: none runs its version. ``age`` in seconds since its last change."""

    run_id: str
    version: str
    status: str
    age: float


class Records:
    """Statements over one engine database. Blocking: call it from a thread. Each may raise ``SQLAlchemyError``."""

    def __init__(self, database: EngineDatabase, engine: sa.Engine) -> None:
        """Args: ``engine`` is one that ``database`` made; the caller keeps owning it."""
        self._database = database
        self._engine = engine
        if database.sqlite:
            self._now = sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Double)
        else:
            self._now = sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Double)
        self._now_ms = sa.cast(self._now * 1000, sa.BigInteger)
        self._ours = (STATUS.c.name == WORKFLOW, STATUS.c.application_version == APP_VERSION)

    def create(self) -> None:
        """Make the schema and our table where they are missing; safe when several processes start at once."""
        with self.exclusive(wait=True) as connection:
            if self._database.schema is not None:
                connection.execute(sa.schema.CreateSchema(self._database.schema, if_not_exists=True))
            connection.execute(sa.schema.CreateTable(EXECUTOR, if_not_exists=True))

    @contextmanager
    def exclusive(self, *, wait: bool = False) -> Generator[sa.Connection]:
        """A write transaction that only one process of this installation has at a time.

        Raises:
            Busy: Another process has it and ``wait`` is false (Postgres; on SQLite writers always take turns).
        """
        with self._engine.begin() as connection:
            if self._database.sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                # Fixed by the schema's name, so that two installations in one cluster do not meet.
                digest = sha256(f"remit.engine.{self._database.schema}".encode()).digest()
                key = int.from_bytes(digest[:8], "big", signed=True)
                take = sa.func.pg_advisory_xact_lock if wait else sa.func.pg_try_advisory_xact_lock
                if connection.execute(sa.select(take(sa.cast(key, sa.BigInteger)))).scalar() is False:
                    raise Busy
            yield connection

    @contextmanager
    def looking(self) -> Generator[sa.Connection]:
        """A connection for reading."""
        with self._engine.connect() as connection:
            yield connection

    def beat(self, executor: str, *, worker: bool) -> None:
        """Write that ``executor`` lives now."""
        values = {"app_version": APP_VERSION, "worker": int(worker), "seen": self._now}
        with self._engine.begin() as connection:
            touched = connection.execute(sa.update(EXECUTOR).where(EXECUTOR.c.id == executor).values(values)).rowcount
            if not touched:
                connection.execute(sa.insert(EXECUTOR).values(id=executor, **values))

    def leave(self, executor: str) -> None:
        """Remove ``executor``: whatever it still owns may be taken at once."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(EXECUTOR).where(EXECUTOR.c.id == executor))

    def run(self, run_id: str) -> RunRow | None:
        """One run, with its recorded outcome."""
        stmt = (
            sa.select(STATUS, OUTPUT.c.output)
            .select_from(STATUS.outerjoin(OUTPUT, OUTPUT.c.workflow_uuid == STATUS.c.workflow_uuid))
            .where(STATUS.c.workflow_uuid == run_id, STATUS.c.name == WORKFLOW)
        )
        with self._engine.connect() as connection:
            row = connection.execute(stmt).mappings().first()
        if row is None:
            return None
        return RunRow(
            run_id=run_id,
            status=row[STATUS.c.status],
            executor=row[STATUS.c.executor_id] or "",
            attempts=row[STATUS.c.recovery_attempts] or 0,
            serialization=row[STATUS.c.serialization],
            output=row[OUTPUT.c.output],
        )

    def unfinished(self) -> list[str]:
        """Ids of all runs that have not ended, oldest first, of any version."""
        stmt = (
            sa.select(STATUS.c.workflow_uuid)
            .where(STATUS.c.name == WORKFLOW, STATUS.c.status.in_(UNFINISHED))
            .order_by(STATUS.c.created_at, STATUS.c.workflow_uuid)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(stmt).scalars())

    def loose(self) -> list[str]:
        """Ids of the runs of our version that wait on the shared queue, oldest first."""
        stmt = (
            sa.select(STATUS.c.workflow_uuid)
            .where(*self._ours, STATUS.c.status == "ENQUEUED", STATUS.c.queue_name == SHARED)
            .order_by(STATUS.c.created_at, STATUS.c.workflow_uuid)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(stmt).scalars())

    def owned(self, connection: sa.Connection, executor: str) -> dict[str, int]:
        """Runs that ``executor`` is running by its row, with the number of claims."""
        stmt = sa.select(STATUS.c.workflow_uuid, STATUS.c.recovery_attempts).where(
            *self._ours, STATUS.c.status == "PENDING", STATUS.c.executor_id == executor
        )
        return {row[0]: row[1] or 0 for row in connection.execute(stmt)}

    def ended_before(self, moment: datetime, limit: int) -> list[str]:
        """Runs that ended before ``moment``, at most ``limit``, oldest first."""
        ended = sa.func.coalesce(STATUS.c.completed_at, STATUS.c.updated_at)
        stmt = (
            sa.select(STATUS.c.workflow_uuid)
            .where(STATUS.c.name == WORKFLOW, STATUS.c.status.in_(FINISHED), ended < int(moment.timestamp() * 1000))
            .order_by(ended)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(stmt).scalars())

    def silence(self, connection: sa.Connection, executors: Sequence[str]) -> dict[str, float]:
        """Seconds since each executor was seen; one that never was, or has left, is missing."""
        stmt = sa.select(EXECUTOR.c.id, self._now - EXECUTOR.c.seen).where(EXECUTOR.c.id.in_(executors))
        return {row[0]: float(row[1]) for row in connection.execute(stmt)}

    def workers(self, connection: sa.Connection, lease: float) -> list[str]:
        """Workers of our version that were seen within a lease."""
        stmt = sa.select(EXECUTOR.c.id).where(
            EXECUTOR.c.worker == 1, EXECUTOR.c.app_version == APP_VERSION, EXECUTOR.c.seen > self._now - lease
        )
        return list(connection.execute(stmt).scalars())

    def owners(self, connection: sa.Connection) -> list[str]:
        """Executors that have a run of our version in hand (or submitted one and did not come to claim it)."""
        stmt = sa.select(STATUS.c.executor_id).where(*self._ours, _in_hand()).distinct()
        return [executor or "" for executor in connection.execute(stmt).scalars()]

    def release(self, connection: sa.Connection, executor: str, run_ids: Sequence[str] | None = None) -> list[str]:
        """Put what ``executor`` has in hand (or ``run_ids`` of it) back on the shared queue; which runs those are.

        The same update as DBOS's own recovery, but in the transaction in which the executor was judged dead.
        """
        stmt = (
            sa.update(STATUS)
            .where(*self._ours, _in_hand(), sa.func.coalesce(STATUS.c.executor_id, "") == executor)
            .values(
                status="ENQUEUED",
                owner_xid=None,
                started_at_epoch_ms=None,
                queue_name=SHARED,
                updated_at=self._now_ms,
            )
            .returning(STATUS.c.workflow_uuid)
        )
        if run_ids is not None:
            stmt = stmt.where(STATUS.c.workflow_uuid.in_(run_ids))
        return list(connection.execute(stmt).scalars())

    def foreign(self, connection: sa.Connection) -> bool:
        """Whether there is anything for ``refuse_foreign``."""
        return connection.execute(sa.select(STATUS.c.workflow_uuid).where(*_foreign()).limit(1)).first() is not None

    def refuse_foreign(self, connection: sa.Connection) -> list[str]:
        """Cancel unfinished runs whose row asks for another format than ours (pickle could run any code); which ones.

        DBOS can't do it: it would write its refusal in that same format.
        """
        stmt = (
            sa.update(STATUS)
            .where(*_foreign())
            .values(status="CANCELLED", owner_xid=None, queue_name=None, completed_at=self._now_ms)
            .returning(STATUS.c.workflow_uuid)
        )
        return list(connection.execute(stmt).scalars())

    def cancel_unfinished(self, connection: sa.Connection) -> list[str]:
        """Cancel every run that has not ended, of any version; which ones. For a database that came from a backup."""
        stmt = (
            sa.update(STATUS)
            .where(STATUS.c.name == WORKFLOW, STATUS.c.status.in_(UNFINISHED))
            .values(status="CANCELLED", owner_xid=None, queue_name=None, completed_at=self._now_ms)
            .returning(STATUS.c.workflow_uuid)
        )
        return list(connection.execute(stmt).scalars())

    def claim(self, row: RunRow, executor: str, token: str) -> bool:
        """Make ``executor`` the owner of ``row`` if nothing has changed since it was read; whether that worked.

        The same update as DBOS's own dequeue, for one run.
        """
        stmt = (
            sa.update(STATUS)
            .where(
                *self._ours,
                STATUS.c.workflow_uuid == row.run_id,
                STATUS.c.status == row.status,
                sa.func.coalesce(STATUS.c.executor_id, "") == row.executor,
                sa.func.coalesce(STATUS.c.recovery_attempts, 0) == row.attempts,
            )
            .values(
                status="PENDING",
                owner_xid=token,
                executor_id=executor,
                started_at_epoch_ms=self._now_ms,
                recovery_attempts=row.attempts + 1,
                updated_at=self._now_ms,
            )
        )
        with self._engine.begin() as connection:
            return connection.execute(stmt).rowcount == 1

    def stranded(self, connection: sa.Connection, lease: float) -> list[Stranded]:
        """Unfinished runs whose version no living worker runs: nothing else will ever take them."""
        living = (
            sa.select(EXECUTOR.c.id)
            .where(
                EXECUTOR.c.app_version == STATUS.c.application_version,
                EXECUTOR.c.seen > self._now - lease,
                sa.or_(EXECUTOR.c.worker == 1, sa.and_(EXECUTOR.c.id == STATUS.c.executor_id, _in_hand())),
            )
            .exists()
        )
        age = self._now - STATUS.c.updated_at / 1000.0
        stmt = (
            sa.select(STATUS.c.workflow_uuid, STATUS.c.application_version, STATUS.c.status, age)
            .where(STATUS.c.name == WORKFLOW, STATUS.c.status.in_(UNFINISHED), ~living)
            .order_by(STATUS.c.created_at)
        )
        return [Stranded(row[0], row[1] or "", row[2], float(row[3])) for row in connection.execute(stmt)]

    def forget_executors(self, silent_for: float) -> list[str]:
        """Remove executors that were silent for that many seconds and have nothing in hand; which ones."""
        busy = sa.select(STATUS.c.workflow_uuid).where(STATUS.c.executor_id == EXECUTOR.c.id, _in_hand()).exists()
        stmt = sa.delete(EXECUTOR).where(EXECUTOR.c.seen < self._now - silent_for, ~busy).returning(EXECUTOR.c.id)
        with self._engine.begin() as connection:
            return list(connection.execute(stmt).scalars())


class Busy(Exception):
    """Another process is judging executors just now."""


def _in_hand() -> sa.ColumnElement[bool]:
    return sa.or_(
        STATUS.c.status == "PENDING",
        sa.and_(STATUS.c.status == "ENQUEUED", STATUS.c.queue_name == HERE),
    )


def _foreign() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        STATUS.c.name == WORKFLOW,
        STATUS.c.status.in_(UNFINISHED),
        sa.func.coalesce(STATUS.c.serialization, "") != FORMAT,
    )
