"""Error budgets: how much of what may fail has failed, over four weeks, and how fast more of it fails now.

With an objective of, say, 95 %, 5 % may fail: the error budget. Of it is used ``failed / all / (1 - objective)``. The
burn rate is the share that failed in a window over the share that may: at 1 a budget lasts exactly its four weeks, at
14.4 for an hour it has lost 2 % of them. (Site Reliability Workbook, chapter 2: "a four-week rolling window to be a
good general-purpose interval"; chapter 5, "Alerting on SLOs", for burn rates and the windows of an hour and six, whose
rates of 14.4 and 6 are those at which somebody should be called.)

What was refused or cancelled counts neither way: that is permission and choice, not failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, Subquery, bindparam, case, func, select

from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.ids import new_id
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import ReadTx, Row
from remit.missions.tables import MISSION
from remit.settings import Settings

MOST = 5000  # of each, the newest: so that it costs the same however many there are
HOUR_US: Final = 3_600_000_000
WINDOW_US: Final = 28 * 24 * HOUR_US
#: Burn rates at which somebody should be called, by the hours of the window.
CALL: Final[Mapping[int, float]] = {1: 14.4, 6: 6.0}

#: What counts as good, and what as bad.
_ACTION_STATES = (State.OK.value,), (State.FAILED.value, State.UNKNOWN.value)
_MISSION_STATES = (MissionStatus.SUCCEEDED.value,), (MissionStatus.FAILED.value,)

#: Ids are UUIDv7: those of a time and later are one stretch of the primary key.
_NEW_ACTIONS = (
    select(ACTION.c.state.label("state"), ACTION.c.opened_us.label("at_us"))
    .where(ACTION.c.id >= bindparam("first"), ACTION.c.workspace == bindparam("of"))
    .order_by(ACTION.c.id.desc())
    .limit(MOST)
    .subquery()
)
_NEW_MISSIONS = (
    select(MISSION.c.status.label("state"), MISSION.c.created_us.label("at_us"))
    .where(MISSION.c.workspace == bindparam("of"), MISSION.c.created_us >= bindparam("since"))
    .order_by(MISSION.c.created_us.desc(), MISSION.c.id.desc())
    .limit(MOST)
    .subquery()
)


def _sums(new: Subquery) -> Select[*tuple[object, ...]]:
    """How many are in each state, of all and since an hour and six hours ago; and when the first of them was."""
    lately = [func.sum(case((new.c.at_us >= bindparam(f"h{hours}"), 1), else_=0)).label(f"n{hours}") for hours in CALL]
    return select(new.c.state, func.count().label("n"), func.min(new.c.at_us).label("first_us"), *lately).group_by(
        new.c.state
    )


_ACTIONS, _MISSIONS = _sums(_NEW_ACTIONS), _sums(_NEW_MISSIONS)


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget burns over so many hours: 1 uses it up in exactly its window. ``call``: too fast."""

    hours: int
    rate: float
    call: float

    @property
    def fast(self) -> bool:
        """Whether somebody should be called."""
        return self.rate >= self.call


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """An objective and what is left of what may fail.

    Attributes:
        what: ``actions`` or ``missions``.
        objective: The share that must succeed.
        good: How many did, of those that were counted.
        bad: How many failed, or may have happened and nobody knows.
        used: How much of the budget is used, as a share; above 1: the objective is missed.
        burns: How fast it burns now.
        since_us: From when on they were counted, where there are more than ``MOST``; 0: all of four weeks.
    """

    what: str
    objective: float
    good: int
    bad: int
    used: float
    burns: tuple[Burn, ...]
    since_us: int

    @property
    def capped(self) -> bool:
        """Whether there are more than were counted."""
        return self.since_us > 0

    @property
    def mark(self) -> str:
        """``ok``; ``warn``: nearly used up, or it burns fast; ``bad``: used up."""
        if self.used >= 1:
            return "bad"
        return "warn" if self.used >= 0.8 or any(burn.fast for burn in self.burns) else "ok"  # noqa: PLR2004 - percent


def error_budgets(tx: ReadTx, workspace: str, settings: Settings, *, now_us: int) -> tuple[ErrorBudget, ...]:
    """Those of actions and missions, in two statements that read ``MOST`` rows each at most."""
    since = now_us - WINDOW_US
    lately = {f"h{hours}": now_us - hours * HOUR_US for hours in CALL}
    first = new_id(unix_ms=since // 1000, rand=lambda _bits: 0)
    actions = tx.rows(_ACTIONS, {"of": workspace, "first": first, **lately})
    missions = tx.rows(_MISSIONS, {"of": workspace, "since": since, **lately})
    return (
        _budget("actions", settings.objective_actions, actions, _ACTION_STATES),
        _budget("missions", settings.objective_missions, missions, _MISSION_STATES),
    )


def _budget(
    what: str,
    objective: float,
    rows: Sequence[Row],
    states: tuple[Sequence[str], Sequence[str]],
) -> ErrorBudget:
    good, bad = states

    def count(states: Sequence[str], column: str) -> int:
        return sum(int(row[column]) for row in rows if row["state"] in states)

    def burned(column: str) -> float:
        failed, all_ = count(bad, column), count((*good, *bad), column)
        return failed / all_ / (1 - objective) if all_ else 0.0

    capped = sum(int(row["n"]) for row in rows) >= MOST
    return ErrorBudget(
        what=what,
        objective=objective,
        good=count(good, "n"),
        bad=count(bad, "n"),
        used=round(burned("n"), 4),
        burns=tuple(Burn(hours, round(burned(f"n{hours}"), 2), call) for hours, call in CALL.items()),
        since_us=min(int(row["first_us"]) for row in rows) if capped else 0,
    )
