"""Whoever can write the engine's database must not thereby run code in Remit's process."""

from __future__ import annotations

import base64
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from engine_workers import QUICK, until

from remit.adapters.engine import DurableEngine
from remit.adapters.engine.database import engine_database
from remit.kernel.errors import IntegrityError
from remit.kernel.ports import RunTicket


class Payload:
    """Unpickled anywhere, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


def poison(url: str, run_id: str, trap: Path) -> None:
    """Rewrite a run's row, input and output as an attacker with the database would."""
    database = engine_database(url)
    prefix = f"{database.schema}." if database.schema else ""
    text = base64.b64encode(pickle.dumps(Payload(trap))).decode()
    engine = database.engine(1)
    with engine.begin() as connection:
        for table, column in (("workflow_input", "inputs"), ("workflow_output", "output")):
            connection.execute(
                sa.text(f"UPDATE {prefix}{table} SET {column} = :t WHERE workflow_uuid = :r"),  # noqa: S608
                {"t": text, "r": run_id},
            )
        connection.execute(
            sa.text(f"UPDATE {prefix}workflow_status SET serialization = 'py_pickle' WHERE workflow_uuid = :r"),  # noqa: S608
            {"r": run_id},
        )
    engine.dispose()


async def drive(_ticket: RunTicket) -> None:
    """Drive a run that has nothing to do."""


def test_the_trap_works_when_nobody_refuses(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "trap")))  # noqa: S301 - the danger itself, shown
    assert (tmp_path / "trap").exists()


async def test_a_queued_row_that_asks_for_pickle_runs_nothing(
    make_engine: Callable[..., DurableEngine], engine_url: str, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    engine = make_engine()
    await engine.start(drive, worker=False)
    await engine.submit("a", queued=True)
    poison(engine_url, "a", trap)
    with pytest.raises(IntegrityError, match="changed from outside"):
        await engine.submit("a")
    assert not trap.exists()
    await engine.stop()


async def test_a_worker_cancels_a_row_that_asks_for_pickle_and_says_so(
    make_engine: Callable[..., DurableEngine], engine_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trap = tmp_path / "trap"
    engine = make_engine()
    await engine.start(drive, worker=False)
    await engine.submit("a", queued=True)
    await engine.stop()
    poison(engine_url, "a", trap)
    await engine.start(drive, worker=True)
    await until(lambda: "changed from outside" in caplog.text)
    with pytest.raises(IntegrityError, match="changed from outside"):
        await engine.wait("a")
    assert await engine.unfinished() == []
    assert not trap.exists()
    await engine.submit("b", queued=True)
    await engine.wait("b")
    await engine.stop()


async def test_a_finished_row_that_asks_for_pickle_is_listed_and_runs_nothing(
    make_engine: Callable[..., DurableEngine], engine_url: str, tmp_path: Path
) -> None:
    from dbos import DBOS

    trap = tmp_path / "trap"
    engine = make_engine()
    await engine.start(drive, worker=False)
    await engine.submit("a")
    await engine.wait("a")
    poison(engine_url, "a", trap)
    rows = await DBOS.list_workflows_async(load_input=True, load_output=True)
    await DBOS.list_workflow_steps_async("a")
    assert [row.workflow_id for row in rows] == ["a"]
    assert not trap.exists()
    await engine.stop()


async def test_dbos_refuses_to_write_pickle_too(make_engine: Callable[..., DurableEngine]) -> None:
    from dbos._serialization import DBOSDefaultSerializer

    engine = make_engine(lease=QUICK)
    await engine.start(drive, worker=False)
    with pytest.raises(IntegrityError, match="pickle"):
        DBOSDefaultSerializer.serialize({"a": 1})
    with pytest.raises(IntegrityError, match="pickle"):
        DBOSDefaultSerializer.deserialize("gASVAAAAAAAAAAAu")
    await engine.stop()
