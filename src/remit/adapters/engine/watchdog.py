"""Two threads: one says that this executor lives, the other takes over what dead executors left.

They are apart, and each has its own connection, so that a slow takeover can't make its own executor look dead. Neither
ends before the engine stops: a database that is away is met by trying again at the next beat.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from remit.adapters.engine.database import EngineDatabase
from remit.adapters.engine.leases import Lease
from remit.adapters.engine.records import Busy, Records, Stranded

log = logging.getLogger("remit.engine")

type Alive = Callable[[str], bool | None]


def dead_executors(
    records: Records, connection: sa.Connection, executors: Sequence[str], *, lease: float, alive: Alive, local: bool
) -> list[str]:
    """Which of ``executors`` are dead: their process is known to be gone, or their lease is.

    Args:
        records: Where they are written down.
        connection: The transaction in which they are judged.
        executors: Their names.
        lease: Seconds of silence after which an executor that nobody can ask about is dead.
        alive: Asks this host; ``None`` means it can't tell.
        local: Everything runs on one host, so a process known to live is alive however silent (a laptop that slept).
    """
    silence = records.silence(connection, executors)
    dead: list[str] = []
    for executor in executors:
        known = alive(executor)
        silent = silence.get(executor)
        if known is False or ((silent is None or silent > lease) and not (known and local)):
            dead.append(executor)
    return dead


class Watchdog:
    """The heartbeat of one executor and, for a worker, the takeover of dead ones. Its methods are thread-safe."""

    def __init__(
        self,
        database: EngineDatabase,
        *,
        executor: str,
        lease: Lease,
        alive: Alive,
        running: Callable[[], frozenset[str]],
    ) -> None:
        """Args: ``running`` gives the runs that this process is driving at the moment."""
        self._database = database
        self._executor = executor
        self._lease = lease
        self._alive = alive
        self._running = running
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._engines: list[sa.Engine] = []
        self._idle_since: dict[tuple[str, int], float] = {}
        self._reported: set[str] = set()

    def start(self, *, worker: bool) -> None:
        """Write the first sign of life, then go on in threads.

        Raises:
            SQLAlchemyError: The database is not there.
        """
        records = self._records()
        records.beat(self._executor, worker=worker)
        self._spawn("remit-engine-beat", lambda: records.beat(self._executor, worker=worker))
        if worker:
            own = self._records()
            self._spawn("remit-engine-watch", lambda: self.watch(own))

    def stop(self) -> None:
        """End both threads and close their connections."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        for engine in self._engines:
            engine.dispose()

    def watch(self, records: Records) -> None:
        """One round: judge every executor that has runs in hand, put the runs of dead ones on the queue.

        Looks first and locks only when there is something to do: on SQLite the lock is every writer's.
        """
        idle = self._idle(records)
        with records.looking() as connection:
            if not idle and not self._dead(records, connection) and not records.foreign(connection):
                self._report(records.stranded(connection, self._lease.lease))
                return
        try:
            with records.exclusive() as connection:
                foreign = records.refuse_foreign(connection)
                taken = {name: records.release(connection, name) for name in self._dead(records, connection)}
                dropped = records.release(connection, self._executor, idle) if idle else []
        except Busy:
            return
        if foreign:
            log.error("rows of the engine's database were changed from outside, runs cancelled: %s", ", ".join(foreign))
        for name, run_ids in taken.items():
            log.warning("executor %s is dead, its runs are queued again: %s", name, ", ".join(run_ids))
        if dropped:
            log.warning("runs that this executor owned and did not drive are queued again: %s", ", ".join(dropped))

    def _dead(self, records: Records, connection: sa.Connection) -> list[str]:
        others = [name for name in records.owners(connection) if name != self._executor]
        if not others:
            return []
        local = self._database.sqlite
        return dead_executors(records, connection, others, lease=self._lease.lease, alive=self._alive, local=local)

    def _idle(self, records: Records) -> list[str]:
        """Runs that are ours by their row, but that nothing here has been driving for a whole lease.

        That happens when a run's start failed after its claim, or when its driver found Remit's store unavailable.
        """
        with records.looking() as connection:
            owned = records.owned(connection, self._executor)
        now = time.monotonic()
        running = self._running()
        idle = {key: self._idle_since.get(key, now) for key in owned.items() if key[0] not in running}
        self._idle_since = idle
        return [run_id for (run_id, _), since in idle.items() if now - since > self._lease.lease]

    def _report(self, stranded: Sequence[Stranded]) -> None:
        """Say once for each run that no living worker runs its version."""
        fresh = [run for run in stranded if run.run_id not in self._reported and run.age > self._lease.lease]
        for run in fresh:
            log.error("run %s needs a worker of version %s, and none is alive", run.run_id, run.version or "unknown")
        self._reported = {run.run_id for run in stranded} & (self._reported | {run.run_id for run in fresh})

    def _records(self) -> Records:
        engine = self._database.engine(1)
        self._engines.append(engine)
        return Records(self._database, engine)

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        def loop() -> None:
            failing = False
            while not self._stop.wait(self._lease.beat):
                try:
                    work()
                except Exception as error:
                    if not failing:
                        log.warning("%s failed and goes on: %s", name, type(error).__name__, exc_info=error)
                    failing = True
                else:
                    failing = False

        thread = threading.Thread(target=loop, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
