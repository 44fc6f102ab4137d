"""A new mission: its input checked and planned, then stored whole; or nothing is written but that it was refused."""

from __future__ import annotations

from remit.accounts.budgets import BudgetScope, add_limit
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.errors import InvalidInput, RateLimited
from remit.kernel.ids import new_id
from remit.kernel.money import Money
from remit.kernel.ports import Tx
from remit.kernel.tracing import span
from remit.missions import queue_service as queueing
from remit.missions.deps import Deps
from remit.missions.estimate import estimated, keep
from remit.missions.intake import planned, refuse_secrets
from remit.missions.labels import labels
from remit.missions.orders import entry_of
from remit.missions.plan import OrderedPlan
from remit.missions.plan_json import dump
from remit.missions.presets import Preset, chosen, require_critics
from remit.missions.queue_order import Priority
from remit.missions.rows import MissionRow, StepRow, insert_mission


async def create(
    deps: Deps,
    workspace: str,
    pack: str,
    data: bytes,
    *,
    name: str,
    originator: Principal,
    budget: Money,
    preset: str,
    queue: bool | None,
    priority: Priority,
) -> str:
    """Plan a mission and store it; its id. See ``service.Missions.create``, which has asked whether one may.

    Raises:
        RateLimited: The workspace's queue is full; nothing is written but that.
        NotFound: There is no such pack or preset.
        InvalidInput: The input is wrong; only what holds a secret leaves a trace.
    """
    found = deps.pack(pack)
    with_preset = chosen(preset, found.name)
    try:
        refuse_secrets(deps.redactor, data, name)
    except InvalidInput as error:
        await _turned_away(deps, error, workspace=workspace, pack=pack, data=data, by=originator)
        raise
    with span("mission.plan", pack=pack):
        plan = planned(found, data, name)
        require_critics(with_preset, plan.plan)
    stored = dump(plan.plan)
    now = deps.now()
    mission = MissionRow(
        id=new_id(),
        workspace=workspace,
        pack=pack,
        pack_version=found.version,
        input_name=name,
        input=data,
        input_sha256=sha256_hex(data),
        plan=stored,
        plan_hash=sha256_hex(stored),
        originator=str(originator),
        budget_micros=budget.micros,
        created_us=now,
        updated_us=now,
        run=0 if queue is None else 1,
        **labels(plan.plan, name),
    )

    def op(tx: Tx) -> None:
        insert_mission(tx, mission, _steps(mission, plan))
        keep(tx, estimated(tx, plan, with_preset, workspace=workspace, pack=found.name, mission=mission.id))
        if budget:
            add_limit(tx, workspace=workspace, scope=BudgetScope.MISSION, name=mission.id, limit=budget)
        tx.append(entry_of(mission, "mission.create", originator), _payload(mission, plan, with_preset))
        if queue is not None:
            queueing.enter_run(tx, deps, mission, run=1, plan=plan, queued=queue, priority=priority, by=originator)

    try:
        await deps.journal.commit("mission.create", op)
    except RateLimited as error:
        await queueing.refused(deps, workspace, error, by=originator)
        raise
    return mission.id


def _steps(mission: MissionRow, plan: OrderedPlan) -> list[StepRow]:
    return [
        StepRow(
            mission.workspace,
            mission.id,
            1,
            spec.name,
            position,
            title=spec.title,
            feature=spec.feature,
            changed_us=mission.created_us,
        )
        for position, spec in enumerate(plan.steps)
    ]


def _payload(mission: MissionRow, plan: OrderedPlan, preset: Preset | None) -> dict[str, Json]:
    return {
        "pack": mission.pack,
        "version": mission.pack_version,
        "input_sha256": mission.input_sha256,
        "plan": mission.plan_hash,
        "steps": len(plan.steps),
        "budget_micros": mission.budget_micros,
        "preset": preset.name if preset is not None else "",
    }


async def _turned_away(
    deps: Deps, error: InvalidInput, *, workspace: str, pack: str, data: bytes, by: Principal
) -> None:
    """An input that may not be stored: who gave it and why not is on record, and of the input its hash alone."""
    entry = Entry(
        actor=by,
        action="mission.refused",
        domain="missions",
        result=Result.BLOCKED,
        workspace=workspace,
        reason=error.code,
    )
    mask = deps.redactor.mask
    why: list[Json] = [mask(problem)[:200] for problem in error.problems[:20]]
    payload: dict[str, Json] = {"pack": mask(pack)[:200], "input_sha256": sha256_hex(data), "why": why}
    await deps.journal.commit("guard.refused", lambda tx: tx.append(entry, payload))
