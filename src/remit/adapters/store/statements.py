"""SQLAlchemy Core statements, compiled once, run on the driver's own cursor.

Compiling costs some 100 µs and SQLAlchemy's own execution 30 to 60 µs; a cached statement costs 1 to 2 µs here. A room
keeps its statements in module constants with ``bindparam`` values; one that is built on the fly is found by its shape.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Integer, LargeBinary, String, Table
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate

from remit.adapters.store.shown import shown_parameters
from remit.kernel.errors import InternalError

MAX_SHAPES = 512
MAX_OBJECTS = 4096

type Values = Mapping[str, Any]
type Shape = tuple[str, ...]
type Process = Callable[[Any], Any]

# Types whose values both drivers take and give as they are.
_PLAIN = (Integer, LargeBinary, String)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as the driver wants it. ``order``: where parameters go by position, the name of each."""

    sql: str
    defaults: dict[str, Any]
    binders: tuple[tuple[str, Process], ...]
    columns: tuple[str, ...]
    readers: tuple[Process | None, ...] | None
    texts: tuple[str, ...] = ()  # parameters that become text which people read, see ``shown``
    order: Callable[[Values], tuple[Any, ...]] | None = None
    tables: frozenset[str] = frozenset()  # that it reads or writes

    def values(self, params: Values | None) -> Values | tuple[Any, ...]:
        """The driver's parameters."""
        if params and not self.defaults and not self.binders:
            return dict(params) if self.order is None else self.order(params)
        values = {**self.defaults, **params} if params else dict(self.defaults)
        for name, process in self.binders:
            values[name] = process(values[name])
        return values if self.order is None else self.order(values)

    def read(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Rows with the column types' conversions done."""
        if self.readers is None:
            return rows
        readers = self.readers
        return [
            tuple(value if read is None else read(value) for value, read in zip(row, readers, strict=True))
            for row in rows
        ]


class Statements:
    """Compiles for one dialect and remembers. Safe for several threads: a race compiles twice, to the same result."""

    def __init__(self, dialect: DefaultDialect) -> None:
        self._dialect = dialect
        self._by_object: dict[int, tuple[Executable, dict[Shape, Prepared]]] = {}  # held, so that no id is used again
        self._inserts: dict[Table, str] = {}
        self._mark = "?" if dialect.name == "sqlite" else "%s"
        self._by_shape: OrderedDict[Any, SQLCompiler] = OrderedDict()

    def prepare(self, stmt: Executable, params: Values | Sequence[Values] | None) -> Prepared:
        """The compiled form of ``stmt`` for parameters of these names.

        Raises:
            InternalError: The statement relies on a column default computed in Python.
        """
        one = params is None or type(params) is dict or isinstance(params, Mapping)  # mostly a dict: told at once
        first = cast("Values | None", params) if one else next(iter(cast("Sequence[Values]", params)), None)
        shape = tuple(first) if first else ()
        known = self._by_object.get(id(stmt))
        if known is not None and (found := known[1].get(shape)) is not None:
            return found
        compiled, defaults = self._compile(stmt, shape)
        if compiled.post_compile_params or compiled.literal_execute_params:
            expanded = self._expanded(compiled, {**defaults, **(first or {})})
            return replace(expanded, tables=_tables_of(stmt))
        prepared = replace(
            self._prepared(compiled, defaults), texts=shown_parameters(stmt, shape), tables=_tables_of(stmt)
        )
        if len(self._by_object) >= MAX_OBJECTS:
            self._by_object.clear()  # those that are built on the fly: modules' own come back at once
        self._by_object.setdefault(id(stmt), (stmt, {}))[1][shape] = prepared
        return prepared

    def insert_sql(self, table: Table) -> str:
        """An INSERT of every column of ``table``, by position."""
        known = self._inserts.get(table)
        if known is None:
            quote = self._dialect.identifier_preparer.quote
            columns = ", ".join(quote(column.name) for column in table.columns)
            marks = ", ".join([self._mark] * len(table.columns))
            known = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({marks})"  # noqa: S608 - names from the schema
            self._inserts[table] = known
        return known

    def _compile(self, stmt: Executable, shape: Shape) -> tuple[SQLCompiler, dict[str, Any]]:
        core: Any = stmt  # every Core statement has what follows; ``Executable`` does not declare it
        key = core._generate_cache_key()  # noqa: SLF001 - what SQLAlchemy's own cache uses
        if key is None:
            compiled = self._fresh(stmt, shape, None)
            return compiled, dict(compiled.params)
        compiled = self._by_shape.get((key.key, shape))
        if compiled is None:
            compiled = self._by_shape[(key.key, shape)] = self._fresh(stmt, shape, key)
            while len(self._by_shape) > MAX_SHAPES:
                self._by_shape.popitem(last=False)
        return compiled, dict(compiled.construct_params(extracted_parameters=key.bindparams, _check=False))

    def _fresh(self, stmt: Executable, shape: Shape, key: Any) -> SQLCompiler:
        core: Any = stmt
        compiled: SQLCompiler = core.compile(dialect=self._dialect, column_keys=list(shape) or None, cache_key=key)
        if compiled.insert_prefetch or compiled.update_prefetch:
            message = f"give every column a value; Python-side defaults are not run: {compiled}"
            raise InternalError(message, code="store.default")
        return compiled

    def _expanded(self, compiled: SQLCompiler, values: dict[str, Any]) -> Prepared:
        """A statement whose text depends on its values (``IN`` over a list): good for this one call."""
        state = compiled.construct_expanded_state(values)
        whole = self._prepared(compiled, {})
        binders = tuple((name, process) for name, process in state.processors.items() if callable(process))
        order = _order(state.positiontup)
        return Prepared(state.statement, dict(state.parameters), binders, whole.columns, whole.readers, order=order)

    def _prepared(self, compiled: SQLCompiler, values: dict[str, Any]) -> Prepared:
        required = {name for name, bind in compiled.binds.items() if bind.required and values.get(name) is None}
        plain = {name for name, bind in compiled.binds.items() if isinstance(bind.type, _PLAIN)}
        binders = tuple(
            (name, process)
            for name, process in compiled._bind_processors.items()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as SQLAlchemy's execution does
            if name not in plain and callable(process)
        )
        columns = compiled._result_columns  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above
        readers = tuple(self._reader(column.type) for column in columns)
        return Prepared(
            sql=str(compiled),
            defaults={name: value for name, value in values.items() if name not in required},
            binders=binders,
            columns=tuple(column.keyname for column in columns),
            readers=readers if any(readers) else None,
            order=_order(compiled.positiontup) if compiled.positional else None,
        )

    def _reader(self, kind: Any) -> Process | None:
        if isinstance(kind, _PLAIN):
            return None
        return kind.dialect_impl(self._dialect).result_processor(self._dialect, None)


def _tables_of(stmt: Executable) -> frozenset[str]:
    """Every table that a statement names, in whatever part of it."""
    own: Any = getattr(stmt, "table", None)
    found = {own.name} if isinstance(own, Table) else set[str]()
    return frozenset(found | {each.name for each in iterate(cast("Any", stmt)) if isinstance(each, Table)})


def _order(names: Sequence[str] | None) -> Callable[[Values], tuple[Any, ...]] | None:
    """Puts parameters where a statement has its marks; nothing for one that names them."""
    match names:
        case None:
            return None
        case []:
            return lambda _values: ()
        case [name]:
            return lambda values: (values[name],)
        case _:
            return itemgetter(*names)
