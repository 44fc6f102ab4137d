"""Finding entries by their header, newest first, in pages of a bounded cost, however long the log is.

Mission, actor and action have indexes. Domain, result and free text stand in the header alone, which is canonical JSON:
they are searched for as bytes, over a stretch of the log at a time. A page that comes to the end of its stretch says
how far it looked, and the next goes on from there: nothing is missed, and no page takes longer for what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, LargeBinary, Select, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Integer

from remit.audit.entry import read_header
from remit.audit.report import LogReader
from remit.audit.tables import ENTRY
from remit.kernel.errors import InvalidInput

#: Entries that one page looks through: by number, and by an index (whose rows lie apart).
STRETCH = 20_000
INDEXED_STRETCH = 8_000
MOST = 500
LONGEST_TEXT = 200
#: On Postgres, entries are numbered up to a tick after they were stamped.
_SLACK = 1000
_END = 1 << 62


class _Place(FunctionElement[int]):
    """Where the second byte string begins in the first, from 1; 0: nowhere."""

    type = Integer()
    inherit_cache = True
    name = "place"


@compiles(_Place)
def _place(element: _Place, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own  # pyright: ignore[reportUnusedFunction]
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Place, "postgresql")
def _place_postgres(element: _Place, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own  # pyright: ignore[reportUnusedFunction]
    whole, part = (compiler.process(each, **options) for each in element.clauses)
    return f"position({part} IN {whole})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; empty means any.

    Attributes:
        workspace: Whose.
        actor: Who did it, ``user:ann``.
        action: What, ``guard.intent``.
        mission: In which mission.
        domain: In which area or kind of effect.
        result: How it went.
        text: In a code or id of the header; case counts.
        since_us: At this time or later; ``until_us`` at it or before. 0: any.
    """

    workspace: str
    actor: str = ""
    action: str = ""
    mission: str = ""
    domain: str = ""
    result: str = ""
    text: str = ""
    since_us: int = 0
    until_us: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in a list: its header, without its payload."""

    seq: int
    ts_us: int
    actor: str
    on_behalf_of: str
    action: str
    domain: str
    result: str
    reason: str
    subject: str
    mission: str
    step: str
    approval_id: str
    policy_rev: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first.

    Attributes:
        lines: The entries.
        next: What the next page asks ``before``; ``None``: there is nothing older.
        looked_to: The oldest entry that was looked at.
    """

    lines: tuple[Line, ...]
    next: int | None
    looked_to: int


_INDEXED = ("mission", "actor", "action")
_PARTS = ("domain", "result", "text")
_NEWEST = select(ENTRY.c.seq).order_by(ENTRY.c.seq.desc()).limit(1)
_UNTIL = (
    select(ENTRY.c.seq)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.ts_us <= bindparam("at"))
    .order_by(ENTRY.c.ts_us.desc())
    .limit(1)
)
_SINCE = (
    select(ENTRY.c.seq)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.ts_us >= bindparam("at"))
    .order_by(ENTRY.c.ts_us)
    .limit(1)
)


def search(reader: LogReader, wanted: Wanted, *, before: int | None = None, limit: int = 50) -> Found:
    """A page of entries, newest first: at most five statements over at most a stretch of the log.

    Args:
        reader: One snapshot.
        wanted: Which.
        before: ``next`` of the page before; ``None``: from the newest.
        limit: At most so many, up to 500.

    Raises:
        InvalidInput: The text is too long.
    """
    if len(wanted.text) > LONGEST_TEXT:
        message = f"A search takes at most {LONGEST_TEXT} characters."
        raise InvalidInput(message, code="audit.text")
    limit = max(1, min(limit, MOST))
    span = _span(reader, wanted, before)
    if span is None:
        return Found((), None, 0)
    stop, floor = span
    index = next((name for name in _INDEXED if getattr(wanted, name)), "")
    params = _params(wanted, index)
    low = floor if index else max(floor, stop - STRETCH)
    params |= {"before": stop, "low": low, "most": limit + 1}
    parts = tuple(name for name in _PARTS if getattr(wanted, name))
    others = tuple(name for name in _INDEXED if getattr(wanted, name) and name != index)
    rows = reader.tuples(_page(index, others, parts), params)
    lines = tuple(_line(seq, header, leaf) for seq, header, leaf in rows[:limit])
    if len(rows) > limit:
        return _found(lines, wanted, after=lines[-1].seq)
    end = low if not index else _reached(reader, index, params)
    return _found(lines, wanted, after=end if end is not None and end > floor else None, looked=end or floor)


def _found(lines: tuple[Line, ...], wanted: Wanted, *, after: int | None, looked: int = 0) -> Found:
    """Text may also have been found in a field's name: only what a value says counts."""
    kept = tuple(line for line in lines if not wanted.text or _says(line, wanted.text))
    return Found(kept, after, looked if after is None or looked else after)


