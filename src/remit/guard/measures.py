"""What the guard's rows tell in sums: actions, refusals, durations, each check's time. For metrics and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson
from sqlalchemy import ColumnElement, bindparam, case, func, select

from remit.guard.records import State
from remit.guard.tables import ACTION, BREAKER, OBSERVED
from remit.kernel.decision import read_checks
from remit.kernel.ports import ReadTx

#: Upper bounds in seconds of the buckets in which durations are counted; beyond the last there is one more.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
NEWEST = 10_000
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took: counts up to each bound of ``SECONDS`` (cumulative), and their sum in seconds."""

    counts: tuple[int, ...]
    count: int
    sum_s: float


@dataclass(frozen=True, slots=True)
class CheckTimes:
    """How long a check took over the newest actions: seconds at each of ``QUANTILES``."""

    quantiles: tuple[float, ...]
    count: int
    sum_s: float


@dataclass(frozen=True, slots=True)
class GuardMeasures:
    """A workspace's actions in sums.

    Attributes:
        actions: How many ended in each (kind, state).
        refusals: How many each (check, reason) refused.
        observed: How many each (check, reason) would have refused, where that is only observed.
        durations: From asking to the outcome, by kind, of what was performed.
        cost_micros: What they cost, by kind.
        tries: Attempts made inside permits, by kind; one for each action that needed no second.
        checks: Each check's time over the newest ``NEWEST`` actions.
        breakers: Circuits by (kind, phase) that opened at least once.
    """

    actions: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    refusals: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    observed: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    durations: Mapping[str, Durations] = field(default_factory=dict[str, Durations])
    cost_micros: Mapping[str, int] = field(default_factory=dict[str, int])
    tries: Mapping[str, int] = field(default_factory=dict[str, int])
    checks: Mapping[str, CheckTimes] = field(default_factory=dict[str, CheckTimes])
    breakers: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])


def counted(took_us: ColumnElement[int]) -> list[ColumnElement[int]]:
    """SQL sums that make ``Durations`` of a duration in microseconds: ``b0`` ... and ``n``, ``total``."""
    sums = [
        func.sum(case((took_us <= round(bound * 1_000_000), 1), else_=0)).label(f"b{number}")
        for number, bound in enumerate(SECONDS)
    ]
    return [*sums, func.count().label("n"), func.sum(took_us).label("total")]


def durations(row: Mapping[str, object]) -> Durations:
    """Of a row that ``counted`` made."""
    counts = tuple(int(cast("int", row[f"b{number}"]) or 0) for number in range(len(SECONDS)))
    return Durations(counts, cast("int", row["n"]), float(cast("float", row["total"]) or 0) / 1_000_000)


_OF = ACTION.c.workspace == bindparam("of")
_COUNTS = (
    select(
        *(ACTION.c.kind, ACTION.c.state, func.count().label("n")),
        func.sum(ACTION.c.cost_micros).label("cost"),
        func.sum(ACTION.c.tries).label("tried"),
    )
    .where(_OF)
    .group_by(ACTION.c.kind, ACTION.c.state)
)
_REFUSED = (
    select(ACTION.c.reason, func.count().label("n"))
    .where(_OF, ACTION.c.state == State.REFUSED.value)
    .group_by(ACTION.c.reason)
)
_OBSERVED = select(OBSERVED).where(OBSERVED.c.workspace == bindparam("of"))
_TOOK = (
    select(ACTION.c.kind, *counted(ACTION.c.closed_us - ACTION.c.opened_us))
    .where(_OF, ACTION.c.state.in_((State.OK.value, State.FAILED.value, State.UNKNOWN.value)))
    .group_by(ACTION.c.kind)
)
_NEWEST = (
    select(ACTION.c.checks, ACTION.c.spent_ns).where(_OF).order_by(ACTION.c.id.desc()).limit(bindparam("most"))
)  # ids are UUIDv7: the newest last
_BREAKERS = (
    select(BREAKER.c.kind, BREAKER.c.phase, func.count().label("n"))
    .where(BREAKER.c.workspace == bindparam("of"))
    .group_by(BREAKER.c.kind, BREAKER.c.phase)
)


def measure(tx: ReadTx, workspace: str) -> GuardMeasures:
    """Read them, in the caller's snapshot."""
    of = {"of": workspace}
    actions: dict[tuple[str, str], int] = {}
    cost: dict[str, int] = {}
    tries: dict[str, int] = {}
    for row in tx.rows(_COUNTS, of):
        kind = row["kind"]
        actions[kind, row["state"]] = row["n"]
        cost[kind] = cost.get(kind, 0) + int(row["cost"])
        tries[kind] = tries.get(kind, 0) + int(row["tried"])
    refusals: dict[tuple[str, str], int] = {}
    for row in tx.rows(_REFUSED, of):
        check, _, reason = str(row["reason"]).partition(".")
        refusals[check, reason] = row["n"]
    took = {row["kind"]: durations(row) for row in tx.rows(_TOOK, of)}
    breakers = {(row["kind"], row["phase"]): int(row["n"]) for row in tx.rows(_BREAKERS, of)}
    observed = {(row["name"], row["reason"]): int(row["times"]) for row in tx.rows(_OBSERVED, of)}
    return GuardMeasures(actions, refusals, observed, took, cost, tries, _check_times(tx, workspace), breakers)


def _check_times(tx: ReadTx, workspace: str) -> dict[str, CheckTimes]:
    spent: dict[str, list[int]] = {}
    for row in tx.rows(_NEWEST, {"of": workspace, "most": NEWEST}):
        checks = read_checks(row["checks"])
        for check, nanos in zip(checks, cast("list[int]", orjson.loads(row["spent_ns"])), strict=False):
            spent.setdefault(check["check"], []).append(nanos)
    return {name: _times(sorted(nanos)) for name, nanos in spent.items()}


def _times(nanos: Sequence[int]) -> CheckTimes:
    at = tuple(nanos[min(int(len(nanos) * share), len(nanos) - 1)] / 1e9 for share in QUANTILES)
    return CheckTimes(at, len(nanos), sum(nanos) / 1e9)
