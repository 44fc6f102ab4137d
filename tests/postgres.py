"""A Postgres for tests: the one at ``REMIT_TEST_POSTGRES_URL``, or one of our own in a temporary folder.

Import the fixtures in a ``conftest.py``: ``postgres_url`` is a database for each test in which Remit's tables are and
nothing else, a copy of one that took the revisions; ``blank_url`` one without tables, ``postgres_server`` the server
for the session.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

WHY_SKIPPED = "no Postgres: set REMIT_TEST_POSTGRES_URL or install its server (initdb, pg_ctl)"


def find_binaries() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``."""
    places = [Path(found).resolve().parent for name in ("initdb", "pg_ctl") if (found := shutil.which(name))]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "pg_ctl").exists()), None)


def _as_other_user(folder: Path) -> list[str]:
    """Postgres refuses to run as root; the words that run a command as somebody else who owns ``folder``."""
    if os.geteuid() != 0:
        return []
    for user in ("postgres", "nobody"):
        if subprocess.run(["id", user], capture_output=True, check=False).returncode == 0:
            shutil.chown(folder, user=user)
            return ["runuser", "-u", user, "--"]
    pytest.skip("no Postgres: as root, its server needs a user 'postgres' or 'nobody'")


@contextmanager
def cluster(binaries: Path) -> Iterator[str]:
    """A server of our own on a socket in a temporary folder; yields the URL of its database ``postgres``."""
    # Short: a socket's path may have 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="rpg"))
    root.chmod(0o755)
    home = root / "pg"
    home.mkdir(mode=0o700)
    prefix = _as_other_user(home)
    data, log = home / "data", home / "log"

    def run(*command: str) -> None:
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, cwd=root, check=False)
        if done.returncode:
            detail = log.read_text() if log.exists() else ""
            pytest.fail(f"{command[0]} failed: {done.stderr or done.stdout}{detail}")

    # Without fsync: what the operating system was handed outlives every process that tests kill.
    options = (
        f"-c listen_addresses= -c unix_socket_directories={home} -c max_connections=60 -c shared_buffers=64MB "
        "-c fsync=off -c full_page_writes=off"
    )
    try:
        run(str(binaries / "initdb"), "-D", str(data), "-U", "remit", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(str(binaries / "pg_ctl"), "-D", str(data), "-l", str(log), "-o", options, "-w", "start")
        try:
            yield f"postgresql://remit@/postgres?host={home}"
        finally:
            run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


#: The server of this process, and its database to copy: one, in however many modules the fixtures are named.
_KEPT: dict[str, str] = {}


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """The URL of a server on which databases may be made."""
    if "server" in _KEPT:
        return _KEPT["server"]
    stack = ExitStack()
    request.config.add_cleanup(stack.close)
    stack.callback(_KEPT.clear)
    given = os.environ.get("REMIT_TEST_POSTGRES_URL")
    if not given:
        binaries = find_binaries()
        if binaries is None:
            if os.environ.get("REMIT_REQUIRE_ALL") == "1":
                pytest.fail(WHY_SKIPPED)
            pytest.skip(WHY_SKIPPED)
        given = stack.enter_context(cluster(binaries))
    _KEPT["server"] = given
    _KEPT["template"] = stack.enter_context(_made(_KEPT["server"]))
    from remit.adapters.store.migrate import migrate_postgres

    migrate_postgres(with_database(_KEPT["server"], _KEPT["template"]))
    return _KEPT["server"]


def _order(server: str, statement: str, *names: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def _made(server: str, template: str = "template1") -> Iterator[str]:
    """The name of a new database, which goes at the end."""
    name = f"remit_{uuid4().hex[:12]}"
    _order(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield name
    finally:
        _order(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A database of its own for a test, with Remit's tables and nothing in them: a copy, taken in no time."""
    with _made(postgres_server, _KEPT["template"]) as name:
        yield with_database(postgres_server, name)


@pytest.fixture
def blank_url(postgres_server: str) -> Iterator[str]:
    """A database of its own for a test, without any table."""
    with _made(postgres_server) as name:
        yield with_database(postgres_server, name)


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))
