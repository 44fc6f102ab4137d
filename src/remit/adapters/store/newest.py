"""A new SQLite store in one step: the schema as all revisions leave it, kept in ``migrations/newest.sql``.

Two dozen revisions take longer than everything else that ``remit init`` does. Whoever changes a revision writes the
file anew::

    python -m remit.adapters.store.migrate >newest.sql && mv newest.sql src/remit/adapters/store/migrations/

Until then its first line, a hash over the revisions, does not fit, and a new store takes the revisions one by one.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
FILE = "newest.sql"
_BREAK = "\n;\n"  # between statements: a line of its own, since triggers hold semicolons
_OWN = "SELECT count(*) FROM sqlite_master"
_SCHEMA = (
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
)
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"


def revisions_hash() -> str:
    """SHA-256 over the names and contents of all revisions, as hexadecimal digits."""
    found = hashlib.sha256()
    for path in sorted((MIGRATIONS / "versions").glob("*.py")):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def statements() -> list[str] | None:
    """What makes the newest schema in an empty database; ``None`` when the file is not of these revisions."""
    try:
        text = (MIGRATIONS / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    head, _, rest = text.partition("\n")
    return rest.strip("\n;").split(_BREAK) if head == f"-- revisions {revisions_hash()}" else None


def make(path: Path) -> bool:
    """Make the whole schema in ``path``, in one transaction, if that is an empty database; whether it was made.

    Raises:
        sqlite3.Error: It cannot be opened or written.
    """
    wanted = statements()
    if wanted is None:
        return False
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute(_OWN).fetchone() != (0,):  # another process was quicker
                connection.execute("ROLLBACK")
                return False
            for statement in wanted:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return True


def written(connection: sqlite3.Connection) -> str:
    """What the file should hold, from a database that took all revisions: tables, indexes, triggers and rows."""
    found = [str(row[0]) for row in connection.execute(_SCHEMA)]
    for (table,) in connection.execute(_TABLES).fetchall():
        names = [str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')]
        values = ", ".join(f'quote("{name}")' for name in names)
        rows = connection.execute(f'SELECT {values} FROM "{table}" ORDER BY 1')  # noqa: S608 - names of our own
        found += [f'INSERT INTO "{table}" VALUES ({", ".join(map(str, row))})' for row in rows]  # noqa: S608 - quoted
    return f"-- revisions {revisions_hash()}\n" + _BREAK.join(found) + "\n;\n"
