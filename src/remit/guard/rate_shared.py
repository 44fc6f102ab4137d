"""Sliding windows that several processes share: so many a minute and an hour, in sum, whoever of them is asked.

A process takes a few at a time and uses them up within ``LIFE_S``; what it did not use it gives back with its next
asking. What was taken counts from a slice later than now, so that nothing is used after it has left the window: no 60
seconds ever hold more than the minute's limit, and none of 3600 more than the hour's, over all processes together.

Not ``gcra``, whose bucket lets a burst and its refill through: twice the limit within one minute.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert

from remit.guard.rate_store import NOW
from remit.guard.rate_tables import RATE_WINDOW
from remit.kernel.ports import Tx

LIFE_S = 1.0
SLICES = 60
_SPANS_US = {"minute": 60_000_000, "hour": 3_600_000_000}
_AT = (RATE_WINDOW.c.workspace == bindparam("of"), RATE_WINDOW.c.key == bindparam("bucket"))
_MADE = insert(RATE_WINDOW).values(workspace=bindparam("of"), key=bindparam("bucket"), body="{}", used_us=NOW)
#: Takes the row's lock, whether it is there or not: who asks meanwhile waits for what this one writes.
_HOLD = _MADE.on_conflict_do_update(
    index_elements=[RATE_WINDOW.c.workspace, RATE_WINDOW.c.key], set_={"used_us": NOW}
).returning(RATE_WINDOW.c.body, NOW.label("at"))
_WRITE = update(RATE_WINDOW).where(*_AT).values(body=bindparam("told"))
_SWEEP = delete(RATE_WINDOW).where(
    RATE_WINDOW.c.workspace == bindparam("of"), RATE_WINDOW.c.used_us < NOW - 2 * _SPANS_US["hour"]
)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a process asks of one key.

    Attributes:
        key: Whose requests.
        minute: The minute's limit.
        hour: The hour's.
        want: How many it would use.
        unused: How many of those that it took last it gives back.
        taken: Which moment that was, ``Given.at_us``.
    """

    key: str
    minute: int
    hour: int
    want: int = 1
    unused: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """What it was given.

    Attributes:
        number: So many; 0: none.
        minute: How many are left of the minute's.
        hour: How many are left of the hour's.
        at_us: When, by the database's clock.
        wait_s: After how many seconds to come back, when none was given.
        window: Which limit refuses, when none was given.
    """

    number: int
    minute: int
    hour: int
    at_us: int
    wait_s: float = 0.0
    window: str = ""


def share(tx: Tx, workspace: str, askings: Sequence[Asking]) -> dict[str, Given]:
    """Give each key what there is. Rows are locked in the order of their keys: no deadlock among processes."""
    given: dict[str, Given] = {}
    for asking in sorted(askings, key=lambda each: each.key):
        row = tx.row(_HOLD, {"of": workspace, "bucket": asking.key, "now": None})
        assert row is not None  # noqa: S101 - it was just made
        found = cast("dict[str, list[list[int]]]", json.loads(row["body"]))
        windows = {span: found.get(span, []) for span in _SPANS_US}
        given[asking.key] = give(asking, windows, int(row["at"]))
        tx.execute(_WRITE, {"of": workspace, "bucket": asking.key, "told": json.dumps(windows)})
    return given


def sweep(tx: Tx, workspace: str) -> int:
    """Forget keys that nobody used for two hours."""
    return tx.execute(_SWEEP, {"of": workspace, "now": None})


def give(asking: Asking, windows: dict[str, list[list[int]]], at_us: int) -> Given:
    """What one key is given at a moment; ``windows`` are changed: of ``minute`` and ``hour``, [slice, number]."""
    limits = {"minute": asking.minute, "hour": asking.hour}
    left: dict[str, int] = {}
    for span, span_us in _SPANS_US.items():
        slice_us = span_us // SLICES
        slices, now = windows[span], at_us // slice_us
        _back(slices, asking.taken // slice_us + 1, asking.unused)
        slices[:] = [each for each in slices if each[0] >= now - SLICES and each[1] > 0]
        left[span] = max(limits[span] - sum(number for _, number in slices), 0)
    number = min(asking.want, *left.values())
    if not number:
        span = "hour" if not left["hour"] else "minute"
        wait_us = _wait(windows[span], at_us, limit=limits[span], slice_us=_SPANS_US[span] // SLICES)
        return Given(0, left["minute"], left["hour"], at_us, wait_us / 1_000_000, span)
    for span, span_us in _SPANS_US.items():
        _add(windows[span], at_us // (span_us // SLICES) + 1, number)
    return Given(number, left["minute"] - number, left["hour"] - number, at_us)


def _add(slices: list[list[int]], which: int, number: int) -> None:
    for each in slices:
        if each[0] == which:
            each[1] += number
            return
    slices.append([which, number])


def _back(slices: list[list[int]], which: int, number: int) -> None:
    for each in slices:
        if each[0] == which:
            each[1] -= min(number, each[1])


def _wait(slices: list[list[int]], at_us: int, *, limit: int, slice_us: int) -> int:
    """Microseconds until one more fits."""
    surplus = sum(number for _, number in slices) - limit + 1
    for which, number in sorted(slices):
        surplus -= number
        if surplus <= 0:
            return (which + SLICES + 1) * slice_us - at_us
    return SLICES * slice_us
