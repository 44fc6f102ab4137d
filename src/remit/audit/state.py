"""Where the log stands, in a few rows: its size, its newest signed root, and what the last verification found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from remit.audit.entry import Result, read_header
from remit.audit.note import parse_checkpoint
from remit.audit.query import SYSTEM_WORKSPACE, latest_note, size
from remit.audit.report import LogReader
from remit.audit.schedule import VERIFIED, alarm
from remit.audit.tables import ENTRY
from remit.kernel.ports import ReadTx

_LAST_VERIFIED = (
    select(ENTRY.c.header)
    .where(ENTRY.c.workspace == SYSTEM_WORKSPACE, ENTRY.c.action == VERIFIED)
    .order_by(ENTRY.c.seq.desc())
    .limit(1)
)


class Reader(LogReader, ReadTx, Protocol):
    """What both stores' read transactions are."""


@dataclass(frozen=True, slots=True)
class LogState:
    """Where the log stands.

    Attributes:
        size: Entries.
        signed: Entries under the newest signed checkpoint; 0: none was signed yet.
        root: That checkpoint's root, hexadecimal.
        verified_us: When it was verified last; 0: never.
        whole: Whether that found it as it was written.
        alarm: The entry of an alarm that nobody has acknowledged; ``None``: there is none.
    """

    size: int
    signed: int
    root: str
    verified_us: int
    whole: bool
    alarm: int | None


def log_state(reader: Reader) -> LogState:
    """Where the log stands now, in five statements."""
    note = latest_note(reader)
    signed, root = (0, "")
    if note is not None:
        head = parse_checkpoint(note.partition("\n\n")[0] + "\n")  # its text; the signatures are the verification's
        signed, root = head.size, head.root.hex()
    rows = reader.tuples(_LAST_VERIFIED)
    fields = read_header(rows[0][0]) if rows else {}
    return LogState(
        size=size(reader),
        signed=signed,
        root=root,
        verified_us=int(fields.get("ts_us", 0)),
        whole=fields.get("result") == Result.SUCCESS,
        alarm=alarm(reader),
    )
