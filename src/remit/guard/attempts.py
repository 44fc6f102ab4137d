"""What the rows of attempts say in sums: how many, how many again, how many succeeded, how long they took (RES-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, select

from remit.guard.records import State
from remit.guard.tables import ACTION, ACTION_ATTEMPT
from remit.kernel.canonical import Json
from remit.kernel.ports import ReadTx, Row

#: Durations are those of so many newest attempts.
NEWEST = 100_000

_TOOK = ACTION_ATTEMPT.c.ended_us - ACTION_ATTEMPT.c.began_us
_IN = (ACTION.c.workspace == bindparam("of"), ACTION.c.opened_us >= bindparam("since"))
_ACTIONS = (
    select(
        ACTION.c.kind,
        func.count().label("actions"),
        func.sum(case((ACTION.c.state == State.OK.value, 1), else_=0)).label("ok"),
        func.sum(case((ACTION.c.tries > 1, 1), else_=0)).label("retried"),
        func.sum(case(((ACTION.c.tries > 1) & (ACTION.c.state == State.OK.value), 1), else_=0)).label("recovered"),
    )
    .where(*_IN, ACTION.c.tries > 0)
    .group_by(ACTION.c.kind)
    .order_by(ACTION.c.kind)
)
_CACHED = select(func.count().label("n")).where(*_IN, ACTION.c.state == State.OK.value, ACTION.c.reason == "cached")
_ATTEMPTS = (
    select(
        ACTION.c.kind,
        func.count().label("attempts"),
        func.sum(case((ACTION_ATTEMPT.c.code == "", 1), else_=0)).label("ok"),
        func.sum(ACTION_ATTEMPT.c.wait_ms).label("waited"),
    )
    .join(ACTION_ATTEMPT, ACTION_ATTEMPT.c.action == ACTION.c.id)
    .where(*_IN)
    .group_by(ACTION.c.kind)
)
_ERRORS = (
    select(ACTION_ATTEMPT.c.code, func.count().label("n"))
    .join(ACTION, ACTION_ATTEMPT.c.action == ACTION.c.id)
    .where(*_IN, ACTION_ATTEMPT.c.code != "")
    .group_by(ACTION_ATTEMPT.c.code)
    .order_by(ACTION_ATTEMPT.c.code)
)
_STEPS = (
    select(ACTION.c.mission, ACTION.c.step, func.max(ACTION.c.attempt).label("last"))
    .where(*_IN, ACTION.c.mission != "", ACTION.c.state != State.REFUSED.value)
    .group_by(ACTION.c.mission, ACTION.c.step)
).subquery()
_RETRIED_STEPS = select(
    func.count().label("steps"), func.coalesce(func.sum(case((_STEPS.c.last > 1, 1), else_=0)), 0).label("retried")
).select_from(_STEPS)
_DURATIONS = (
    select(ACTION.c.kind, _TOOK.label("took"))
    .join(ACTION_ATTEMPT, ACTION_ATTEMPT.c.action == ACTION.c.id)
    .where(*_IN)
    .order_by(ACTION_ATTEMPT.c.began_us.desc())
    .limit(NEWEST)
)
_OF_ACTION = (
    select(ACTION_ATTEMPT)
    .where(ACTION_ATTEMPT.c.action == bindparam("which"), ACTION_ATTEMPT.c.workspace == bindparam("of"))
    .order_by(ACTION_ATTEMPT.c.number)
)


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds that attempts took: half of them at most ``p50``, 95 % at most ``p95``."""

    p50: float = 0.0
    p95: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class KindAttempts:
    """The attempts at one kind of effect.

    Attributes:
        kind: Of effect; empty for all.
        actions: That were performed, once or more often.
        succeeded: Of these.
        retried: Of these, needed more than one attempt.
        recovered: Of those, succeeded in the end.
        attempts: All together.
        attempts_ok: Of these, succeeded.
        waited_s: Between attempts, all together.
        durations: Of single attempts.
    """

    kind: str
    actions: int = 0
    succeeded: int = 0
    retried: int = 0
    recovered: int = 0
    attempts: int = 0
    attempts_ok: int = 0
    waited_s: float = 0.0
    durations: Durations = Durations()

    @property
    def success_rate(self) -> float:
        """Part of the actions that succeeded in the end; 1 when there was none."""
        return self.succeeded / self.actions if self.actions else 1.0

    def as_json(self) -> dict[str, Json]:
        """For reports."""
        return {
            "kind": self.kind,
            "actions": self.actions,
            "succeeded": self.succeeded,
            "success_rate": round(self.success_rate, 4),
            "retried": self.retried,
            "recovered": self.recovered,
            "attempts": self.attempts,
            "attempts_ok": self.attempts_ok,
            "waited_s": round(self.waited_s, 3),
            "p50_s": round(self.durations.p50, 4),
            "p95_s": round(self.durations.p95, 4),
            "longest_s": round(self.durations.longest, 4),
        }


