"""Statements that wait for the end of their transaction, so that each runs once for the rows of all its operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.sql.base import Executable

from remit.adapters.store.statements import Prepared

type Values = Mapping[str, Any]


@dataclass(slots=True)
class Waiting:
    """A statement with the parameters of every operation that asked for it.

    ``exact``: each set of parameters touches one row.
    """

    prepared: Prepared
    stmt: Executable
    exact: bool
    rows: list[Values] = field(default_factory=list[Values])


@dataclass(slots=True)
class Later:
    """What waits, in the order in which statements were first asked for. Used by one thread.

    Operations are none the wiser: whoever reads or writes a table directly for which something waits has it run first.
    """

    _waiting: dict[tuple[int, tuple[str, ...], bool], Waiting] = field(
        default_factory=dict[tuple[int, tuple[str, ...], bool], Waiting]
    )
    _tables: set[str] = field(default_factory=set[str])

    def add(
        self, stmt: Executable, prepare: Callable[[Executable, Values], Prepared], params: Values, *, exact: bool
    ) -> None:
        """One more set of parameters; ``prepare`` is asked where the statement does not wait yet."""
        key = (id(stmt), tuple(params), exact)
        waiting = self._waiting.get(key)
        if waiting is None:
            prepared = prepare(stmt, params)
            waiting = self._waiting[key] = Waiting(prepared, stmt, exact)
            self._tables |= prepared.tables
        waiting.rows.append(params)

    def concerns(self, tables: Iterable[str]) -> bool:
        """Whether something waits for one of these tables; for statements that name none, whether anything waits."""
        return bool(self._tables) and (not tables or not self._tables.isdisjoint(tables))

    def take(self) -> list[Waiting]:
        """All of it, which waits no more."""
        found = list(self._waiting.values())
        self._waiting.clear()
        self._tables.clear()
        return found

    def __iter__(self) -> Iterator[Waiting]:
        """What waits."""
        return iter(self._waiting.values())
