"""Where a person's identifiers stand in the store: what an erasure must name, and the texts it can blank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, LargeBinary, Table, Text, bindparam, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from remit.adapters.store.schema import metadata
from remit.adapters.store.transaction import ReadTransaction, WriteTransaction

BLANK = "[erased]"
SHOWN = 20

#: Free texts that nothing hashes or logs, so that blanking an identifier in them breaks no proof and no resume.
BLANKED: Mapping[str, tuple[str, ...]] = {
    "action": ("target", "checks", "facts"),
    "mission": ("error",),
    "provenance": ("place", "signals"),
    "step": ("error",),
    "step_attempt": ("error", "log"),
}


@dataclass(frozen=True, slots=True)
class Mention:
    """A column of a table that holds an identifier, in how many rows; ``keys`` are the first twenty rows' keys."""

    table: str
    column: str
    rows: int
    keys: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"table": self.table, "column": self.column, "rows": self.rows, "keys": list(self.keys)}


def blank(tx: WriteTransaction, workspace: str, needles: Sequence[str]) -> list[Mention]:
    """Write ``[erased]`` over the identifiers in the texts that may be changed; what was changed."""
    done: list[Mention] = []
    for table, column in _columns():
        if column.name not in BLANKED.get(table.name, ()):
            continue
        found = _find(tx, table, column, workspace, needles)
        for needle in needles:
            tx.execute(
                update(table)
                .where(table.c.workspace == bindparam("of"), _holds(table, column, "needle", postgres=_postgres(tx)))
                .values({column.name: func.replace(column, bindparam("needle"), BLANK)}),
                {"of": workspace, "needle": needle},
            )
        if found is not None:
            done.append(found)
    return done


def mentions(tx: ReadTransaction, workspace: str, needles: Sequence[str]) -> list[Mention]:
    """Every column of every table that holds one of the identifiers in a row of this workspace, exactly as written."""
    found = (_find(tx, table, column, workspace, needles) for table, column in _columns())
    return [mention for mention in found if mention is not None]


def _columns() -> Iterator[tuple[Table, Column[Any]]]:
    for _, table in sorted(metadata().tables.items()):
        if "workspace" not in table.c:
            continue  # nodes and checkpoints: hashes and signatures
        for column in table.columns:
            if isinstance(column.type, Text | LargeBinary) and column.name != "workspace":
                yield table, column


def _find(
    tx: ReadTransaction, table: Table, column: Column[Any], workspace: str, needles: Sequence[str]
) -> Mention | None:
    postgres = _postgres(tx)
    where = _holds(table, column, "needle", postgres=postgres)
    keys: dict[str, None] = {}
    for needle in needles:
        value = needle.encode() if isinstance(column.type, LargeBinary) else needle
        stmt = select(*table.primary_key.columns).where(table.c.workspace == bindparam("of"), where)
        for row in tx.tuples(stmt, {"of": workspace, "needle": value}):
            keys["/".join(str(part) for part in row if part != workspace)] = None
    return Mention(table.name, column.name, len(keys), tuple(keys)[:SHOWN]) if keys else None


def _postgres(tx: ReadTransaction) -> bool:
    return "psycopg" in type(tx.cursor).__module__


def _holds(table: Table, column: Column[Any], name: str, *, postgres: bool) -> ColumnElement[bool]:
    """Whether a column holds the needle: the same bytes, no patterns."""
    binary = isinstance(column.type, LargeBinary)
    needle = bindparam(name, type_=LargeBinary() if binary else Text())
    if postgres:
        return func.position(needle.op("IN")(table.c[column.name])) > 0
    return func.instr(table.c[column.name], needle) > 0
