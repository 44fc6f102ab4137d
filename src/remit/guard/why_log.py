"""What the audit log says of an action: its entries, the decisions of people about it, and whether they are proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select

from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.ports import ReadTx, Row

_SLACK_US = 120_000_000  # entries are stamped by the writer, rows by the guard

_ENTRIES = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(
        ENTRY.c.workspace == bindparam("of"),
        ENTRY.c.mission == bindparam("in_mission"),
        ENTRY.c.actor == bindparam("by"),
        ENTRY.c.action.in_(("guard.intent", "guard.outcome", "guard.refused")),
        ENTRY.c.ts_us >= bindparam("since"),
        ENTRY.c.ts_us <= bindparam("until"),
    )
    .order_by(ENTRY.c.seq)
)
_APPROVALS = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(
        ENTRY.c.workspace == bindparam("of"),
        ENTRY.c.mission == bindparam("in_mission"),
        ENTRY.c.action.startswith("approval.", autoescape=True),
    )
    .order_by(ENTRY.c.seq)
)


class Standing(StrEnum):
    """How an entry stands in the log."""

    PROVED = "proved"  # its inclusion under the newest signed checkpoint was checked just now
    UNSIGNED = "unsigned"  # no checkpoint covers it yet
    BROKEN = "broken"  # the log does not prove it: it was changed
    UNKNOWN = "unknown"  # nobody checked


type Prove = Callable[[ReadTx, int], Standing]


@dataclass(frozen=True, slots=True)
class Said:
    """An entry of the log, in short."""

    seq: int
    header: Mapping[str, Any]
    standing: Standing

    def as_json(self) -> dict[str, Json]:
        """For ``remit why --json``."""
        header = self.header
        return {
            "seq": self.seq,
            "at": iso(int(header["ts_us"])),
            "actor": str(header["actor"]),
            "action": str(header["action"]),
            "result": str(header["result"]),
            "reason": str(header["reason"]),
            "standing": self.standing.value,
        }


def unchecked(_tx: ReadTx, _seq: int) -> Standing:
    """Where nothing can be checked, nothing is claimed."""
    return Standing.UNKNOWN


def said_of(tx: ReadTx, row: Row, prove: Prove) -> list[Said]:
    """The entries of an action: its intent, its outcome, or its refusal."""
    since, until = row["opened_us"] - _SLACK_US, (row["closed_us"] or row["opened_us"]) + _SLACK_US
    where = {"of": row["workspace"], "in_mission": row["mission"], "by": row["principal"]}
    found = _read(tx.rows(_ENTRIES, {**where, "since": since, "until": until}))
    return [Said(seq, header, prove(tx, seq)) for seq, header in found if header.get("subject") == row["id"]]


def decisions_on(tx: ReadTx, row: Row, said: list[Said], prove: Prove) -> list[Said]:
    """What people were asked about an action, and what they said: the entries of the approvals that its own name."""
    approvals = {str(each.header.get("approval_id", "")) for each in said} - {""}
    if not approvals:
        return []
    found = _read(tx.rows(_APPROVALS, {"of": row["workspace"], "in_mission": row["mission"]}))
    return [Said(seq, header, prove(tx, seq)) for seq, header in found if header.get("approval_id") in approvals]


def _read(rows: list[Row]) -> list[tuple[int, dict[str, Any]]]:
    return [(row["seq"], read_header(row["header"])) for row in rows]
