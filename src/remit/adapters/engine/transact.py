"""Everything that touches DBOS, public names and private ones, in one file.

Private names used (``tests/engine/test_contract.py`` holds each): ``_core.execute_dequeued_workflow``,
``DBOS._sys_db.get_workflow_status``, ``DBOSRegistry._register_internal_queue``, ``DefaultSerializer``. Imported only
when an engine starts: importing DBOS costs half a second.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_or_create_dbos_registry  # pyright: ignore[reportPrivateUsage]
from dbos._error import MaxRecoveryAttemptsExceededError
from dbos._serialization import DBOSPortableJSONSerializer
from dbos._utils import GlobalParams

from remit.adapters.engine.database import EngineDatabase
from remit.adapters.engine.pickles import refuse_pickle
from remit.adapters.engine.records import APP_VERSION, HERE, SHARED, WORKFLOW, Records, RunRow
from remit.kernel.errors import Conflict, InvalidInput

#: Claims after which a run that never ends (it may be what kills its workers) is given up.
MAX_CLAIMS = 100
#: How often a worker looks for queued runs, in seconds.
POLL = 0.2

type Body = Callable[[str], Awaitable[str | None]]

_body: Body | None = None


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_CLAIMS - 1)
async def _run(run_id: str) -> str | None:
    """The one workflow: no steps inside, its result is an error code or nothing."""
    if _body is None:  # pragma: no cover - a workflow runs only between launch and close
        message = "a run began while no engine was started"
        raise Conflict(message)
    return await _body(run_id)


class Transact:
    """The process's one DBOS instance.

    Blocking: call it from a thread that has no event loop, so that DBOS keeps its own loop and thread pool and leaves
    the application's alone.
    """

    def __init__(self, database: EngineDatabase, engine: sa.Engine, *, executor: str) -> None:
        """Args: ``engine`` is one that ``database`` made; the caller keeps owning it."""
        self._executor = executor
        self._config: DBOSConfig = {
            "name": "remit",
            "application_version": APP_VERSION,
            "executor_id": executor,
            "serializer": DBOSPortableJSONSerializer(),
            "system_database_url": database.url.render_as_string(hide_password=False),
            "system_database_engine": engine,
            "dbos_system_schema": database.schema or "dbos",
            "max_executor_threads": database.threads,
            "log_level": "WARNING",
            # We use neither notifications nor events. The first is also how long closing takes, the second how often
            # a thread wakes up for nothing.
            "notification_listener_polling_interval_sec": 0.1,
            "notification_coalesce_sec": 0.5,
            "enable_otlp": False,
        }

    def launch(self, body: Body, *, worker: int) -> None:
        """Start DBOS; ``worker`` is how many queued runs at once this process takes, 0 for none.

        Raises:
            Conflict: This process runs an engine already (DBOS allows one).
            InvalidInput: The environment would hand DBOS to its vendor's cloud.
        """
        global _body  # noqa: PLW0603 - DBOS is one per process, and so is what its workflow calls
        if _body is not None:
            message = "This process runs an engine already; DBOS allows one in a process."
            raise Conflict(message, hint="stop the first engine, or use another process")
        if GlobalParams.dbos_cloud:
            message = "DBOS__CLOUD is set: DBOS would take its settings from, and report to, its vendor's cloud."
            raise InvalidInput(message, hint="unset DBOS__CLOUD")
        _route_log()
        refuse_pickle()
        registry = _get_or_create_dbos_registry()
        registry.internal_queue_map.pop(SHARED, None)
        if worker:
            registry._register_internal_queue(SHARED, worker_concurrency=worker, polling_interval_sec=POLL)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        _body = body
        try:
            DBOS(config=self._config)
            DBOS.launch()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop DBOS. Runs in hand stay unfinished, for others to take."""
        global _body  # noqa: PLW0603 - see launch
        DBOS.destroy()
        _body = None

    def enqueue(self, run_id: str, *, shared: bool) -> None:
        """Write a run's row, once: for any worker, or for this process to claim."""
        with SetWorkflowID(run_id):
            DBOS.enqueue_workflow(SHARED if shared else HERE, _run, run_id)

    def execute(self, records: Records, row: RunRow) -> bool:
        """Claim ``row`` for this process and run it here; ``False`` when another was faster."""
        token = str(uuid4())
        if not records.claim(row, self._executor, token):
            return False
        dbos = _instance()
        status = dbos._sys_db.get_workflow_status(row.run_id)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if status is None:
            return False
        with suppress(MaxRecoveryAttemptsExceededError):  # its row says so now, and a waiter is told
            execute_dequeued_workflow(dbos, status, token)
        return True

    def cancel(self, run_id: str) -> None:
        """Mark a run cancelled: nobody recovers it, and its outcome is not recorded."""
        DBOS.cancel_workflow(run_id)

    def delete(self, run_ids: Sequence[str]) -> None:
        """Delete every row of these runs (through DBOS: its payload tables have no foreign keys)."""
        DBOS.delete_workflows(list(run_ids), delete_children=True)


def _instance() -> DBOS:
    from dbos._dbos import _get_dbos_instance  # pyright: ignore[reportPrivateUsage]

    return _get_dbos_instance()


def _is_news(record: logging.LogRecord) -> bool:
    """A run that is cancelled, by a person or because the process stops, is told by the mission; DBOS warns of it."""
    return not record.getMessage().startswith("Asyncio task cancelled for workflow")


def _route_log() -> None:
    """Let DBOS's records go to the root logger, where they are redacted, and to no handler of its own."""
    logger = logging.getLogger("dbos")
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())  # DBOS adds a console handler only where there is none
        logger.addFilter(_is_news)
    logger.propagate = True
