"""The step row decides, and the audit log bears it out: what a row claims must be what was logged with it.

A row written by hand (a status flipped, a result or a plan edited) has no entry: the mission does not go on over it.
"""

from __future__ import annotations

from remit.audit.query import Filter, Record, find
from remit.audit.report import LogReader
from remit.kernel.canonical import digest, sha256_hex
from remit.kernel.errors import IntegrityError
from remit.kernel.ports import ReadTx
from remit.missions.rows import MissionRow, Standing, StepRow, read_mission, read_steps

_ALL = 1 << 31
_PLANNED = ("mission.create", "mission.branch", "mission.rollback")


def check_rows(tx: ReadTx, log: LogReader, workspace: str, mission: str) -> None:
    """Hold a mission's plan, input and finished steps against the entries that were committed with them.

    Entries whose payload was pruned are taken at their header's word. A step that was inherited is borne out by the
    mission that it came from.

    Raises:
        IntegrityError: A row is not what was logged; names it.
    """
    row = read_mission(tx, workspace, mission)
    _check_plan(row, log)
    claimed = [step for step in read_steps(tx, row) if step.done or step.standing == Standing.OFFERED]
    if not claimed:
        return
    logged = _finished(tx, log, row)
    for step in claimed:
        if not any(_bears_out(record, step) for record in logged.get(step.name, ())):
            raise IntegrityError(
                f"The row of step {step.name!r} is {step.status}, and the audit log does not say so: it was changed.",
                code="step.unlogged",
                hint="restore a backup of the home",
            )


def _check_plan(row: MissionRow, log: LogReader) -> None:
    said = [record for action in _PLANNED for record in _entries(log, row.workspace, row.id, action)]
    told = [record.payload for record in sorted(said, key=lambda each: each.seq) if record.payload is not None]
    newest = next((payload for payload in reversed(told) if "plan" in payload), None)
    if sha256_hex(row.input) != row.input_sha256 or (
        newest is not None and (newest["plan"] != row.plan_hash or newest.get("input_sha256") != row.input_sha256)
    ):
        message = f"The plan or the input of mission {row.id} is not the one that was logged: its row was changed."
        raise IntegrityError(message, code="plan.changed", hint="restore a backup of the home")


def _finished(tx: ReadTx, log: LogReader, row: MissionRow) -> dict[str, list[Record]]:
    """Every step that the mission and those it branched from finished, by name."""
    found: dict[str, list[Record]] = {}
    lineage: set[str] = set()
    while row.id not in lineage:
        lineage.add(row.id)
        for record in _entries(log, row.workspace, row.id, "step.finish"):
            found.setdefault(str(record.header["step"]), []).append(record)
        if row.parent:
            row = read_mission(tx, row.workspace, row.parent)
    return found


def _bears_out(record: Record, step: StepRow) -> bool:
    payload = record.payload
    if payload is None:
        return True
    made = digest([step.outcome, list(step.wrote)])
    return (payload.get("skip_key"), payload.get("output"), payload.get("commit"), payload.get("result")) == (
        step.skip_key,
        step.output_hash,
        step.commit_id,
        made,
    )


def _entries(log: LogReader, workspace: str, mission: str, action: str) -> list[Record]:
    return find(log, Filter(workspace, mission=mission, action=action, limit=_ALL))
