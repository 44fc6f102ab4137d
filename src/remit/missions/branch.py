"""A variation: a new mission that shares history with another one up to a checkpoint, optionally with another input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from remit.accounts.budgets import BudgetScope, add_limit
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.mission import MissionStatus
from remit.kernel.money import Money
from remit.kernel.ports import Tx
from remit.missions.claim import stored_plan
from remit.missions.critics import carry
from remit.missions.deps import Deps
from remit.missions.estimate import estimated, preset_of
from remit.missions.estimate import keep as keep_estimate
from remit.missions.labels import labels
from remit.missions.plan import OrderedPlan
from remit.missions.plan_json import dump
from remit.missions.presets import require_critics
from remit.missions.rollback import restack, restack_order, shared_prefix, unchanged
from remit.missions.rows import MissionRow, StepRow, insert_mission, read_mission, read_steps


async def branch(
    deps: Deps,
    workspace: str,
    parent: str,
    *,
    step: str,
    actor: Principal,
    other: tuple[bytes, str, OrderedPlan] | None = None,
) -> str:
    """Make a mission that starts at the checkpoint of ``step``; its id. The parent is only read.

    Steps up to there whose skip key is the same are inherited: those at the beginning of the shared history as they
    stand, others with their outputs committed again. All others run.

    Args:
        deps: The surroundings.
        workspace: The parent's.
        parent: The parent's id.
        step: A finished step of it.
        actor: Who orders it.
        other: Another input: its bytes, its name and the plan for it.

    Raises:
        NotFound: No such mission or step.
        InvalidInput: The step is not finished.
    """
    row = await deps.journal.read(lambda tx: read_mission(tx, workspace, parent))
    rows = {each.name: each for each in await deps.journal.read(lambda tx: read_steps(tx, row))}
    here = _finished(rows, step, parent=parent)
    data, name, plan = other or (row.input, row.input_name, stored_plan(row))
    preset = await deps.journal.read(lambda tx: preset_of(tx, workspace, parent))
    require_critics(preset, plan.plan)
    repository = deps.repository_for(parent)
    history = await repository.history()
    shared = {each: old for each, old in rows.items() if old.done and old.position <= here.position}
    keep = unchanged(plan, shared)
    prefix = shared_prefix(history, shared, keep)
    top = _newest([each.commit for each in history], shared)
    child = new_id()
    await repository.clone_to(child, top)
    start = prefix[-1] if prefix else ""
    now = deps.now()
    mission = replace(
        _given(_blank(row, now), data, name, plan),
        id=child,
        originator=str(actor),
        parent=parent,
        parent_step=step,
        start_commit=start,
        floor_commit=top,
        head_commit=top,
        workspace_commit=top,
        tree=await repository.tree(top),
        pending="" if start == top else restack_order(prefix, why=f"branch from {step}"),
    )
    steps = [
        _adopted(each, child, now)
        for each in restack(plan, shared, keep=keep, prefix=prefix, mission=child, workspace=workspace)
    ]
    judged = [each.name for each in steps if each.done and plan.spec(each.name).critic]
    ahead = sum(not each.done for each in steps)

    def op(tx: Tx) -> None:
        insert_mission(tx, mission, steps)
        if mission.budget_micros:
            limit = Money(mission.budget_micros)
            add_limit(tx, workspace=workspace, scope=BudgetScope.MISSION, name=child, limit=limit)
        carry(tx, workspace=workspace, parent=parent, child=child, steps=judged, now_us=now)
        keep_estimate(tx, estimated(tx, plan, preset, workspace=workspace, pack=row.pack, mission=child, steps=ahead))
        tx.append(*_entry(mission, actor, inherited=sorted(keep)))

    await deps.journal.commit("mission.branch", op)
    return child


def _finished(rows: Mapping[str, StepRow], step: str, *, parent: str) -> StepRow:
    here = rows.get(step)
    if here is None:
        raise NotFound(f"The plan of mission {parent} has no step {step!r}.", hint=f"remit show {parent}")
    if not here.done:
        raise InvalidInput(
            f"Step {step!r} is {here.status}: a branch starts at a finished one.", hint=f"remit show {parent}"
        )
    return here


def _given(row: MissionRow, data: bytes, name: str, plan: OrderedPlan) -> MissionRow:
    """The row with its input and the plan for it."""
    stored = dump(plan.plan)
    return replace(
        row,
        input=data,
        input_name=name,
        input_sha256=sha256_hex(data),
        plan=stored,
        plan_hash=sha256_hex(stored),
        **labels(plan.plan, name),
    )


def _entry(mission: MissionRow, actor: Principal, *, inherited: list[str]) -> tuple[Entry, dict[str, Json]]:
    entry = Entry(
        actor=actor,
        action="mission.branch",
        domain="missions",
        result=Result.SUCCESS,
        workspace=mission.workspace,
        subject=mission.id,
        mission=mission.id,
        step=mission.parent_step,
    )
    return entry, {
        "parent": mission.parent,
        "step": mission.parent_step,
        "input_sha256": mission.input_sha256,
        "plan": mission.plan_hash,
        "inherited": list[Json](inherited),
    }


def _newest(commits: list[str], rows: dict[str, StepRow]) -> str:
    known = {row.commit_id for row in rows.values() if row.commit_id}
    return next((commit for commit in reversed(commits) if commit in known), "")


def _blank(row: MissionRow, now: int) -> MissionRow:
    """The parent's row as that of a mission that has not begun."""
    return replace(
        row,
        status=MissionStatus.QUEUED,
        revision=1,
        run=0,
        fence=0,
        owner="",
        control="",
        pending="",
        error_code="",
        error="",
        cost_micros=0,
        created_us=now,
        updated_us=now,
    )


def _adopted(row: StepRow, child: str, now: int) -> StepRow:
    return replace(row, mission=child, revision=1, attempts=0, generation=0, cost_micros=0, changed_us=now)
