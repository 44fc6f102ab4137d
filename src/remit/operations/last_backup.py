"""When a home was last backed up, as the audit log has it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.audit.entry import Result, read_header
from remit.audit.tables import ENTRY
from remit.kernel.ports import ReadTx

ACTION = "home.backup"
_LAST = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == ACTION)
    .order_by(ENTRY.c.seq.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class LastBackup:
    """The newest try: when, by whom, whether it is whole, and the number of its audit entry."""

    at_us: int
    by: str
    whole: bool
    entry: int


def last_backup(tx: ReadTx, workspace: str) -> LastBackup | None:
    """The newest backup that was taken in a workspace's name; ``None``: there was none. One row, by an index."""
    row = tx.row(_LAST, {"of": workspace})
    if row is None:
        return None
    header = read_header(row["header"])
    return LastBackup(header["ts_us"], header["actor"], header["result"] == Result.SUCCESS.value, row["seq"])
