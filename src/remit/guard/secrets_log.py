"""Who used which secret when, and who was kept from it: names only, from the audit log, newest first, in pages.

The log is read by its index on what happened, so a page costs two statements however long it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.guard.secrets_orders import SecretRow, read_known
from remit.guard.secrets_use import Anomaly, SecretStatistics, read_anomalies, read_statistics
from remit.kernel.ports import ReadTx

PAGE = 50
LAST = 1 << 62
MOST_ANOMALIES = 20
USED, DENIED = "secret.used", "secret.denied"

_BEFORE = (
    select(ENTRY.c.seq, ENTRY.c.action, ENTRY.c.header)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == bindparam("what"), ENTRY.c.seq < bindparam("before"))
    .order_by(ENTRY.c.seq.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Access:
    """One use of a secret, or a try that was denied. ``seq`` is the number of its audit entry."""

    seq: int
    at_us: int
    secret: str
    principal: str
    on_behalf_of: str
    mission: str
    step: str
    denied: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something out of the ordinary: how often it was seen in its hour, where ``usual`` would have been the bound."""

    secret: str
    principal: str
    what: Anomaly
    mission: str
    at_us: int
    seen: int
    usual: int
    told: bool


@dataclass(frozen=True, slots=True)
class SecretsSeen:
    """What is known of a workspace's secrets: never a value."""

    secrets: Sequence[SecretRow]
    statistics: Sequence[SecretStatistics]
    oddities: Sequence[Oddity]


def accesses(
    tx: ReadTx, workspace: str, *, before: int = LAST, limit: int = PAGE, denied: bool | None = None
) -> list[Access]:
    """A page of the log, newest first.

    Args:
        tx: A snapshot.
        workspace: Whose.
        before: The last ``seq`` of the page before.
        limit: How many at most.
        denied: Only those that were denied (or were not); ``None``: both.
    """
    kinds = [kind for kind, no in ((USED, False), (DENIED, True)) if denied is None or denied is no]
    found = (tx.rows(_BEFORE, {"of": workspace, "what": kind, "before": before, "most": limit}) for kind in kinds)
    rows = list(heapq.merge(*found, key=lambda row: -row["seq"]))[:limit]
    return [_access(row["seq"], row["action"], row["header"]) for row in rows]


def secrets_seen(tx: ReadTx, workspace: str, *, since_us: int) -> SecretsSeen:
    """Which secrets there are, who used them since, and what was out of the ordinary lately."""
    oddities = [
        Oddity(
            secret=row["secret"],
            principal=row["principal"],
            what=Anomaly(row["what"]),
            mission=row["mission"],
            at_us=row["at_us"],
            seen=row["seen"],
            usual=row["usual"],
            told=row["told_us"] is not None,
        )
        for row in read_anomalies(tx, workspace)[:MOST_ANOMALIES]
    ]
    return SecretsSeen(read_known(tx, workspace), read_statistics(tx, workspace, since_us=since_us), oddities)


def _access(seq: int, action: str, header: bytes) -> Access:
    told = read_header(header)
    return Access(
        seq=seq,
        at_us=told["ts_us"],
        secret=told["subject"],
        principal=told["actor"],
        on_behalf_of=told["on_behalf_of"],
        mission=told["mission"],
        step=told["step"],
        denied=action == DENIED,
        reason=told["reason"],
    )
