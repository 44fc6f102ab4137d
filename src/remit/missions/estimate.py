"""Estimate against actual: what a mission is expected to cost and take, told before it runs and held against it after.

The estimate is the range of the mission's preset; once missions of the same pack, preset and size have succeeded in
this workspace, it is their median and 90th percentile (nearest rank), over the last 50. A mission without a preset is
estimated by its plan: its cost, and its critical path up to the sum of its steps.

Time is working time: the seconds in which at least one attempt of a step ran. Waiting for a person, for a worker or for
a resume is nobody's fault and is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from sqlalchemy import bindparam, insert, select, update

from remit.kernel.canonical import Json
from remit.kernel.mission import MissionStatus
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx, Tx
from remit.missions.estimate_tables import ESTIMATE
from remit.missions.plan import OrderedPlan
from remit.missions.presets import PRESETS, Preset
from remit.missions.tables import ATTEMPT, MISSION

HISTORY = 50
MEDIAN, MOST = 0.5, 0.9
SECOND = 1_000_000
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row of ``mission_estimate``: micro-dollars and microseconds."""

    workspace: str
    mission: str
    pack: str
    preset: str
    size: int
    samples: int
    cost_low: int
    cost_high: int
    time_low_us: int
    time_high_us: int
    status: str = ""
    cost_micros: int = 0
    time_us: int = 0
    ended_us: int = 0

    @property
    def ended(self) -> bool:
        """Whether the actual figures are known."""
        return self.ended_us > 0

    @property
    def cost_off(self) -> float | None:
        """How far the cost was off the range; see ``off``. ``None`` until the mission has ended."""
        return off(self.cost_micros, self.cost_low, self.cost_high) if self.ended else None

    @property
    def time_off(self) -> float | None:
        """The same for the time."""
        return off(self.time_us, self.time_low_us, self.time_high_us) if self.ended else None

    def as_json(self) -> dict[str, Json]:
        """For ``--json``; ``actual`` only when it is known."""
        actual: dict[str, Json] | None = None
        if self.ended:
            actual = {
                "status": self.status,
                "cost_usd": str(Money(self.cost_micros).usd),
                "seconds": round(self.time_us / SECOND, 3),
                "cost_off": _finite(self.cost_off),
                "time_off": _finite(self.time_off),
            }
        return {
            "preset": self.preset or None,
            "size": self.size,
            "from_missions": self.samples,
            "cost_usd": {"from": str(Money(self.cost_low).usd), "to": str(Money(self.cost_high).usd)},
            "seconds": {"from": self.time_low_us / SECOND, "to": self.time_high_us / SECOND},
            "actual": actual,
        }

    def expected(self) -> str:
        """The estimate for people."""
        cost = _span(str(Money(self.cost_low)), str(Money(self.cost_high)))
        time = _span(lasting(self.time_low_us), lasting(self.time_high_us))
        return f"{cost}, {time} ({self._basis()})"

    def told(self) -> list[str]:
        """The estimate against the actual, for people: one line, or two once the mission has ended."""
        lines = [f"estimate  {self.expected()}"]
        if self.ended:
            cost = f"{Money(self.cost_micros)} ({_off(self.cost_off)})"
            lines.append(f"actual    {cost}, {lasting(self.time_us)} ({_off(self.time_off)})")
        return lines

    def _basis(self) -> str:
        if self.samples:
            return f"median to 90th percentile of {self.samples} earlier mission{'s' * (self.samples > 1)} like it"
        return f"preset {self.preset}" if self.preset else "its plan"


def off(actual: int, low: int, high: int) -> float:
    """How far outside the range: 0 inside; 0.5 is half above its upper end, -0.5 half below its lower end.

    Infinite when nothing was expected and something came.
    """
    if low <= actual <= high:
        return 0.0
    bound = high if actual > high else low
    return round((actual - bound) / bound, 4) if bound else math.inf


def size_of(steps: int) -> int:
    """A mission's size: the number of steps that it has to run, rounded up to a power of two."""
    return 1 << max(steps - 1, 0).bit_length()


def estimated(
    tx: ReadTx | None,
    plan: OrderedPlan,
    preset: Preset | None,
    *,
    workspace: str,
    pack: str,
    mission: str = "",
    steps: int | None = None,
) -> Estimate:
    """The estimate for a plan; refined by what earlier ones like it took, when there is a store to ask.

    ``steps`` is how many of the plan's steps are to run: all, unless some were taken over from another mission.
    """
    if preset is not None:
        cost = (preset.cost[0].micros, preset.cost[1].micros)
        time = (preset.seconds[0] * SECOND, preset.seconds[1] * SECOND)
    else:
        alone = sum(step.weight for step in plan.steps)
        cost = (plan.plan.estimate.micros, plan.plan.estimate.micros)
        time = (round(plan.critical_seconds * SECOND), round(alone * SECOND))
    name = preset.name if preset is not None else ""
    size = size_of(len(plan.steps) if steps is None else steps)
    found = Estimate(workspace, mission, pack, name, size, 0, *cost, *time)
    past = [] if tx is None else earlier(tx, found)
    if not past:
        return found
    costs, times = [each.cost_micros for each in past], [each.time_us for each in past]
    return replace(
        found,
        samples=len(past),
        cost_low=rank(costs, MEDIAN),
        cost_high=rank(costs, MOST),
        time_low_us=rank(times, MEDIAN),
        time_high_us=rank(times, MOST),
    )


