"""What the API and the console share about the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from remit.accounts.access import require
from remit.accounts.roles import Permission, Resource
from remit.audit.query import Record, pick
from remit.audit.report import LogReader
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx
from remit.serve.edge.identity import Caller
from remit.settings import Settings


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
    return settings.home / "exports" / workspace
