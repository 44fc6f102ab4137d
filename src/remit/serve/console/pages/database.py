"""The database and what is kept: tables, sizes, writes, the last backup; models' answers and the API's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from remit.accounts.access import require
from remit.accounts.roles import Permission
from remit.audit.entry import Entry, Result
from remit.kernel.ports import Tx
from remit.models.cache_orders import AnswerView, Stats, clear, list_answers, stats
from remit.operations.last_backup import LastBackup, last_backup
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

ANSWERS = 20
SAID = {"answers": "The kept answers are given up", "responses": "The API's kept answers are forgotten"}


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table: its rows, counted to 100,000 (``more``: at least), and its bytes; -1: the engine can't say."""

    name: str
    rows: int
    more: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptResponses:
    """Answers of one endpoint that this process keeps for some seconds."""

    endpoint: str
    kept: int
    hits: int
    misses: int


@dataclass(frozen=True, slots=True)
class Database:
    """The page. Sizes in bytes.

    Attributes:
        title: How large it is, in words.
        said: What an order just given has done; empty: none was.
        engine: Which it is, and its version.
        revision: Of the schema.
        batches: Transactions that this process wrote, ``writes`` operations in them.
        queued: Writes that wait now.
        backup: The last that was taken; ``None``: there was none.
        answers: Models' answers that may be given again, the last given first; ``kept`` has their sums.
        responses: What the API keeps in this process; ``None``: there is no API in it.
    """

    title: str
    said: str
    engine: str
    bytes: int
    wal_bytes: int
    revision: str
    batches: int
    writes: int
    queued: int
    connections: dict[str, int]
    signed: int
    seal_error: str
    backup: LastBackup | None
    tables: tuple[TableRow, ...]
    empty: int
    answers: tuple[AnswerView, ...]
    kept: Stats
    answers_mb: int
    responses: tuple[KeptResponses, ...] | None
    responses_bytes: int


@page("/database", template="database.html", group="Install", label="Database")
async def database(ask: Ask) -> Database:
    """How the database is, and what is kept to be given again; for administrators."""
    runtime = ask.runtime
    backup = await ask.read(lambda tx: last_backup(tx, ask.workspace), permission=Permission.ADMIN)
    found = await asyncio.to_thread(runtime.store.statistics)
    kept = await stats(runtime.store, ask.workspace, by=ask.who)
    answers = await list_answers(runtime.store, ask.workspace, by=ask.who, clock=runtime.clock, limit=ANSWERS)
    rows = [TableRow(name, count, name in found.more, found.sizes.get(name, -1)) for name, count in found.rows.items()]
    full = sorted((one for one in rows if one.rows), key=lambda one: (-one.bytes, -one.rows, one.name))
    return Database(
        title=f"{told(len(full), 'table holds', 'tables hold')} {sum(one.rows for one in full):,} rows"
        + (" or more" if any(one.more for one in full) else "")
        if full
        else "The database is empty",
        said=SAID.get(ask.query.get("done", ""), ""),
        engine=f"{'SQLite' if found.database == 'sqlite' else 'Postgres'} {found.version}",
        bytes=found.bytes,
        wal_bytes=found.wal_bytes,
        revision=found.revision,
        batches=found.batches,
        writes=found.writes,
        queued=found.queued,
        connections=dict(found.connections),
        signed=found.signed,
        seal_error=found.seal_error,
        backup=backup,
        tables=tuple(full),
        empty=len(rows) - len(full),
        answers=tuple(answers),
        kept=kept,
        answers_mb=runtime.settings.answers_mb,
        responses=_responses(ask),
        responses_bytes=ask.responses.bytes if ask.responses is not None else 0,
    )


@form("/database/answers", again=database)
async def give_up(ask: Ask) -> str:
    """Give up every kept answer of models, or one model's."""
    await clear(
        ask.runtime.store,
        ask.workspace,
        by=ask.who,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        target=ask.form.get("target", "").strip(),
    )
    return "/database?done=answers"


@form("/database/responses", again=database)
async def forget(ask: Ask) -> str:
    """Forget what the API keeps in this process; on record."""
    entry = Entry(
        actor=ask.who, action="api.cache.cleared", domain="api", result=Result.SUCCESS, workspace=ask.workspace
    )

    def op(tx: Tx) -> None:
        require(tx, ask.who, workspace=ask.workspace, permission=Permission.ADMIN)
        tx.append(entry, {"endpoint": ""})

    await ask.runtime.store.commit("accounts.workspace", op)
    if ask.responses is not None:
        ask.responses.clear()
    return "/database?done=responses"


PAGES = (database,)
FORMS = (give_up, forget)


def _responses(ask: Ask) -> tuple[KeptResponses, ...] | None:
    known = ask.responses
    if known is None:
        return None
    kept = known.entries()
    return tuple(
        KeptResponses(each, kept[each], known.hits[each], known.misses[each])
        for each in sorted({*known.hits, *known.misses})
    )
