"""What an administrator asks of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from remit.adapters.store.schema import metadata
from remit.adapters.store.transaction import ReadTransaction


@dataclass(frozen=True, slots=True)
class Statistics:
    """Rows by table, sizes in bytes, queues and connections; ``signed`` is the size of the last checkpoint."""

    database: str
    rows: Mapping[str, int]
    bytes: int
    wal_bytes: int
    queued: int
    connections: Mapping[str, int]
    signed: int
    seal_error: str = ""

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "database": self.database,
            "rows": dict(self.rows),
            "bytes": self.bytes,
            "wal_bytes": self.wal_bytes,
            "queued": self.queued,
            "connections": dict(self.connections),
            "signed": self.signed,
            "seal_error": self.seal_error,
        }


def count_rows(tx: ReadTransaction) -> dict[str, int]:
    """Rows of every table of the schema."""
    return {
        name: tx.tuples(select(func.count()).select_from(table))[0][0]
        for name, table in sorted(metadata().tables.items())
    }
