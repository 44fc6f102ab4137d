"""What an administrator asks of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, literal, select

from remit.adapters.store.schema import metadata
from remit.adapters.store.transaction import ReadTransaction

MOST_COUNTED = 100_000  # rows of a table


@dataclass(frozen=True, slots=True)
class Statistics:
    """Rows by table, sizes in bytes, queues and connections; ``signed`` is the size of the last checkpoint.

    Attributes:
        rows: By table, counted to ``MOST_COUNTED``.
        more: Tables that have at least that many.
        sizes: Bytes of each table with its indexes; empty where the database can't say without reading all of it.
        version: The database engine's.
        revision: Of the schema.
        batches: Transactions that this process has written, ``writes`` operations in all.
    """

    database: str
    rows: Mapping[str, int]
    bytes: int
    wal_bytes: int
    queued: int
    connections: Mapping[str, int]
    signed: int
    seal_error: str = ""
    more: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    version: str = ""
    revision: str = ""
    batches: int = 0
    writes: int = 0

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
            "more": list(self.more),
            "sizes": dict(self.sizes),
            "version": self.version,
            "revision": self.revision,
            "batches": self.batches,
            "writes": self.writes,
        }


def count_rows(tx: ReadTransaction) -> dict[str, int]:
    """Rows of every table of the schema, each counted to ``MOST_COUNTED``: what it costs has a bound."""
    found: dict[str, int] = {}
    for name, table in sorted(metadata().tables.items()):
        some = select(literal(1)).select_from(table).limit(MOST_COUNTED).subquery()
        found[name] = tx.tuples(select(func.count()).select_from(some))[0][0]
    return found


def counted(rows: Mapping[str, int]) -> tuple[str, ...]:
    """The tables that have more rows than were counted, or just as many."""
    return tuple(name for name, count in rows.items() if count >= MOST_COUNTED)
