"""The engine: runs are started, found again, waited for, cancelled and forgotten, on SQLite and on Postgres alike.

What happens to a run:

    submit ─▶ ENQUEUED ─▶ claimed by one executor (PENDING) ─▶ drive(ticket) ─▶ SUCCESS, with an error code or none
                  ▲                      │ executor dead, or drive found the store away
                  └──────────────────────┘ queued again by a watchdog, recovery + 1

``drive`` may therefore run again, and even, for a moment, twice at once (a process that was frozen and thawed): what
it writes must check the mission's fence. ``still_mine`` is the cheap question to ask before something slow.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from remit.adapters.engine.database import engine_database
from remit.adapters.engine.leases import Lease, executor_name
from remit.adapters.engine.locks import ExecutorLocks
from remit.adapters.engine.outcomes import check_format, code_of, error_of, stopped
from remit.adapters.engine.records import Records, RunRow, Stranded
from remit.adapters.engine.watchdog import Watchdog, dead_executors
from remit.kernel import crash
from remit.kernel.errors import (
    Cancelled,
    Conflict,
    Fenced,
    InvalidInput,
    NotFound,
    RemitError,
    Unavailable,
)
from remit.kernel.ports import RunTicket

if TYPE_CHECKING:
    from remit.adapters.engine.transact import Transact

type Drive = Callable[[RunTicket], Awaitable[None]]

#: Ended runs whose full error is kept for a waiter that comes late.
KEPT_ERRORS = 16
#: Rows deleted in one transaction.
RETAIN_BATCH = 500
#: Pauses between looks at a run's row, in seconds: quick at first, so that a short run costs its waiter nothing.
FIRST_LOOK, LAST_LOOK = 0.005, 0.25


@dataclass(slots=True, eq=False)
class _Driving:
    """A run in this process."""

    ticket: RunTicket
    task: asyncio.Task[None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None


class DurableEngine:
    """``kernel.ports.Engine`` on DBOS. One in a process at a time; call its methods from the loop that started it."""

    def __init__(
        self,
        url: str,
        *,
        lease: Lease | None = None,
        locks: ExecutorLocks | None = None,
        runs_at_once: int = 8,
        serves_queue: bool = True,
        grace: float = 5.0,
    ) -> None:
        """Nothing is opened before ``start``.

        Args:
            url: ``sqlite:////path/engine.db`` (its own file) or Remit's ``postgresql://`` database (its own schema).
            lease: How long a silent executor counts as alive.
            locks: File locks of this host: with them a killed process is known to be dead at once, not after a lease.
            runs_at_once: Queued runs that this process takes at a time when it is a worker.
            serves_queue: Whether a worker takes queued runs by itself, oldest first. Without it somebody else decides
                who is next, and submits the runs that ``loose`` names.
            grace: Seconds that ``stop`` leaves to drivers which it has cancelled.

        Raises:
            InvalidInput: The address is not of a database that the engine runs on.
        """
        if runs_at_once < 1:
            message = f"runs_at_once is {runs_at_once}, a worker takes at least 1."
            raise InvalidInput(message, hint="set engine.runs_at_once to 1 or more")
        self.executor = executor_name()
        self._database = engine_database(url)
        self._lease = lease or Lease()
        self._locks = locks
        self._runs_at_once = runs_at_once
        self._serves_queue = serves_queue
        self._grace = grace
        self._driving: dict[str, _Driving] = {}
        self._errors: OrderedDict[str, BaseException] = OrderedDict()
        self._let_go: set[str] = set()  # ours by their rows, but their drivers found the store unavailable
        self._live: _Live | None = None
        self._stopping = False

    @property
    def started(self) -> bool:
        """Whether it takes work."""
        return self._live is not None

    async def start(self, drive: Drive, *, worker: bool) -> None:
        """Launch. A worker also takes queued runs and those of dead workers.

        Raises:
            Unavailable: The engine's database is not there.
            Conflict: This engine, or another one in this process, is started already.
        """
        if self._live is not None:
            message = "The engine is started already."
            raise Conflict(message, hint="call stop() first")
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        async def body(run_id: str) -> str | None:
            """Runs on DBOS's loop; the driver itself runs on the application's, in the application's context."""
            future = context.copy().run(asyncio.run_coroutine_threadsafe, self._drive(run_id, drive), loop)
            return await asyncio.wrap_future(future)

        self._live = await _in_thread(self._launch, body, worker=worker)

    def _launch(self, body: Callable[[str], Awaitable[str | None]], *, worker: bool) -> _Live:
        from remit.adapters.engine.transact import Transact

        # DBOS's threads, its listener and two for our own questions.
        engine = self._database.engine(self._database.threads + 4)
        records = Records(self._database, engine)
        watchdog = Watchdog(
            self._database,
            executor=self.executor,
            lease=self._lease,
            alive=self._alive,
            running=lambda: frozenset(self._driving),
        )
        transact = Transact(self._database, engine, executor=self.executor)
        try:
            crash.reach("engine.open:before")
            records.create()
            if self._locks is not None:
                self._locks.hold(self.executor)
            watchdog.start(worker=worker)
            transact.launch(body, worker=self._runs_at_once if worker and self._serves_queue else 0)
            crash.reach("engine.open:after")
        except BaseException:
            watchdog.stop()
            engine.dispose()
            if self._locks is not None:
                self._locks.release(self.executor)
            raise
        return _Live(engine, records, watchdog, transact)

    async def submit(self, run_id: str, *, queued: bool = False) -> None:
        """Schedule a run, once for each id: here and now, or (``queued``) on whichever worker takes it.

        A run that has ended, or that a living executor has in hand, is left alone. One that waits in the queue, or
        whose executor is dead, is taken over and runs here (unless ``queued``: then the workers see to it).

        Raises:
            Unavailable: The engine's database is not there.
            IntegrityError: The run's row was changed from outside.
        """
        await _in_thread(self._submit, run_id, queued=queued)

    def _submit(self, run_id: str, *, queued: bool) -> None:
        live = self._started()
        row = live.records.run(run_id)
        if row is None:
            crash.reach("engine.submit:before")
            live.transact.enqueue(run_id, shared=queued)
            crash.reach("engine.submit:after")
            row = live.records.run(run_id)
        if row is None or row.finished or queued:
            return
        check_format(row)
        if row.status == "PENDING" and not self._free(live, row):
            return
        crash.reach("engine.claim:before")
        if live.transact.execute(live.records, row):
            crash.reach("engine.claim:after")

    def _free(self, live: _Live, row: RunRow) -> bool:
        """Whether nobody drives a run that somebody has claimed."""
        executor = row.executor
        if executor == self.executor:
            return row.run_id in self._let_go
        with live.records.looking() as connection:
            return executor in dead_executors(
                live.records,
                connection,
                [executor],
                lease=self._lease.lease,
                alive=self._alive,
                local=self._database.sqlite,
            )

    def _alive(self, executor: str) -> bool | None:
        return None if self._locks is None else self._locks.alive(executor)

    async def _drive(self, run_id: str, drive: Drive) -> str | None:
        """Call the driver once; its error's code, or nothing. Leaves by ``CancelledError`` when the run has not ended.

        DBOS writes no outcome then, so the run stays in this executor's hand until a watchdog queues it again.
        """
        task = asyncio.current_task()
        try:
            row = await _in_thread(self._started().records.run, run_id)
        except RemitError as error:
            raise asyncio.CancelledError from error  # nothing has been done yet: let it be queued again
        if task is None or row is None or row.executor != self.executor:
            raise asyncio.CancelledError
        if (before := self._driving.get(run_id)) is not None:
            before.task.cancel()  # this process lost the run while frozen, and has taken it again
            await before.ended.wait()
        driving = _Driving(RunTicket(run_id, row.attempts - 1, self.executor), task)
        self._driving[run_id] = driving
        self._let_go.discard(run_id)
        try:
            await drive(driving.ticket)
        except asyncio.CancelledError:
            driving.error = stopped(run_id)
            self._let_go.add(run_id)
            raise
        except (Exception, Cancelled) as error:  # noqa: BLE001 - whatever ended the driver is its waiter's to know
            driving.error = error
        finally:
            self._driving.pop(run_id, None)
            self._keep(run_id, driving.error)
            driving.ended.set()
        if isinstance(driving.error, Unavailable):
            self._let_go.add(run_id)
            raise asyncio.CancelledError
        # DBOS refuses a late outcome itself; asking first only keeps a lost run from waiting and warning there.
        with suppress(Unavailable):
            if not await self._owns(driving.ticket):
                raise asyncio.CancelledError
        crash.reach("engine.outcome:before")  # DBOS writes it, and says nothing; a waiter sees it
        return code_of(driving.error)

    def _keep(self, run_id: str, error: BaseException | None) -> None:
        self._errors.pop(run_id, None)
        if error is not None:
            self._errors[run_id] = error
            while len(self._errors) > KEPT_ERRORS:
                self._errors.popitem(last=False)

    async def wait(self, run_id: str) -> None:
        """Wait until the run has ended and that is recorded; raises what ``drive`` raised.

        Of a run that another process drove only the error's code is known: the error has its class and says where to
        look. ``Unavailable`` and ``Fenced`` from a driver in this process are raised at once, though the run goes on
        elsewhere or later.

        Raises:
            NotFound: No such run.
            IntegrityError: Its row was changed from outside.
            Cancelled: The run was cancelled.
            Unavailable: The engine's database is not there, or the engine stopped first.
        """
        pause = FIRST_LOOK
        while True:
            if (driving := self._driving.get(run_id)) is not None:
                await driving.ended.wait()
                pause = FIRST_LOOK
            error = driving.error if driving is not None else self._errors.get(run_id)
            if isinstance(error, Unavailable | Fenced):
                self._errors.pop(run_id, None)
                raise error
            if self._stopping:
                raise stopped(run_id)
            row = await _in_thread(self._started().records.run, run_id)
            if row is None:
                message = f"The engine knows no run {run_id}."
                raise NotFound(message)
            if row.finished or (error is not None and row.executor != self.executor):
                crash.reach("engine.outcome:after")
                # Looked up again: the driver may have ended while the row was read.
                if (error := error or self._errors.get(run_id) or error_of(row)) is not None:
                    raise error
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_LOOK)

    async def cancel(self, run_id: str) -> None:
        """Never recover this run again. A driver in hand is not interrupted: it reads its mission's row."""
        crash.reach("engine.cancel:before")
        await _in_thread(self._started().transact.cancel, run_id)
        crash.reach("engine.cancel:after")

    async def still_mine(self, run_id: str) -> bool:
        """Whether this process drives the run and nobody has taken it over or cancelled it. One primary-key read.

        Raises:
            Unavailable: The engine's database is not there; treat the run as lost.
        """
        driving = self._driving.get(run_id)
        return driving is not None and await self._owns(driving.ticket)

    async def _owns(self, ticket: RunTicket) -> bool:
        row = await _in_thread(self._started().records.run, ticket.run_id)
        return (
            row is not None
            and row.status == "PENDING"
            and row.executor == self.executor
            and row.attempts - 1 == ticket.recovery
        )

    async def unfinished(self) -> list[str]:
        """Runs that have not ended, oldest first."""
        return await _in_thread(self._started().records.unfinished)

    async def loose(self) -> list[str]:
        """Runs on the shared queue: nobody has them in hand. ``submit`` takes one over."""
        return await _in_thread(self._started().records.loose)

    async def workers(self) -> list[str]:
        """Other processes that take queued runs, and live."""
        return await _in_thread(self._workers)

    def _workers(self) -> list[str]:
        records = self._started().records
        with records.looking() as connection:
            found = records.workers(connection, self._lease.lease)
        return [name for name in found if name != self.executor and self._alive(name) is not False]

    async def stranded(self) -> list[Stranded]:
        """Unfinished runs that no living worker will take: none runs their version, or none is there at all."""
        return await _in_thread(self._stranded)

    def _stranded(self) -> list[Stranded]:
        records = self._started().records
        with records.looking() as connection:
            return records.stranded(connection, self._lease.lease)

    async def retain(self, *, older_than: datetime) -> int:
        """Delete the records of runs that ended before ``older_than`` (aware); how many.

        Also forgets executors that have been dead for ten leases and have nothing in hand.
        """
        return await _in_thread(self._retain, older_than)

    def _retain(self, older_than: datetime) -> int:
        live = self._started()
        if older_than.tzinfo is None:
            message = "older_than must be an aware time."
            raise InvalidInput(message, hint="give a time with a zone, such as 2026-01-31T00:00:00Z")
        deleted = 0
        while batch := live.records.ended_before(older_than, RETAIN_BATCH):
            live.transact.delete(batch)
            deleted += len(batch)
        for executor in live.records.forget_executors(10 * self._lease.lease):
            if self._locks is not None:
                self._locks.forget(executor)
        return deleted

    async def stop(self) -> None:
        """Stop taking work, cancel drivers, close. What was in hand is free for others at once (unless a driver hangs).

        Waiters of such runs get ``Unavailable``. Harmless when not started.
        """
        live = self._live
        if live is None or self._stopping:
            return
        self._stopping = True
        try:
            tasks = [driving.task for driving in self._driving.values()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=self._grace)
            self._live = None
            await _in_thread(self._close, live, hanging=bool(self._driving))
        finally:
            self._stopping = False

    def _close(self, live: _Live, *, hanging: bool) -> None:
        live.transact.close()
        live.watchdog.stop()
        try:
            if not hanging:
                live.records.leave(self.executor)
        finally:
            live.engine.dispose()
            if self._locks is not None and not hanging:
                self._locks.release(self.executor)

    def _started(self) -> _Live:
        if self._live is None:
            message = "The engine is not started."
            raise Conflict(message, hint="call start() first")
        return self._live


@dataclass(frozen=True, slots=True)
class _Live:
    """What exists between start and stop."""

    engine: sa.Engine
    records: Records
    watchdog: Watchdog
    transact: Transact


async def _in_thread[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call off the loop; a database that is not there becomes ``Unavailable``."""
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except SQLAlchemyError as error:
        message = f"The engine's database does not answer ({type(error).__name__})."
        raise Unavailable(message, code="unavailable.engine") from error
