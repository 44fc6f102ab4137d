"""Transactions as rooms see them, over either driver's cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Protocol

from sqlalchemy import Table
from sqlalchemy.sql.base import Executable

from remit.adapters.store.later import Later, Waiting
from remit.adapters.store.shown import (
    Drafted,
    Masking,
    clean,
    drafted_texts,
    masked_drafts,
    masked_parameters,
    masked_rows,
    texts_of,
)
from remit.adapters.store.statements import Prepared, Statements
from remit.audit.entry import Draft, Entry, draft
from remit.audit.keyring import Keyring
from remit.kernel.action import ActorKind
from remit.kernel.asked_from import asked_from
from remit.kernel.correlation import current
from remit.kernel.ports import Kept, Params, Row


class MissedError(Exception):
    """A statement that waited touched other rows than it must."""


class Cursor(Protocol):
    """What sqlite3 and psycopg cursors share."""

    @property
    def rowcount(self) -> int:
        """Rows touched by the last statement."""
        ...

    def execute(self, query: Any, params: Any = ..., /) -> Any:
        """Run once."""
        ...

    def executemany(self, query: Any, params_seq: Any, /) -> Any:
        """Run for each set of parameters."""
        ...

    def fetchall(self) -> list[Any]:
        """Every row."""
        ...


class ReadTransaction:
    """Reads in one snapshot (``kernel.ports.ReadTx``, and ``audit.verify.LogReader``)."""

    def __init__(
        self,
        cursor: Cursor,
        statements: Statements,
        translate: Callable[[BaseException], BaseException],
        *,
        keys: Keyring | None = None,
    ) -> None:
        self.cursor = cursor
        self.keys = keys
        self._statements = statements
        self._translate = translate

    def tuples(self, stmt: Executable, params: Params = None) -> list[tuple[Any, ...]]:
        """Every row, as plain tuples."""
        return self._fetched(stmt, params)[1]

    def rows(self, stmt: Executable, params: Params = None) -> list[Row]:
        """Every row, as mappings by column name."""
        names, found = self._fetched(stmt, params)
        return [dict(zip(names, row, strict=True)) for row in found]

    def row(self, stmt: Executable, params: Params = None) -> Row | None:
        """The first row, or ``None``."""
        names, found = self._fetched(stmt, params)
        return dict(zip(names, found[0], strict=True)) if found else None

    def _fetched(self, stmt: Executable, params: Params) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The names of the columns, and every row."""
        prepared = self._statements.prepare(stmt, params)
        return prepared.columns, self._run(prepared, params)

    def _run(self, prepared: Prepared, params: Params) -> list[tuple[Any, ...]]:
        try:
            self.cursor.execute(prepared.sql, prepared.values(_one(params)))
            return prepared.read(self.cursor.fetchall())
        except Exception as error:
            raise self._translate(error) from error


