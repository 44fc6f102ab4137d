"""What the API and the console share about the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.audit.export import Selection
from remit.audit.query import Record, pick
from remit.audit.report import LogReader
from remit.bootstrap import Runtime, export_log
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx
from remit.serve.edge.identity import Caller
from remit.settings import Settings

#: Exports that the home keeps of each workspace. Whoever may read the log may order them, and each is a copy of it.
KEPT = 20
_EXPORTING: WeakSet[Journal] = WeakSet()  # those of which one is being written


def log_reader(tx: ReadTx) -> LogReader:
    """What every store's read transaction is."""
    return cast("LogReader", tx)


def allow_audit(caller: Caller) -> Callable[[ReadTx], None]:
    """Refuses, when the order is carried out, whoever may not read the log."""

    def check(tx: ReadTx) -> None:
        require(tx, caller.principal, workspace=caller.workspace, permission=Permission.READ, resource=Resource.AUDIT)

    return check


def one_entry(reader: LogReader, workspace: str, seq: int) -> Record:
    """An entry of a workspace.

    Raises:
        NotFound: There is none, or it is another workspace's.
    """
    found = pick(reader, workspace, [seq])
    if not found:
        message = f"The audit log has no entry {seq} of the workspace {workspace!r}."
        raise NotFound(message, code="audit.entry", hint="remit audit show")
    return found[0]


def exports_of(settings: Settings, workspace: str) -> Path:
    """Where exports that were ordered over the API or the console stand."""
    return settings.exports / workspace


async def export_now(
    runtime: Runtime, caller: Caller, wanted: Selection, *, form: str
) -> tuple[str, Path, Mapping[str, Any]]:
    """Write an export into the home, one at a time in a process; the newest ``KEPT`` stay.

    Returns:
        Its id, its folder and its manifest.

    Raises:
        Refused: The caller may not read the log.
        Conflict: Another one is being written.
    """
    allow = allow_audit(caller)
    await reading(runtime.store, allow)
    if runtime.store in _EXPORTING:
        message = "Another export of the audit log is being written at this moment."
        raise Conflict(message, code="audit.exporting", hint="ask again when it is done")
    name = new_id()
    folder = exports_of(runtime.settings, caller.workspace) / name
    _EXPORTING.add(runtime.store)
    writing = asyncio.create_task(
        asyncio.to_thread(
            export_log,
            runtime.store,
            folder,
            wanted=wanted,
            form=form,
            by=caller.principal,
            allow=allow,
            made_at=iso(micros_of(runtime.clock.now())),
            keep=KEPT,
        )
    )
    # Who asked may go away, or be told that it takes too long: it is written all the same, and still the only one.
    writing.add_done_callback(lambda _: _EXPORTING.discard(runtime.store))
    return name, folder, await asyncio.shield(writing)
