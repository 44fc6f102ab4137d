"""Upgrades: a copy first, the old home works whenever it is interrupted, no way down."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from remit.adapters.store.migrate import HEAD, alembic_config
from remit.testing.drill import Drill

pytestmark = pytest.mark.timeout(240)
OLDER = "0020"


def downgrade(path: Path) -> None:
    """As an older version of Remit left it."""
    from alembic import command

    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), OLDER)
    engine.dispose()
    assert revision(path) == OLDER


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as store:
        return str(store.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def copies(home: Path) -> list[Path]:
    folder = home / "upgrades"
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []


def test_it_copies_migrates_verifies_and_keeps_the_copy(drill: Drill) -> None:
    downgrade(drill.home / "remit.db")
    ran = drill.remit("upgrade")
    assert ran.code == 0, ran.err
    told = ran.json()
    assert (told["was"], told["now"]) == (OLDER, HEAD)
    assert revision(drill.home / "remit.db") == HEAD
    (copy,) = copies(drill.home)
    assert copy == Path(told["copy"])
    assert copy.stat().st_mode & 0o777 == 0o700
    assert revision(copy / "remit.db") == OLDER, "the copy is as it was"
    assert {path.name for path in copy.iterdir()} == {"remit.db", "engine.db", "heads.log"}
    assert drill.remit("audit", "verify").json()["ok"] is True
    shown = drill.remit("audit", "show", "--limit", "1000").json()["entries"]
    assert shown[-1]["action"] == "home.upgraded"
    again = drill.remit("upgrade").json()
    assert (again["was"], again["copy"]) == (HEAD, "")
    assert len(copies(drill.home)) == 1


@pytest.mark.parametrize(
    "at",
    [f"{point}:{side}" for point in ("upgrade.copy", "store.migrate", "upgrade.done") for side in ("before", "after")],
)
def test_killed_at_any_point_the_home_works_and_the_next_upgrade_ends_it(drill: Drill, at: str) -> None:
    downgrade(drill.home / "remit.db")
    assert drill.remit("upgrade", at=at).killed
    stands = revision(drill.home / "remit.db")
    assert stands == (HEAD if at in {"store.migrate:after", "upgrade.done:before", "upgrade.done:after"} else OLDER)
    assert len(copies(drill.home)) == (0 if at == "upgrade.copy:before" else 1)
    for copy in copies(drill.home):
        assert revision(copy / "remit.db") == OLDER
    ran = drill.remit("upgrade")
    assert ran.code == 0, ran.err
    assert revision(drill.home / "remit.db") == HEAD
    assert drill.remit("audit", "verify").json()["ok"] is True
    missions = drill.remit("missions").json()["missions"]
    stopped = next(one["mission"] for one in missions if one["status"] == "interrupted")
    assert drill.remit("resume", stopped).json()["status"] == "succeeded"


def test_a_newer_store_is_refused_and_not_touched(drill: Drill) -> None:
    with closing(sqlite3.connect(drill.home / "remit.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    ran = drill.remit("upgrade")
    error = ran.json()["error"]
    assert (ran.code, error["code"]) == (1, "store.newer")
    assert "newer Remit" in error["message"]
    assert "install the newer Remit" in error["hint"]
    assert copies(drill.home) == []
    assert revision(drill.home / "remit.db") == "9999"


def test_only_an_owner_upgrades(drill: Drill) -> None:
    assert drill.remit("users", "add", "bob", "--email", "bob@example.com").code == 0
    assert drill.remit("upgrade", REMIT_USER="bob").code == 3


def test_a_copy_puts_the_old_home_back(drill: Drill) -> None:
    """What docs/operations.md tells a person to do."""
    downgrade(drill.home / "remit.db")
    before = drill.home / "remit.db"
    copy = Path(drill.remit("upgrade").json()["copy"])
    for name in ("remit.db", "engine.db", "heads.log"):
        for left in drill.home.glob(f"{name}*"):
            left.unlink()
        (copy / name).rename(drill.home / name)
    assert revision(before) == OLDER
    assert drill.remit("upgrade").code == 0
    assert drill.remit("audit", "verify").json()["ok"] is True