class WriteTransaction(ReadTransaction):
    """Writes of one operation (``kernel.ports.Tx``): its business rows and its audit entries commit together.

    A statement that fails raises a ``RemitError``; the operation should let it pass (on Postgres it has ended what the
    operation did). An operation may be run again when the database ended its transaction for reasons of its own
    (a deadlock between workers), so it must change nothing but the transaction.
    """

    def __init__(
        self,
        cursor: Cursor,
        statements: Statements,
        translate: Callable[[BaseException], BaseException],
        *,
        now_us: Callable[[], int],
        salt: Callable[[], bytes],
        keys: Keyring | None = None,
        origin: Callable[[], Mapping[str, str]] | None = None,
        masking: Masking | None = None,
    ) -> None:
        super().__init__(cursor, statements, translate, keys=keys)
        self._origin = origin
        self._masking = masking
        self._now_us = now_us
        self._salt = salt
        self.drafts: list[Drafted] = []  # of the operation that runs
        self.defers = False  # set by the writer, while it runs operations that can be run once more one by one
        self.keeps = False  # set likewise, where there are several operations
        self._later = Later()

    def later(self, stmt: Executable, params: Mapping[str, Any], *, exact: bool = False) -> bool:
        """Run a statement at the end of the transaction, once for all operations that ask for the same.

        ``exact``: it must touch one row. False: it can't wait, so the caller runs it, and sees to it that it did. When
        it fails, or touches none, every operation is run once more by itself, and then nothing waits.
        """
        if not self.defers:
            return False
        if not self._later.add(stmt, self._statements.prepare, params, exact=exact):
            self.settle()
            self._later.add(stmt, self._statements.prepare, params, exact=exact)
        return True

    def put(self, stmt: Executable, params: Mapping[str, Any]) -> None:
        """As ``execute``, at the end of the transaction where that can wait."""
        if not self.later(stmt, params):
            self.execute(stmt, params)

    def kept[K: Kept](self, kind: type[K]) -> K | None:
        """Rows that this transaction's operations move one after another, see ``kernel.ports.Tx``."""
        if not self.keeps:
            return None
        found = self._later.kept(kind)
        if found is None:
            self._first(kind.tables)
            found = kind()
            self._later.keep(found)
        return found

    def stored(self, stmt: Executable, params: Params = None) -> list[Row]:
        """As ``rows``; what waits is not run first."""
        prepared = self._statements.prepare(stmt, params)
        names = prepared.columns
        return [dict(zip(names, row, strict=True)) for row in self._run(prepared, params)]

    def settle(self) -> None:
        """Run what waits, and write back what is kept.

        Raises:
            MissedError: A statement did not touch the rows that it must.
        """
        if self._later:
            self.finish(())

    def finish(self, drafts: Sequence[Drafted]) -> list[Draft]:
        """As ``settle``; and the entries of all operations as they are logged.

        All texts that people read, of rows and entries, are looked through at once: a scan costs more to begin than it
        takes for the texts of a dozen operations.

        Raises:
            MissedError: A statement did not touch the rows that it must.
        """
        statements, kept = self._later.take()
        rows = (texts_of(each.rows, each.prepared.texts) for each in statements if each.prepared.texts)
        masking = self._masking
        if masking is not None and clean(chain(drafted_texts(drafts), *rows), masking):
            masking = None
        for waiting in statements:
            self._run_waiting(waiting, masking)
        for each in kept:
            each.write(self)
        return [each.item for each in drafts] if masking is None else masked_drafts(drafts, masking)

    def _run_waiting(self, waiting: Waiting, masking: Masking | None) -> None:
        prepared, rows = waiting.prepared, waiting.rows
        if prepared.texts and masking is not None:
            rows = masked_rows(rows, prepared.texts, masking)
        values = [prepared.values(each) for each in rows]
        try:
            if len(values) == 1:
                self.cursor.execute(prepared.sql, values[0])
            else:
                self.cursor.executemany(prepared.sql, values)
        except Exception as error:
            raise self._translate(error) from error
        if waiting.exact and self.cursor.rowcount != len(values):
            raise MissedError

    def forget(self) -> None:
        """What waits is not run: its transaction is undone."""
        self._later.take()

    def _first(self, tables: frozenset[str]) -> None:
        if self._later.concerns(tables):
            self.settle()

    def execute(self, stmt: Executable, params: Params = None) -> int:
        """Run a statement (many times for a sequence of parameters); the number of rows it touched."""
        prepared = self._statements.prepare(stmt, params)
        self._first(prepared.tables)
        if prepared.texts and self._masking is not None:
            params = masked_parameters(params, prepared.texts, self._masking)
        try:
            if params is None or isinstance(params, Mapping):
                self.cursor.execute(prepared.sql, prepared.values(params))
            elif params:
                self.cursor.executemany(prepared.sql, [prepared.values(each) for each in params])
            else:
                return 0
        except Exception as error:
            raise self._translate(error) from error
        return self.cursor.rowcount

    def insert(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows that have a value for every column, in the table's order: the quick way for many."""
        self._first(frozenset((table.name,)))
        try:
            self.cursor.executemany(self._statements.insert_sql(table), rows)
        except Exception as error:
            raise self._translate(error) from error

    def append(self, entry: Entry, payload: Mapping[str, Any] | None = None, *, subject: str = "") -> None:
        """Add an entry to the log; it takes its place when the operation commits.

        ``subject`` is the person whom the payload is about, see ``audit.entry.draft``. What a person did carries in its
        payload where the order came from (``origin``), unless the caller knows better.
        """
        if self._origin is not None and entry.actor.kind is ActorKind.USER and "origin" not in (payload or {}):
            payload = {**(payload or {}), "origin": dict(asked_from() or self._origin())}
        request_id = current().request_id
        if request_id and payload is not None and "request_id" not in payload:
            payload = {**payload, "request_id": request_id}
        make = partial(draft, ts_us=self._now_us(), salt=self._salt(), subject=subject)
        self.drafts.append(Drafted(make(entry, payload), entry, payload, make))

    def _fetched(self, stmt: Executable, params: Params) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """As of a read; a statement that writes (RETURNING) is masked like any other."""
        prepared = self._statements.prepare(stmt, params)
        self._first(prepared.tables)
        if prepared.texts and self._masking is not None:
            params = masked_parameters(params, prepared.texts, self._masking)
        return prepared.columns, self._run(prepared, params)


def _one(params: Params) -> Mapping[str, Any] | None:
    if params is None or isinstance(params, Mapping):
        return params
    message = "a SELECT takes one set of parameters"
    raise TypeError(message)
