"""Pruning payloads: the log says so itself, headers and proofs stay."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete

from remit.audit.entry import MAX_TEXT, Entry, Result
from remit.audit.tables import PAYLOAD
from remit.kernel.action import Principal
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Tx

PRUNE_ACTION = "audit.prune"

_NUMBER = "(?:0|[1-9][0-9]*)"
_SUBJECT = re.compile(rf"payloads:({_NUMBER}-{_NUMBER}(?:,{_NUMBER}-{_NUMBER})*)")
_DELETE = delete(PAYLOAD).where(
    PAYLOAD.c.workspace == bindparam("of"),
    PAYLOAD.c.seq >= bindparam("first"),
    PAYLOAD.c.seq <= bindparam("last"),
)


class Range(NamedTuple):
    """Payloads ``first`` to ``last`` (inclusive) of one workspace, and the prune entry that gave them up."""

    first: int
    last: int
    workspace: str
    seq: int


def prune(tx: Tx, actor: Principal, *, workspace: str, first: int, last: int, reason: str) -> int:
    """Delete the payloads of entries ``first`` to ``last`` of a workspace and log it in the same transaction.

    What a legal hold covers stays: with holds in force use ``audit.retention``.

    Returns:
        How many payloads were deleted.

    Raises:
        InvalidInput: The range is empty.
    """
    if not 0 <= first <= last:
        message = f"there are no entries from {first} to {last}"
        raise InvalidInput(message, code="audit.range", hint="remit audit show")
    return prune_runs(tx, actor, workspace=workspace, runs=[(first, last)], reason=reason)


def prune_runs(tx: Tx, actor: Principal, *, workspace: str, runs: Sequence[tuple[int, int]], reason: str) -> int:
    """As ``prune``, for several ranges; as many to an entry as its header takes."""
    total = 0
    for part in _parts(runs):
        count = 0
        for first, last in part:
            count += tx.execute(_DELETE, {"of": workspace, "first": first, "last": last})
        tx.append(
            Entry(
                actor=actor,
                action=PRUNE_ACTION,
                domain="audit",
                result=Result.SUCCESS,
                workspace=workspace,
                reason=reason,
                subject="payloads:" + ",".join(f"{first}-{last}" for first, last in part),
            ),
            {"deleted": count},
        )
        total += count
    return total


def _parts(runs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    parts: list[list[tuple[int, int]]] = []
    room = 0
    for first, last in runs:
        need = len(f"{first}-{last},")
        if need > room:
            parts.append([])
            room = MAX_TEXT - len("payloads:")
        parts[-1].append((first, last))
        room -= need
    return parts


def pruned_ranges(header: Mapping[str, Any]) -> list[Range]:
    """What a prune entry's header gave up; only earlier entries can be."""
    match = _SUBJECT.fullmatch(str(header.get("subject")))
    if match is None or header.get("result") != Result.SUCCESS:
        return []
    seq, workspace = int(header["seq"]), str(header["workspace"])
    found: list[Range] = []
    for part in match[1].split(","):
        first, last = map(int, part.split("-"))
        last = min(last, seq - 1)
        if first <= last:
            found.append(Range(first, last, workspace, seq))
    return found


class Coverage:
    """Which payloads the prune entries account for."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        """Ranges may overlap."""
        self._spans: dict[str, tuple[list[int], list[int]]] = {}
        for first, last, workspace, _ in sorted(ranges):
            starts, ends = self._spans.setdefault(workspace, ([], []))
            if ends and first <= ends[-1] + 1:
                ends[-1] = max(ends[-1], last)
            else:
                starts.append(first)
                ends.append(last)

    def holds(self, seq: int, workspace: str) -> bool:
        """Whether the payload of this entry was given up."""
        starts, ends = self._spans.get(workspace, ([], []))
        position = bisect_right(starts, seq) - 1
        return position >= 0 and seq <= ends[position]