def rank(values: Sequence[int], share: float) -> int:
    """The nearest-rank percentile of a sequence that is not empty: the smallest value with ``share`` at or below it."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


_COLUMNS = [ESTIMATE.c[field.name] for field in fields(Estimate)]
_INSERT = insert(ESTIMATE)
_ONE = select(*_COLUMNS).where(
    ESTIMATE.c.workspace == bindparam("workspace"), ESTIMATE.c.mission == bindparam("mission")
)
_LIKE = (
    select(*_COLUMNS)
    .where(
        ESTIMATE.c.workspace == bindparam("workspace"),
        ESTIMATE.c.pack == bindparam("pack"),
        ESTIMATE.c.preset == bindparam("preset"),
        ESTIMATE.c.size == bindparam("size"),
        ESTIMATE.c.ended_us > 0,
        ESTIMATE.c.status == MissionStatus.SUCCEEDED.value,
    )
    .order_by(ESTIMATE.c.ended_us.desc())
    .limit(HISTORY)
)
_SETTLE = (
    update(ESTIMATE)
    .where(ESTIMATE.c.workspace == bindparam("of"), ESTIMATE.c.mission == bindparam("which"))
    .values(
        status=bindparam("now_is"), cost_micros=bindparam("cost"), time_us=bindparam("took"), ended_us=bindparam("at")
    )
)
_COST = select(MISSION.c.cost_micros).where(
    MISSION.c.workspace == bindparam("workspace"), MISSION.c.id == bindparam("mission")
)
_ATTEMPTS = select(ATTEMPT.c.started_us, ATTEMPT.c.ended_us).where(
    ATTEMPT.c.workspace == bindparam("workspace"), ATTEMPT.c.mission == bindparam("mission")
)


def keep(tx: Tx, estimate: Estimate) -> None:
    """Store a new mission's estimate, in the transaction that makes the mission."""
    tx.execute(_INSERT, {field.name: getattr(estimate, field.name) for field in fields(Estimate)})


def read_estimate(tx: ReadTx, workspace: str, mission: str) -> Estimate | None:
    """A mission's estimate, with its actual figures once it has ended; none for missions made before there were any."""
    row = tx.row(_ONE, {"workspace": workspace, "mission": mission})
    return None if row is None else Estimate(**row)


def preset_of(tx: ReadTx, workspace: str, mission: str) -> Preset | None:
    """A mission's preset, if it has one that this version knows."""
    found = read_estimate(tx, workspace, mission)
    return PRESETS.get(found.preset) if found is not None else None


def earlier(tx: ReadTx, like: Estimate) -> list[Estimate]:
    """The last missions of the same pack, preset and size that succeeded here, newest first."""
    names = ("workspace", "pack", "preset", "size")
    return [Estimate(**row) for row in tx.rows(_LIKE, {name: getattr(like, name) for name in names})]


def settle(tx: Tx, workspace: str, mission: str, *, status: MissionStatus, now_us: int) -> None:
    """Write what a mission took, in the transaction that ends its run; a later run writes over it."""
    if not status.over:
        return
    at = {"workspace": workspace, "mission": mission}
    row = tx.row(_COST, at)
    took = busy((each["started_us"], each["ended_us"]) for each in tx.rows(_ATTEMPTS, at))
    cost = 0 if row is None else int(row["cost_micros"])
    values = {"now_is": status.value, "cost": cost, "took": took, "at": now_us}
    tx.execute(_SETTLE, {"of": workspace, "which": mission, **values})


def busy(spans: Iterable[tuple[int, int]]) -> int:
    """How long at least one of the spans (start, end) was under way."""
    total = reached = 0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


def lasting(micros: int) -> str:
    """A duration for people."""
    seconds = micros / SECOND
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / MINUTE:.1f}".removesuffix(".0") + " min"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _finite(share: float | None) -> float | None:
    return None if share is None or math.isinf(share) else share


def _off(share: float | None) -> str:
    if not share:
        return "as estimated"
    if math.isinf(share):
        return "nothing was expected"
    return f"{abs(share):.0%} {'above' if share > 0 else 'below'} the estimate"