def _says(line: Line, text: str) -> bool:
    told = (line.actor, line.on_behalf_of, line.action, line.domain, line.result, line.reason, line.subject)
    return any(text in each for each in (*told, line.mission, line.step, line.approval_id, line.policy_rev))


def _span(reader: LogReader, wanted: Wanted, before: int | None) -> tuple[int, int] | None:
    """The numbers to look at, from the first to one after the last; ``None``: there are none."""
    newest = reader.tuples(_NEWEST)
    stop = min(_END if before is None else before, newest[0][0] + 1 if newest else 0)
    floor = 0
    if wanted.until_us:
        rows = reader.tuples(_UNTIL, {"of": wanted.workspace, "at": wanted.until_us})
        stop = min(stop, rows[0][0] + 1 + _SLACK) if rows else 0
    if wanted.since_us:
        rows = reader.tuples(_SINCE, {"of": wanted.workspace, "at": wanted.since_us})
        floor = max(0, rows[0][0] - _SLACK) if rows else stop
    return (stop, floor) if stop > floor else None


def _params(wanted: Wanted, index: str) -> dict[str, Any]:
    params: dict[str, Any] = {"of": wanted.workspace}
    params |= {f"w_{name}": getattr(wanted, name) for name in _INDEXED if getattr(wanted, name)}
    for name in ("domain", "result"):
        if value := getattr(wanted, name):
            params[f"w_{name}"] = b'"%b":%b' % (name.encode(), orjson.dumps(value))
    if wanted.text:
        params["w_text"] = orjson.dumps(wanted.text)[1:-1]
    params |= {"since": wanted.since_us, "until": wanted.until_us or _END}
    return params | ({"stretch": INDEXED_STRETCH} if index else {})


def _reached(reader: LogReader, index: str, params: dict[str, Any]) -> int | None:
    """The number of the last entry of a stretch by an index; ``None``: the stretch ended before."""
    asked = {name: params[name] for name in ("of", "before", "low", f"w_{index}")}
    rows = reader.tuples(_end(index), {**asked, "skip": INDEXED_STRETCH - 1})
    return rows[0][0] if rows else None


def _where(index: str) -> list[ColumnElement[bool]]:
    """By an index, or by number: then the workspace must not tempt the planner to another way and a sort."""
    of = ENTRY.c.workspace if index else ENTRY.c.workspace.concat("")
    where = [of == bindparam("of"), ENTRY.c.seq < bindparam("before"), ENTRY.c.seq >= bindparam("low")]
    return [*where, ENTRY.c[index] == bindparam(f"w_{index}")] if index else where


@lru_cache(maxsize=4)
def _end(index: str) -> Select[Any]:
    return select(ENTRY.c.seq).where(*_where(index)).order_by(ENTRY.c.seq.desc()).limit(1).offset(bindparam("skip"))


@lru_cache(maxsize=128)
def _page(index: str, others: tuple[str, ...], parts: tuple[str, ...]) -> Select[Any]:
    inner = select(ENTRY).where(*_where(index)).order_by(ENTRY.c.seq.desc())
    if not index:  # the stretch is a span of numbers
        rows = ENTRY.c
        return _filtered(inner.with_only_columns(rows.seq, rows.header, rows.leaf_hash), rows, others, parts)
    rows = inner.limit(bindparam("stretch")).subquery().c
    # A limited subquery hands its rows on in its order, one by one: no sort, and an end as soon as the page is full.
    return _filtered(select(rows.seq, rows.header, rows.leaf_hash), rows, others, parts)


def _filtered(stmt: Any, rows: Any, others: tuple[str, ...], parts: tuple[str, ...]) -> Select[Any]:  # noqa: ANN401 - a table's or a subquery's columns
    stmt = stmt.where(rows.ts_us + 0 >= bindparam("since"), rows.ts_us + 0 <= bindparam("until"))
    for name in others:
        stmt = stmt.where(rows[name].concat("") == bindparam(f"w_{name}"))
    for name in parts:
        stmt = stmt.where(_Place(rows.header, bindparam(f"w_{name}", type_=LargeBinary)) > 0)
    return stmt.limit(bindparam("most"))


def _line(seq: int, header: bytes, leaf: bytes) -> Line:
    fields = read_header(header)
    told = ("actor", "on_behalf_of", "action", "domain", "result", "reason", "subject", "mission", "step")
    return Line(
        seq=seq,
        ts_us=int(fields["ts_us"]),
        **{name: str(fields[name]) for name in (*told, "approval_id", "policy_rev")},
        leaf_hash=bytes(leaf).hex(),
    )
