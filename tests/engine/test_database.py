"""The engine's database: its pragmas are its own, its address is checked, nothing of it reaches Remit's store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from engine_workers import QUICK

from remit.adapters.engine import DurableEngine, Lease
from remit.adapters.engine.database import engine_database
from remit.kernel.errors import InvalidInput, Unavailable
from remit.kernel.ports import RunTicket


async def nothing(_ticket: RunTicket) -> None:
    """Drive a run that has nothing to do."""


def pragma(connection: sa.Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


async def test_only_the_engine_s_own_connections_give_up_full(tmp_path: Path) -> None:
    """Remit's store keeps SQLite's ``synchronous=FULL`` (2) while an engine runs in the same process, at NORMAL (1)."""
    engine = DurableEngine(f"sqlite:///{tmp_path}/engine.db", lease=QUICK)
    await engine.start(nothing, worker=True)
    await engine.submit("a")
    await engine.wait("a")
    store = sa.create_engine(f"sqlite:///{tmp_path}/remit.db")
    with store.connect() as connection:
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "journal_mode") == "delete"  # what the store wants is the store's to say
    store.dispose()
    with engine._live.engine.connect() as connection:  # pyright: ignore - the connections DBOS works on
        assert pragma(connection, "synchronous") == 1
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "foreign_keys") == 1
    await engine.stop()


def test_dbos_default_times_work_on_an_old_sqlite(tmp_path: Path) -> None:
    """SQLite before 3.42 answers NULL to ``unixepoch('subsec')``, and DBOS's NOT NULL defaults then fail."""
    engine = engine_database(f"sqlite:///{tmp_path}/engine.db").engine(1)
    began = time.time()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE t (at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)), n INTEGER)"
        )
        connection.exec_driver_sql("INSERT INTO t (n) VALUES (1)")
        at = connection.exec_driver_sql("SELECT at FROM t").scalar()
    engine.dispose()
    assert began - 1 <= at / 1000 <= time.time() + 1


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "postgresql://host", "not an address"]
)
def test_refuses_an_address_it_cannot_run_on(url: str) -> None:
    with pytest.raises(InvalidInput):
        DurableEngine(url)


@pytest.mark.parametrize(("lease", "beat"), [(1, 1), (0, 0), (5, -1), (2, 0.7)])
def test_refuses_a_lease_without_room_for_three_beats(lease: float, beat: float) -> None:
    with pytest.raises(InvalidInput, match="beats"):
        Lease(lease=lease, beat=beat)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/engine.db", "postgresql://remit@127.0.0.1:1/remit"])
async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    engine = DurableEngine(url, lease=QUICK)
    with pytest.raises(Unavailable, match="does not answer"):
        await engine.start(nothing, worker=False)
    await engine.stop()


async def test_tables_of_postgres_lie_in_a_schema_of_their_own(blank_url: str) -> None:
    engine = DurableEngine(blank_url, lease=QUICK)
    await engine.start(nothing, worker=False)
    await engine.stop()
    admin = sa.create_engine(engine_database(blank_url).url)
    names = sa.text("SELECT DISTINCT table_schema FROM information_schema.tables")
    with admin.connect() as connection:
        assert set(connection.execute(names).scalars()) == {"remit_dbos", "pg_catalog", "information_schema"}
    admin.dispose()


def test_several_processes_may_start_on_a_new_database_at_once(fresh_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from remit.adapters.engine import DurableEngine\n"
        "async def main():\n"
        "    async def drive(t): pass\n"
        "    engine = DurableEngine(sys.argv[1])\n"
        "    await engine.start(drive, worker=True)\n"
        "    await engine.submit('a'); await engine.wait('a'); await engine.stop()\n"
        "asyncio.run(main())\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, fresh_url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors.decode()) == (0, "")


def test_the_package_is_imported_without_dbos() -> None:
    code = "import sys, remit.adapters.engine; sys.exit('dbos' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_sent_anywhere_and_nothing_is_said(tmp_path: Path) -> None:
    """An audit hook sees every connection and look-up; on SQLite there is none, and no output either."""
    code = (
        "import asyncio, sys\n"
        "seen = []\n"
        "def hook(event, args):\n"
        "    if event in {'socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'}:\n"
        "        seen.append((event, args[1:]))\n"
        "sys.addaudithook(hook)\n"
        "from remit.adapters.engine import DurableEngine\n"
        "async def main():\n"
        "    async def drive(t): await asyncio.sleep(2)\n"
        "    engine = DurableEngine(sys.argv[1])\n"
        "    await engine.start(drive, worker=True)\n"
        "    await engine.submit('a'); await engine.wait('a'); await engine.stop()\n"
        "asyncio.run(main())\n"
        "sys.exit(repr(seen) if seen else 0)\n"
    )
    url = f"sqlite:///{tmp_path}/engine.db"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, url], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_vendor_s_cloud_is_refused(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from remit.adapters.engine import DurableEngine\n"
        "from remit.kernel.errors import InvalidInput\n"
        "async def main():\n"
        "    async def drive(t): pass\n"
        "    try: await DurableEngine(sys.argv[1]).start(drive, worker=False)\n"
        "    except InvalidInput as error: sys.exit(0 if error.hint == 'unset DBOS__CLOUD' else 1)\n"
        "    sys.exit(2)\n"
        "asyncio.run(main())\n"
    )
    url = f"sqlite:///{tmp_path}/engine.db"
    environment = {"DBOS__CLOUD": "true", "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, url], env=environment, check=False).returncode == 0


def test_a_sqlite_file_of_the_engine_is_a_plain_database(tmp_path: Path) -> None:
    """A backup tool without our hook can read it."""
    engine = engine_database(f"sqlite:///{tmp_path}/engine.db").engine(1)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    engine.dispose()
    plain = sqlite3.connect(tmp_path / "engine.db")
    assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plain.close()
