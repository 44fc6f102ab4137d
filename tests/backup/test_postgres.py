"""A store on Postgres: dumped while it lives, restored into an empty database, verified there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from remit.testing.drill import PACK, Drill

from ..postgres import with_database  # noqa: TID252 - tests are loaded by path

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("pg_dump") is None, reason="no pg_dump: install Postgres' client programs"),
]


@pytest.fixture
def other_url(postgres_server: str) -> Iterator[str]:
    """Another empty database on the same server."""
    name = f"other_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield with_database(postgres_server, name)
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tables(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'remit_dbos')")
        return int(found.fetchall()[0][0])


def test_a_home_on_postgres_comes_back_whole(tmp_path: Path, postgres_url: str, other_url: str) -> None:
    with Drill(tmp_path) as drill:
        drill.environ = {"REMIT_STORE_URL": postgres_url, "REMIT_LEASE_S": "2"}
        assert drill.remit("init").code == 0
        assert drill.remit("run", PACK, drill.intake(witness="")).code == 0
        assert drill.remit("run", PACK, drill.intake(witness=""), at="step.finish:before:3").killed
        taken = drill.remit("backup", tmp_path / "b.gz", "--with-keys")
        assert taken.code == 0, taken.err
        before = drill.remit("missions").json()["missions"]
        shutil.rmtree(drill.home)
        full = drill.remit("restore", tmp_path / "b.gz")
        assert (full.code, full.json()["error"]["code"]) == (1, "restore.database")
        assert not drill.home.exists()
        drill.environ["REMIT_STORE_URL"] = other_url
        killed = drill.remit("restore", tmp_path / "b.gz", REMIT_USER="nobody")
        assert killed.code == 3, "the order itself is refused in the restored store"
        assert tables(other_url) == 0, "what was put there is taken out again"
        ran = drill.remit("restore", tmp_path / "b.gz")
        assert ran.code == 0, ran.err
        assert len(ran.json()["interrupted"]) == 1
        after = drill.remit("missions").json()["missions"]
        assert [(one["mission"], one["status"]) for one in after] == [(one["mission"], one["status"]) for one in before]
        ran = drill.remit("resume", ran.json()["interrupted"][0]["mission"])
        assert ran.code == 0, ran.err
        assert ran.json()["status"] == "succeeded"
        assert drill.remit("audit", "verify").json()["ok"] is True
