"""Retention: payloads older than a plan keeps them are pruned; headers, hashes and proofs stay, and holds are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from remit.audit.holds import Hold, covering, holds
from remit.audit.prune import prune_runs
from remit.audit.tables import DEK, ENTRY, PAYLOAD
from remit.kernel.action import Principal
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal, ReadTx, Row, Tx

BATCH = 5000  # payloads looked at in one transaction: some 50 ms of the write lock
DAY_US = 86_400_000_000

_UPPER = select(func.max(ENTRY.c.seq).label("last")).where(
    ENTRY.c.workspace == bindparam("of"), ENTRY.c.ts_us < bindparam("before")
)
_NEXT = (
    select(PAYLOAD.c.seq, ENTRY.c.ts_us, ENTRY.c.mission, DEK.c.subject)
    .join_from(PAYLOAD, ENTRY, ENTRY.c.seq == PAYLOAD.c.seq)
    .join(DEK, DEK.c.id == PAYLOAD.c.dek, isouter=True)
    .where(
        PAYLOAD.c.workspace == bindparam("of"),
        PAYLOAD.c.seq > bindparam("after"),
        PAYLOAD.c.seq <= bindparam("upto"),
    )
    .order_by(PAYLOAD.c.seq)
    .limit(BATCH)
)


@dataclass(frozen=True, slots=True)
class Retained:
    """What a run of retention did, or (``dry``) would do. ``held`` counts payloads that were due and are held."""

    before_us: int
    days: int
    pruned: int
    held: int
    batches: int
    dry: bool

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "before_us": self.before_us,
            "days": self.days,
            "pruned": self.pruned,
            "held": self.held,
            "batches": self.batches,
            "dry_run": self.dry,
        }


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one transaction looks at: the runs of payloads to give up, how many are held, and where it ends."""

    runs: list[tuple[int, int]]
    due: int
    held: int
    last: int


async def retain(
    journal: Journal,
    *,
    workspace: str,
    days: int,
    now_us: int,
    by: Principal,
    allow: Callable[[ReadTx], None],
    dry: bool = False,
) -> Retained:
    """Prune the payloads of a workspace that are older than ``days``, in batches that let other writers through.

    Args:
        journal: The store.
        workspace: Whose.
        days: How long the plan keeps payloads, at least 1.
        now_us: Microseconds since the epoch.
        by: Who orders it.
        allow: Raises when ``by`` may not.
        dry: Count only.

    Raises:
        InvalidInput: ``days`` is less than one.
    """
    if days < 1:
        message = f"Payloads are kept for at least one day, not {days}."
        raise InvalidInput(message, code="audit.retention", hint="remit audit retain --dry-run")
    before = now_us - days * DAY_US
    # In a writing transaction, though it only reads: so a refusal is on record.
    upto = await journal.commit("audit.prune", lambda tx: _upper(tx, allow, workspace, before))
    pruned = held = batches = 0
    after = -1

    def look(tx: ReadTx) -> _Batch | None:
        allow(tx)
        return _batch(tx, workspace, (after, upto), before)

    def work(tx: Tx) -> _Batch | None:
        found = look(tx)
        if found is not None and found.runs:
            prune_runs(tx, by, workspace=workspace, runs=found.runs, reason="retention")
        return found

    while upto > after:
        found = await (journal.read(look) if dry else journal.commit("audit.prune", work))
        if found is None:
            break
        pruned, held, after = pruned + found.due, held + found.held, found.last
        batches += bool(found.runs)
    return Retained(before, days, pruned, held, batches, dry)


def _upper(tx: ReadTx, allow: Callable[[ReadTx], None], workspace: str, before: int) -> int:
    allow(tx)
    row = tx.row(_UPPER, {"of": workspace, "before": before})
    return -1 if row is None or row["last"] is None else int(row["last"])


def _batch(tx: ReadTx, workspace: str, between: tuple[int, int], before: int) -> _Batch | None:
    """The next payloads in the order of the log; ``None`` at the end."""
    rows = tx.rows(_NEXT, {"of": workspace, "after": between[0], "upto": between[1]})
    if not rows:
        return None
    in_force = holds(tx, workspace)
    runs: list[tuple[int, int]] = []
    due = held = 0
    open_run = False
    for row in rows:
        old = row["ts_us"] < before
        kept = old and _held(in_force, row)
        held += kept
        if not old or kept:
            open_run = False  # the run ends here: what is given up is told exactly
            continue
        due += 1
        runs[-1:] = [(runs[-1][0], row["seq"])] if open_run else [*runs[-1:], (row["seq"], row["seq"])]
        open_run = True
    return _Batch(runs, due, held, rows[-1]["seq"])


def _held(in_force: Sequence[Hold], row: Row) -> bool:
    if not in_force:
        return False
    return bool(covering(in_force, mission=row["mission"], ts_us=row["ts_us"], subject=row["subject"] or ""))
