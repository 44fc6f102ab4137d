"""Full verification: every row of every audit table against the hashes, the signatures and the heads kept outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from remit.audit.heads import decode_heads
from remit.audit.note import Verifier
from remit.audit.report import MAX_DISCREPANCIES, Discrepancy, Findings, LogReader, Report
from remit.audit.signed import SignedHeads
from remit.audit.tables import ENTRY, PENDING
from remit.audit.walk import CHUNK, Walk

__all__ = ["Discrepancy", "LogReader", "Report", "verify"]

_EXTENT = select(func.count(), func.max(ENTRY.c.seq)).select_from(ENTRY)
_OUTSIDE = (
    select(ENTRY.c.seq).where((ENTRY.c.seq < 0) | (ENTRY.c.seq >= bindparam("stop"))).order_by(ENTRY.c.seq).limit(100)
)
_PENDING = select(
    PENDING.c.id, PENDING.c.workspace, PENDING.c.ts_us, PENDING.c.fields, PENDING.c.salt, PENDING.c.body, PENDING.c.mac
).order_by(PENDING.c.id)


def verify(
    reader: LogReader,
    *,
    verifiers: Sequence[Verifier],
    heads: Callable[[], bytes],
    pending_mac: Callable[[Sequence[Any]], bytes] | None = None,
    every_row_has_head: bool = True,
    start: int = 0,
) -> Report:
    """Verify the whole log, in time linear in its size (`benchmarks/audit.py` measures it); the reader is one snapshot.

    Args:
        reader: A read transaction in which nothing has been read yet.
        verifiers: The public keys that may have signed.
        heads: Reads the heads file; called before the first read, so that a head is never newer than the snapshot,
            and after the last.
        pending_mac: The code of a waiting row (Postgres); without it no row may wait.
        start: Check entries from this one on (rounded down to a chunk), relying on an earlier verification for those
            before; the heads are checked all the same.
        every_row_has_head: Whether all heads are in this one file (SQLite), or each host keeps its own (Postgres).

    Returns:
        The report; discrepancies are listed in the order of the log, at most 100.
    """
    before = decode_heads(heads())
    findings = Findings()
    size = _extent(reader)
    for (seq,) in reader.tuples(_OUTSIDE, {"stop": size}):
        findings.report(f"audit_entry {seq}", "a row stands outside the log", "surplus")
    signed = SignedHeads(verifiers, size, findings)
    signed.read_file(before)
    signed.read_rows(reader)
    walk = Walk(reader, size, findings, signed.claims, first=min(start, size) // CHUNK * CHUNK)
    walk.begin()
    for first in range(walk.first, size, CHUNK):
        walk.chunk(first)
    walk.upper_nodes()
    walk.surplus()
    walk.missing_payloads()
    walk.keys_and_holds()
    signed.check_keys(walk.told.keys)
    signed.compare(before, decode_heads(heads()), every_row_has_head=every_row_has_head)
    pending = _pending(reader, pending_mac, findings)
    return Report(
        size=size,
        root=walk.upper.root(),
        signed=walk.signed,
        heads=len(before),
        pruned=walk.pruned,
        pending=pending,
        discrepancies=tuple(findings.found),
        erased=walk.erased,
    )


def _extent(reader: LogReader) -> int:
    """How many entries to walk: up to the last one, unless that was sent far away to keep us busy."""
    count, last = reader.tuples(_EXTENT)[0]
    stop = 0 if last is None else max(last + 1, 0)
    return stop if stop - count <= MAX_DISCREPANCIES else count


def _pending(reader: LogReader, mac: Callable[[Sequence[Any]], bytes] | None, findings: Findings) -> int:
    """How many entries wait to be numbered (Postgres); each must carry Remit's code."""
    rows = reader.tuples(_PENDING)
    for *columns, stored in rows:
        if mac is None or mac(columns) != stored:
            findings.report(f"audit_pending {columns[0]}", "the row was not written by Remit, or was changed")
    return len(rows)
