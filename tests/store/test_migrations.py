"""The schema that the revisions lead to is the one the rooms declare, on both databases."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from remit.adapters.store import open_store
from remit.adapters.store.migrate import HEAD, alembic_config, migrate_postgres, migrate_sqlite, newest, take_revisions
from remit.adapters.store.newest import FILE, MIGRATIONS, make, statements, written
from remit.adapters.store.schema import metadata
from remit.kernel.errors import Conflict


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_revisions_lead_to_the_declared_schema(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if database == "sqlite":
        migrate_sqlite(tmp_path / "remit.db")
        engine = create_engine(f"sqlite:///{tmp_path}/remit.db", poolclass=NullPool)
    else:
        url: str = request.getfixturevalue("blank_url")
        migrate_postgres(url)
        engine = create_engine(url.replace("://", "+psycopg://", 1), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata()) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_the_newest_revision_is_the_one_the_code_names() -> None:
    assert ScriptDirectory.from_config(alembic_config(None)).get_current_head() == HEAD


def test_a_new_store_is_made_in_one_step_as_all_revisions_would_make_it(tmp_path: Path) -> None:
    kept = (MIGRATIONS / FILE).read_text(encoding="utf-8")
    assert kept == newest(), "write it anew: python -m remit.adapters.store.migrate (remit.adapters.store.newest)"
    assert make(tmp_path / "new.db")
    take_revisions(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as new, closing(sqlite3.connect(tmp_path / "old.db")) as old:
        assert written(new) == written(old) == kept
        for pragma in ("journal_mode", "auto_vacuum", "encoding", "page_size", "user_version", "application_id"):
            found = {db.execute(f"PRAGMA {pragma}").fetchone() for db in (new, old)}
            assert len(found) == 1, pragma
    assert not make(tmp_path / "new.db"), "nothing is made twice"


def test_a_schema_of_other_revisions_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statements() is not None
    copy = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copy)
    with (copy / "versions" / "0024_operations.py").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr("remit.adapters.store.newest.MIGRATIONS", copy)
    assert statements() is None
    assert not make(tmp_path / "new.db")
    (copy / FILE).unlink()
    assert statements() is None


def test_every_revision_can_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    engine = create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        command.downgrade(alembic_config(connection), "base")
        left = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        assert left == [("alembic_version",)]
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    with pytest.raises(Conflict, match="newer Remit") as caught:
        open_store(tmp_path)
    assert caught.value.code == "store.newer"
    with closing(sqlite3.connect(tmp_path / "remit.db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_migrating_twice_changes_nothing_and_needs_no_alembic(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    code = (
        "import sys; from pathlib import Path; from remit.adapters.store import open_store;"
        f"open_store(Path({str(tmp_path)!r})).close();"
        "assert 'alembic' not in sys.modules and 'psycopg' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_processes_that_start_at_once_take_turns(tmp_path: Path) -> None:
    from remit.adapters.store.keyfile import create_key

    create_key(tmp_path / "audit.key")
    (tmp_path / "heads.log").touch()
    home = f"Path({str(tmp_path)!r})"
    code = f"from pathlib import Path; from remit.adapters.store import open_store; open_store({home}).close()"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    with open_store(tmp_path) as store:
        report = store.verify()
        assert (report.ok, report.size) == (True, 1)
