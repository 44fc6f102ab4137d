"""Taking hold of a mission: the fence goes up by one, and whoever held it before can write nothing more."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import sha256_hex
from remit.kernel.errors import IntegrityError
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import Tx
from remit.missions.deps import Deps
from remit.missions.estimate import preset_of
from remit.missions.holding import SYSTEM, Holding
from remit.missions.plan import OrderedPlan, order
from remit.missions.plan_json import load
from remit.missions.presets import Preset
from remit.missions.rows import MissionRow, StepRow, read_mission, read_steps, set_mission


async def claim(
    deps: Deps, workspace: str, mission: str, *, owner: str, over: bool = False, idle: bool = False
) -> Holding | None:
    """Hold a mission; ``None`` when it is over and nobody ordered more (unless ``over`` asks for such a one).

    ``idle`` takes it only if it is over: whoever runs it is never fenced.

    Raises:
        NotFound: There is no such mission.
        IntegrityError: Its stored plan is not the one that was hashed, or its pack's version is not installed.
    """

    def op(tx: Tx) -> tuple[str, MissionRow, list[StepRow], Preset | None] | None:
        row = read_mission(tx, workspace, mission, lock=True)
        finished = MissionStatus(row.status).over
        if (finished and not over) or (idle and not finished):
            return None
        held = replace(row, fence=row.fence + 1, owner=owner, status=MissionStatus.RUNNING, updated_us=deps.now())
        set_mission(tx, row, fence=held.fence, owner=held.owner, status=held.status, updated_us=held.updated_us)
        tx.append(
            Entry(
                actor=SYSTEM,
                action="mission.claim",
                domain="missions",
                result=Result.SUCCESS,
                workspace=workspace,
                on_behalf_of=Principal.parse(row.originator),
                subject=mission,
                mission=mission,
            ),
            {"fence": held.fence, "owner": owner, "was": row.status, "revision": row.revision},
        )
        return row.status, held, read_steps(tx, held), preset_of(tx, workspace, mission)

    claimed = await deps.journal.commit("mission.claim", op)
    if claimed is None:
        return None
    was, row, steps, preset = claimed
    holding = Holding(deps, row, plan=stored_plan(row), rows=steps, repository=deps.repository_for(row.id), was=was)
    holding.preset = preset
    return holding


def stored_plan(row: MissionRow) -> OrderedPlan:
    """The mission's plan, which must be the very one that was made.

    Raises:
        IntegrityError: It is not.
    """
    if sha256_hex(row.plan) != row.plan_hash:
        raise IntegrityError(
            f"The stored plan of mission {row.id} is not the one that was planned.", code="plan.changed"
        )
    return _ordered(row.plan)


@lru_cache(maxsize=4)
def _ordered(plan: bytes) -> OrderedPlan:
    """A plan of 200 steps takes some milliseconds, and a run, its waiters and its viewers ask for the same one."""
    return order(load(plan))
