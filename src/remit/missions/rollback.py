"""Going back: everything, to a step, or without one feature; and running steps again that were done.

Two shapes. *Rewind*: the head moves back to an earlier checkpoint and the workspace with it (everything, to a step).
*Restack*: on top of the head comes one commit whose tree is that of the newest checkpoint with nothing unwanted in
it; steps that stay but lie beyond it are offered their own earlier outputs, which the next run commits again in plan
order (a feature, a re-run). Either way the rows change first, with what is still to be done to git in
``mission.pending``, and a crash in between is finished by whoever claims the mission next. What is given up stays
reachable in git.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import orjson

from remit.audit.entry import Result
from remit.kernel.action import Principal
from remit.kernel.canonical import sha256_hex
from remit.kernel.effects import Reversal
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.mission import MissionStatus, StepStatus
from remit.kernel.ports import Tx
from remit.missions.holding import SYSTEM, Holding
from remit.missions.labels import labels
from remit.missions.pack import Pack
from remit.missions.plan import OrderedPlan, order
from remit.missions.plan_json import dump
from remit.missions.presets import require_critics
from remit.missions.repository import TRAILER_MISSION, TRAILER_ROLLBACK, Checkpoint
from remit.missions.rows import Standing, StepRow, insert_steps, pack_json, replace_steps, set_mission

REWIND, RESTACK = "rewind", "restack"


async def rollback_all(holding: Holding, *, why: str, actor: Principal = SYSTEM) -> None:
    """Back to the mission's start, byte for byte; effects outside are undone newest first.

    Raises:
        Conflict: An effect can't be undone; it is named, and nothing older than it was touched.
    """
    await undo_effects(holding, None, actor=actor)
    start = holding.mission.start_commit
    kept = await _up_to(holding, start)
    rows = [
        _rolled_back(row) if row.commit_id not in kept and (row.done or row.attempts) else row
        for row in holding.rows.values()
    ]
    await _rewind(holding, start, rows=rows, why=why, actor=actor)


async def rollback_to(holding: Holding, step: str, *, why: str, actor: Principal = SYSTEM) -> None:
    """Back to the checkpoint of ``step``: the tree as it left it, later steps rolled back.

    Raises:
        NotFound: The plan has no such step.
        InvalidInput: It is not done.
        Conflict: An effect of a later step can't be undone.
    """
    here = _done_row(holding, step)
    history = await holding.repository.history()
    index = {each.commit: number for number, each in enumerate(history)}
    earlier = [row for row in holding.rows.values() if row.done and row.commit_id and row.position <= here.position]
    target = here.commit_id or max((row.commit_id for row in earlier), key=index.__getitem__, default="")
    target = target or holding.mission.start_commit
    kept = await _up_to(holding, target)

    def stays(row: StepRow) -> bool:
        return row.commit_id in kept if row.commit_id else row.position <= here.position

    gone = {name for name, row in holding.rows.items() if not stays(row)}
    gone = set(holding.plan.downstream(gone)) - {step}
    await undo_effects(holding, gone, actor=actor)
    rows = [
        _rolled_back(row) if row.name in gone and (row.done or row.attempts) else row for row in holding.rows.values()
    ]
    await _rewind(holding, target, rows=rows, why=why, actor=actor)


async def rollback_feature(holding: Holding, pack: Pack, feature: str, *, actor: Principal = SYSTEM) -> tuple[str, ...]:
    """Plan again without a feature; what is unchanged keeps its output. The names of every feature that went.

    The next run commits what is left, and its tree is that of a mission that never had the feature.

    Raises:
        NotFound: The input has no such feature.
        Conflict: An effect of a step that goes can't be undone.
    """
    mission = holding.mission
    data, removed = pack.without(mission.input, feature)
    plan = order(pack.plan(data, name=mission.input_name))
    require_critics(holding.preset, plan.plan)
    keep = unchanged(plan, holding.rows)
    leaving = {name for name, row in holding.rows.items() if row.attempts and name not in keep}
    await undo_effects(holding, leaving, actor=actor)
    stored = dump(plan.plan)
    revision = mission.revision + 1
    history = await holding.repository.history()
    prefix = shared_prefix(history, holding.rows, keep)
    rows = restack(plan, holding.rows, keep=keep, prefix=prefix, mission=mission.id, workspace=mission.workspace)
    rows = [replace(row, revision=revision, changed_us=holding.stamp()) for row in rows]
    gone = [_rolled_back(row) for name, row in holding.rows.items() if name not in plan.position]
    listed = labels(plan.plan, mission.input_name)
    values: dict[str, str | int | bytes] = {
        "input": data,
        "input_sha256": sha256_hex(data),
        "plan": stored,
        "plan_hash": sha256_hex(stored),
        "revision": revision,
        "title": listed["title"],
        "agents": listed["agents"],
        "searched": listed["searched"],
    }
    pending = restack_order(prefix, why=f"feature {feature}")
    entry = holding.entry("mission.rollback", Result.SUCCESS, reason="feature", actor=actor)

    def change(tx: Tx) -> None:
        replace_steps(tx, gone)
        insert_steps(tx, rows)
        set_mission(tx, mission, pending=pending, **values)
        told = {"feature": feature, "removed": list(removed), "revision": revision, "kept": sorted(keep)}
        tx.append(entry, {**told, "plan": values["plan_hash"], "input_sha256": values["input_sha256"]})

    await holding.write("mission.rollback", change)
    holding.mission = replace(
        mission,
        pending=pending,
        input=data,
        input_sha256=sha256_hex(data),
        plan=stored,
        plan_hash=sha256_hex(stored),
        revision=revision,
    )
    holding.was = MissionStatus.QUEUED  # there is work to do again, whatever it was before
    holding.plan = plan
    holding.rows = {row.name: row for row in rows}
    await finish_pending(holding)
    return removed


async def rerun(holding: Holding, steps: Collection[str], *, why: str, actor: Principal = SYSTEM) -> None:
    """Make steps and everything that needs them run again, as new generations; what stays keeps its output.

    Raises:
        NotFound: The plan has no such step.
        Conflict: An effect of one of them can't be undone.
    """
    for step in steps:
        if step not in holding.rows:
            raise NotFound(f"The plan of mission {holding.mission.id} has no step {step!r}.", hint="remit show ID")
    again = holding.plan.downstream(steps)
    await undo_effects(holding, again, actor=actor, whole=False)
    keep = unchanged(holding.plan, holding.rows) - again
    prefix = shared_prefix(await holding.repository.history(), holding.rows, keep)
    mission = holding.mission
    rows = restack(
        holding.plan, holding.rows, keep=keep, prefix=prefix, mission=mission.id, workspace=mission.workspace
    )
    now = holding.stamp()
    rows = [replace(row, changed_us=now, generation=row.generation + (row.name in again)) for row in rows]
    pending = restack_order(prefix, why=why)
    entry = holding.entry("step.reset", Result.SUCCESS, reason="rerun", actor=actor)

    def change(tx: Tx) -> None:
        replace_steps(tx, rows)
        set_mission(tx, mission, pending=pending)
        tx.append(entry, {"steps": sorted(steps), "why": why, "again": sorted(again)})

    await holding.write("step.reset", change)
    holding.mission = replace(mission, pending=pending)
    holding.was = MissionStatus.QUEUED
    holding.rows = {row.name: row for row in rows}
    await finish_pending(holding)


async def finish_pending(holding: Holding) -> None:
    """Do to git what a rollback wrote down; harmless to repeat."""
    if not holding.mission.pending:
        return
    pending = cast("dict[str, str]", orjson.loads(holding.mission.pending))
    repository = holding.repository
    values: dict[str, str | int | bytes]
    if pending["kind"] == REWIND:
        head = pending["commit"]
        if await repository.head() != head:
            await repository.rewind(head)
        await repository.reset_workspace(head)
        values = {"workspace_commit": head}
    else:
        head = await _restacked(holding, pending)
        values = {}
    tree = await repository.tree(head)
    values |= {"pending": "", "head_commit": head, "floor_commit": head, "tree": tree}
    mission = holding.mission
    await holding.write("mission.rollback", lambda tx: set_mission(tx, mission, **values))
    shown = head if pending["kind"] == REWIND else mission.workspace_commit
    holding.mission = replace(
        mission, pending="", head_commit=head, floor_commit=head, tree=tree, workspace_commit=shown
    )
    holding.forget(head)


async def _restacked(holding: Holding, pending: Mapping[str, str]) -> str:
    """The commit that takes the tree back while history goes on; made once."""
    repository = holding.repository
    history = await repository.history()
    head = history[-1].commit if history else ""
    if history and history[-1].trailers.get(TRAILER_ROLLBACK) == pending["id"]:
        return head
    changes = await repository.changes(head, pending["commit"], "rollback")
    if not changes:
        return head
    made = await repository.apply(
        changes,
        onto=head,
        message=f"Roll back: {pending['why']}",
        trailers={TRAILER_MISSION: holding.mission.id, TRAILER_ROLLBACK: pending["id"]},
        when=holding.deps.clock.now(),
    )
    await repository.discard(["rollback"])
    return made


async def undo_effects(
    holding: Holding, steps: Collection[str] | None, *, actor: Principal = SYSTEM, whole: bool = True
) -> None:
    """Undo what steps (``None``: all) did outside, newest first.

    What a person ordered on the mission as a whole (a deployment) goes with whatever goes, unless ``whole`` is false:
    a step that runs again leaves what is live alone.

    Raises:
        Conflict: One can't be undone: it stops there and names it.
    """
    mission, ledger = holding.mission, holding.deps.ledger
    for effect in await ledger.performed(mission.workspace, mission.id):
        if steps is not None and effect.step not in steps and not (whole and steps and not effect.step):
            continue
        if effect.reversal is Reversal.IRREVERSIBLE:
            raise Conflict(
                f"The {effect.kind} to {effect.target} by step {effect.step!r} can't be undone "
                f"(action {effect.action}), so the rollback stops before it.",
                code="rollback.irreversible",
                hint=f"roll back to that step or a later one: remit rollback {mission.id} --to {effect.step}",
            )
        await ledger.compensate(effect, workspace=mission.workspace, actor=actor)


def unchanged(plan: OrderedPlan, rows: Mapping[str, StepRow]) -> set[str]:
    """Steps of a plan whose earlier output still answers: same skip key, and so for everything they need."""
    hashes: dict[str, str] = {}
    for spec in plan.steps:
        row = rows.get(spec.name)
        if row is None or not (row.done or row.standing == Standing.OFFERED):
            continue
        known = all(need in hashes for need in spec.needs)
        if known and spec.skip_key({need: hashes[need] for need in spec.needs}) == row.skip_key:
            hashes[spec.name] = row.output_hash
    return set(hashes)


def shared_prefix(history: Sequence[Checkpoint], rows: Mapping[str, StepRow], keep: Collection[str]) -> list[str]:
    """The commits from the beginning that all belong to steps that stay, as they stand."""
    owners = {row.commit_id: name for name, row in rows.items() if row.commit_id and row.done}
    prefix: list[str] = []
    for each in history:
        if owners.get(each.commit) not in keep:
            break
        prefix.append(each.commit)
    return prefix


def restack(
    plan: OrderedPlan,
    rows: Mapping[str, StepRow],
    *,
    keep: Collection[str],
    prefix: Sequence[str],
    mission: str,
    workspace: str,
) -> list[StepRow]:
    """The plan's rows: done where the prefix holds them, on offer where their output stays, else to be run."""
    stands = set(prefix)
    done: set[str] = set()
    made: list[StepRow] = []
    for position, spec in enumerate(plan.steps):
        row = rows.get(spec.name) or StepRow(workspace, mission, 1, spec.name, position)
        row = replace(row, position=position, title=spec.title, feature=spec.feature)
        if spec.name not in keep:
            made.append(_fresh(row))
        elif all(need in done for need in spec.needs) and row.done and (not row.commit_id or row.commit_id in stands):
            done.add(spec.name)
            made.append(row)
        else:
            made.append(replace(row, status=StepStatus.PENDING, standing=int(Standing.OFFERED), failures=0))
    return made