@dataclass(frozen=True, slots=True)
class AttemptsReport:
    """A workspace's attempts since some time.

    ``steps`` counts steps that asked for an effect, ``retried_steps`` those of them that asked for one in a later
    attempt than their first, ``errors`` failed attempts by code, ``cached`` actions that were answered without any.
    """

    total: KindAttempts
    kinds: tuple[KindAttempts, ...]
    steps: int
    retried_steps: int
    errors: dict[str, int]
    cached: int = 0

    def as_json(self) -> dict[str, Json]:
        """For reports."""
        return {
            **self.total.as_json(),
            "kind": "all",
            "steps": self.steps,
            "retried_steps": self.retried_steps,
            "cached": self.cached,
            "errors": dict(self.errors),
            "kinds": [kind.as_json() for kind in self.kinds],
        }


def attempts_report(tx: ReadTx, workspace: str, *, since_us: int = 0) -> AttemptsReport:
    """Read the sums of what was asked for at or after ``since_us``, in the caller's snapshot."""
    at = {"of": workspace, "since": since_us}
    tried = {str(row["kind"]): row for row in tx.rows(_ATTEMPTS, at)}
    took: dict[str, list[int]] = {}
    for row in tx.rows(_DURATIONS, at):
        took.setdefault(row["kind"], []).append(int(row["took"]))
    kinds = tuple(_kind(row, tried.get(row["kind"]), took.get(row["kind"], [])) for row in tx.rows(_ACTIONS, at))
    steps = tx.row(_RETRIED_STEPS, at) or {"steps": 0, "retried": 0}
    return AttemptsReport(
        total=KindAttempts(
            "",
            *(sum(getattr(kind, name) for kind in kinds) for name in ("actions", "succeeded", "retried", "recovered")),
            attempts=sum(kind.attempts for kind in kinds),
            attempts_ok=sum(kind.attempts_ok for kind in kinds),
            waited_s=sum(kind.waited_s for kind in kinds),
            durations=_durations([each for of_kind in took.values() for each in of_kind]),
        ),
        kinds=kinds,
        steps=int(steps["steps"]),
        retried_steps=int(steps["retried"]),
        errors={row["code"]: int(row["n"]) for row in tx.rows(_ERRORS, at)},
        cached=int((tx.row(_CACHED, at) or {"n": 0})["n"]),
    )


def attempts_of(tx: ReadTx, workspace: str, action: str) -> list[Row]:
    """The rows of one action's attempts, in order."""
    return tx.rows(_OF_ACTION, {"of": workspace, "which": action})


def _kind(row: Row, tried: Row | None, took: list[int]) -> KindAttempts:
    return KindAttempts(
        kind=row["kind"],
        actions=int(row["actions"]),
        succeeded=int(row["ok"]),
        retried=int(row["retried"]),
        recovered=int(row["recovered"]),
        attempts=0 if tried is None else int(tried["attempts"]),
        attempts_ok=0 if tried is None else int(tried["ok"]),
        waited_s=0.0 if tried is None else int(tried["waited"]) / 1000,
        durations=_durations(took),
    )


def _durations(took_us: Sequence[int]) -> Durations:
    ordered = sorted(took_us)
    if not ordered:
        return Durations()

    def at(share: float) -> float:
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1_000_000

    return Durations(at(0.5), at(0.95), ordered[-1] / 1_000_000)
