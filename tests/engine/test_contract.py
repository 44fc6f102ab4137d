"""What we use of DBOS beyond its documentation: held here, so that an upgrade fails a test and not a mission."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa

from remit.adapters.engine import DurableEngine
from remit.adapters.engine.database import EngineDatabase, engine_database
from remit.adapters.engine.records import FINISHED, FORMAT, HERE, SHARED, STATUS, UNFINISHED, WORKFLOW, Records
from remit.kernel.ports import RunTicket


async def drive(_ticket: RunTicket) -> None:
    """Drive a run that has nothing to do."""


def test_the_version_that_was_read() -> None:
    assert version("dbos").startswith("3.4."), "read the recovery and dequeue code again, then change this line"


def test_private_names() -> None:
    from dbos import DBOS
    from dbos._core import execute_dequeued_workflow
    from dbos._dbos import DBOSRegistry
    from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer
    from dbos._sys_db import SystemDatabase

    assert list(inspect.signature(execute_dequeued_workflow).parameters) == ["dbos", "status", "owner_xid"]
    assert list(inspect.signature(SystemDatabase.get_workflow_status).parameters) == ["self", "workflow_uuid"]
    assert list(inspect.signature(DBOSRegistry._register_internal_queue).parameters) == ["self", "name", "limits"]
    assert isinstance(DBOS._sys_db, property)
    assert DefaultSerializer().name() == "py_pickle"
    assert DBOSPortableJSONSerializer().name() == FORMAT


def test_every_status_is_known() -> None:
    from dbos._sys_db import WorkflowStatusString

    assert {status.value for status in WorkflowStatusString} == {*UNFINISHED, *FINISHED}


def test_every_column_we_name_is_theirs() -> None:
    from dbos._schemas.system_database import SystemSchema

    assert {column.name for column in STATUS.columns} <= {c.name for c in SystemSchema.workflow_status.columns}
    assert {"workflow_uuid", "output"} <= {c.name for c in SystemSchema.workflow_output.columns}


def raw(database: EngineDatabase, run_id: str) -> dict[str, Any]:
    """A run's row, whole, without its times and tokens."""
    prefix = f"{database.schema}." if database.schema else ""
    engine = database.engine(1)
    with engine.connect() as connection:
        stmt = sa.text(f"SELECT * FROM {prefix}workflow_status WHERE workflow_uuid = :r")  # noqa: S608
        row = dict(connection.execute(stmt, {"r": run_id}).mappings().one())
    engine.dispose()
    for column in ("created_at", "updated_at", "workflow_uuid", "inputs"):
        row.pop(column)
    for column in ("owner_xid", "creator_xid", "started_at_epoch_ms"):
        row[column] = row[column] is not None
    return row


async def test_our_release_writes_what_dbos_s_recovery_writes(
    make_engine: Callable[..., DurableEngine], engine_url: str
) -> None:
    from dbos._dbos import _get_dbos_instance

    engine = make_engine()
    await engine.start(drive, worker=False)
    live = engine._live
    assert live is not None
    for run in ("theirs", "ours"):
        live.transact.enqueue(run, shared=False)
        row = live.records.run(run)
        assert row is not None
        assert live.records.claim(row, "somebody", "token")
    assert _get_dbos_instance()._sys_db.reenqueue_for_recovery("theirs", ["somebody"], SHARED)
    with live.records.exclusive() as connection:
        assert live.records.release(connection, "somebody", ["ours"]) == ["ours"]
    database = engine_database(engine_url)
    theirs, ours = raw(database, "theirs"), raw(database, "ours")
    assert (theirs.pop("queue_name"), ours.pop("queue_name")) == (HERE, SHARED)  # they keep a queue, we need ours
    assert ours == theirs
    await engine.stop()


async def test_our_claim_writes_what_dbos_s_dequeue_writes(
    make_engine: Callable[..., DurableEngine], engine_url: str
) -> None:
    from dbos._dbos import _get_dbos_instance, _get_or_create_dbos_registry

    engine = make_engine()
    await engine.start(drive, worker=False)
    live = engine._live
    assert live is not None
    live.transact.enqueue("theirs", shared=True)
    queue = _get_or_create_dbos_registry()._register_internal_queue("remit-contract")
    queue.name = SHARED
    taken, _ = _get_dbos_instance()._sys_db.start_queued_workflows(queue, "somebody", "wf-1", None, owner_xid="token")
    _get_or_create_dbos_registry().internal_queue_map.pop("remit-contract")
    assert taken == ["theirs"]
    live.transact.enqueue("ours", shared=True)
    row = live.records.run("ours")
    assert row is not None
    assert live.records.claim(row, "somebody", "token")
    assert not live.records.claim(row, "another", "token")
    database = engine_database(engine_url)
    assert raw(database, "ours") == raw(database, "theirs")
    assert raw(database, "ours")["name"] == WORKFLOW
    await engine.stop()


async def test_records_count_nothing_of_another_application(
    make_engine: Callable[..., DurableEngine], engine_url: str
) -> None:
    engine = make_engine()
    await engine.start(drive, worker=False)
    await engine.submit("a", queued=True)
    database = engine_database(engine_url)
    own = database.engine(1)
    with own.begin() as connection:
        connection.execute(sa.update(STATUS).values(name="somebody.else"))
    records = Records(database, own)
    assert records.unfinished() == []
    assert records.run("a") is None
    own.dispose()
    await engine.stop()
