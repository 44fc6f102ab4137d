"""Statements that wait for the end of their transaction, so that each runs once for the rows of all its operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.sql.base import Executable

from remit.adapters.store.statements import Prepared
from remit.kernel.ports import Kept

type Values = Mapping[str, Any]


@dataclass(slots=True)
class Waiting:
    """A statement with the parameters of every operation that asked for it.

    ``names``: of its parameters. ``exact``: each set of parameters touches one row.
    """

    prepared: Prepared
    stmt: Executable
    names: tuple[str, ...]
    exact: bool
    rows: list[Values] = field(default_factory=list[Values])


@dataclass(slots=True)
class Later:
    """What waits, in the order in which statements were first asked for, and rows that are kept. Used by one thread.

    Operations are none the wiser: whoever reads or writes a table directly for which something waits has it run first.
    """

    _waiting: dict[int, list[Waiting]] = field(default_factory=dict[int, list[Waiting]])  # by the statement's id
    _order: list[Waiting] = field(default_factory=list[Waiting])
    _kept: dict[type[Kept], Kept] = field(default_factory=dict[type[Kept], Kept])
    _tables: set[str] = field(default_factory=set[str])
    _kept_tables: set[str] = field(default_factory=set[str])

    def add(
        self, stmt: Executable, prepare: Callable[[Executable, Values], Prepared], params: Values, *, exact: bool
    ) -> bool:
        """One more set of parameters; ``prepare`` is asked where the statement does not wait yet.

        False: rows of its tables are kept, so all that waits must be run before it.
        """
        names = tuple(params)
        for waiting in self._waiting.get(id(stmt), ()):
            if waiting.names == names and waiting.exact is exact:
                waiting.rows.append(params)
                return True
        prepared = prepare(stmt, params)
        if not self._kept_tables.isdisjoint(prepared.tables):
            return False
        waiting = Waiting(prepared, stmt, names, exact, [params])
        self._waiting.setdefault(id(stmt), []).append(waiting)
        self._order.append(waiting)
        self._tables |= prepared.tables
        return True

    def kept[K: Kept](self, kind: type[K]) -> K | None:
        """What is kept of a kind."""
        found = self._kept.get(kind)
        return found if isinstance(found, kind) else None

    def keep(self, kept: Kept) -> None:
        """Keep rows from now on; nothing may wait for their tables."""
        self._kept[type(kept)] = kept
        self._kept_tables |= kept.tables
        self._tables |= kept.tables

    def concerns(self, tables: Iterable[str]) -> bool:
        """Whether something waits for one of these tables; for statements that name none, whether anything waits."""
        return bool(self._tables) and (not tables or not self._tables.isdisjoint(tables))

    def take(self) -> tuple[list[Waiting], list[Kept]]:
        """All of it, which waits no more."""
        found, kept = self._order, list(self._kept.values())
        self._order = []
        for each in (self._waiting, self._kept, self._tables, self._kept_tables):
            each.clear()
        return found, kept

    def __bool__(self) -> bool:
        """Whether anything waits, or is kept."""
        return bool(self._tables)

    def __iter__(self) -> Iterator[Waiting]:
        """What waits."""
        return iter(self._order)
