"""Verification by the clock: what is due, what it found as an entry, and the alarm that stays until a person looked.

An increment checks what was added since the last verification that held; a full one runs every week. The entry
``audit.verified`` says over how many entries; a failed one is followed by ``audit.alarm``, and until a later
``audit.acknowledged`` no effect is admitted that waits for a signed checkpoint (deploy, order, publish).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from remit.audit.entry import Entry, Result, read_header
from remit.audit.query import SYSTEM_WORKSPACE
from remit.audit.report import LogReader, Report
from remit.audit.tables import ENTRY
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.ports import ReadTx, Tx

VERIFIED = "audit.verified"
ALARM = "audit.alarm"
ACKNOWLEDGED = "audit.acknowledged"

FULL_EVERY_US = 7 * 86_400_000_000
SYSTEM = Principal(ActorKind.SYSTEM, "remit")

_SUBJECT = re.compile(r"(full|part):(0|[1-9][0-9]*)")
_LOOKED_BACK = 1000
_LAST = (
    select(ENTRY.c.header)
    .where(ENTRY.c.workspace == SYSTEM_WORKSPACE, ENTRY.c.action == VERIFIED)
    .order_by(ENTRY.c.seq.desc())
    .limit(_LOOKED_BACK)
)
_NEWEST = select(func.max(ENTRY.c.seq).label("seq")).where(
    ENTRY.c.workspace == SYSTEM_WORKSPACE, ENTRY.c.action == bindparam("did")
)


@dataclass(frozen=True, slots=True)
class Due:
    """A verification that should run now: from which entry on; 0 is a full one."""

    start: int

    @property
    def full(self) -> bool:
        """Whether everything is checked."""
        return self.start == 0


def due(reader: LogReader, *, now_us: int, every_s: int) -> Due | None:
    """What should be verified now, by what the log says was verified before.

    Args:
        reader: One snapshot.
        now_us: Microseconds since the epoch.
        every_s: How often; 0 is never.
    """
    if not every_s:
        return None
    newest: int | None = None
    start = 0
    for (header,) in reader.tuples(_LAST):
        fields = read_header(header)
        match = _SUBJECT.fullmatch(str(fields["subject"]))
        if match is None:
            continue
        at = int(fields["ts_us"])
        newest = at if newest is None else newest
        if newest + every_s * 1_000_000 > now_us:
            return None
        if fields["result"] != Result.SUCCESS:
            return Due(0)  # what was found is looked at as a whole until it holds again
        start = start or int(match[2])
        if match[1] == "full":
            return Due(start) if at + FULL_EVERY_US > now_us else Due(0)
    return Due(0)


def record_verified(tx: Tx, report: Report, verified: Due, *, by: Principal = SYSTEM) -> None:
    """Log what a verification found, with an alarm when it is not as it was written."""
    subject = f"{'full' if verified.full else 'part'}:{report.size}"
    result = Result.SUCCESS if report.ok else Result.FAILURE
    found = [str(each) for each in report.discrepancies[:20]]
    tx.append(_entry(VERIFIED, by, result, subject), {"signed": report.signed, "discrepancies": found})
    if not report.ok:
        tx.append(_entry(ALARM, by, Result.FAILURE, subject), {"discrepancies": found})


def alarm(tx: ReadTx) -> int | None:
    """The entry of an alarm that nobody has acknowledged yet."""
    raised, seen = (_newest(tx, action) for action in (ALARM, ACKNOWLEDGED))
    return raised if raised > seen else None


def check_alarm(tx: ReadTx) -> None:
    """Refuse what waits for a signed checkpoint while an alarm stands.

    Raises:
        Conflict: A verification found that the log was changed, and nobody has acknowledged it.
    """
    raised = alarm(tx)
    if raised is not None:
        message = f"A verification of the audit log failed (entry {raised}), and nobody has acknowledged that yet."
        raise Conflict(message, code="guard.audit_alarm", hint="remit audit verify")


def acknowledge(tx: Tx, *, by: Principal, reason: str, allow: Callable[[ReadTx], None]) -> int:
    """Let effects that wait for a signature go on after an alarm; who said so, and why, is logged.

    Returns:
        The alarm's entry.

    Raises:
        NotFound: There is no alarm.
    """
    allow(tx)
    raised = alarm(tx)
    if raised is None:
        message = "There is no alarm of the audit log to acknowledge."
        raise NotFound(message, code="audit.alarm", hint="remit audit verify")
    tx.append(_entry(ACKNOWLEDGED, by, Result.SUCCESS, f"alarm:{raised}"), {"reason": reason})
    return raised


def _newest(tx: ReadTx, action: str) -> int:
    row = tx.row(_NEWEST, {"did": action})
    return -1 if row is None or row["seq"] is None else int(row["seq"])


def _entry(action: str, by: Principal, result: Result, subject: str) -> Entry:
    return Entry(actor=by, action=action, domain="audit", result=result, workspace=SYSTEM_WORKSPACE, subject=subject)