def restack_order(prefix: Sequence[str], *, why: str) -> str:
    """What ``mission.pending`` says of a restack onto the last commit of ``prefix``."""
    return _text({"kind": RESTACK, "commit": prefix[-1] if prefix else "", "id": new_id(), "why": why})


def _fresh(row: StepRow) -> StepRow:
    """A step that is still to be run; how often it was begun stays counted."""
    return replace(
        row,
        status=StepStatus.PENDING,
        standing=int(Standing.NONE),
        failures=0,
        skip_key="",
        commit_id="",
        result=b"{}",
        output_hash="",
        paths=b"[]",
        error_code="",
        error="",
        started_us=0,
        finished_us=0,
        not_before_us=0,
    )


def _rolled_back(row: StepRow) -> StepRow:
    return replace(_fresh(row), status=StepStatus.ROLLED_BACK, generation=row.generation + 1)


async def _rewind(holding: Holding, commit: str, *, rows: Iterable[StepRow], why: str, actor: Principal) -> None:
    now = holding.stamp()
    changed = [replace(row, changed_us=now) for row in rows if row != holding.rows[row.name]]
    pending = _text({"kind": REWIND, "commit": commit})
    entry = holding.entry("mission.rollback", Result.SUCCESS, reason="rewind", actor=actor)
    mission = holding.mission

    def change(tx: Tx) -> None:
        replace_steps(tx, changed)
        set_mission(tx, mission, pending=pending)
        tx.append(entry, {"to": commit, "why": why, "steps": [row.name for row in changed]})

    await holding.write("mission.rollback", change)
    holding.mission = replace(mission, pending=pending)
    holding.rows |= {row.name: row for row in changed}
    await finish_pending(holding)


async def _up_to(holding: Holding, commit: str) -> set[str]:
    """The commits that stay reachable from ``commit``."""
    kept: set[str] = set()
    if commit:
        for each in await holding.repository.history():
            kept.add(each.commit)
            if each.commit == commit:
                break
    return kept


def _done_row(holding: Holding, step: str) -> StepRow:
    row = holding.rows.get(step)
    if row is None:
        raise NotFound(f"The plan of mission {holding.mission.id} has no step {step!r}.", hint="remit show ID")
    if not row.done:
        raise InvalidInput(f"Step {step!r} is {row.status}, so it has no checkpoint.", hint="remit show ID")
    return row


def _text(value: Mapping[str, str]) -> str:
    return pack_json(value).decode()
