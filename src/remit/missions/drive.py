"""What the engine calls: claim, validate, run, and record how it ended."""

from __future__ import annotations

from remit.guard.approval_requests import answered
from remit.kernel import correlation
from remit.kernel.errors import Conflict, Fenced, InvalidInput, RemitError, Unavailable
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import RunTicket, Tx
from remit.kernel.tracing import span
from remit.missions.claim import claim
from remit.missions.deps import Deps
from remit.missions.holding import Holding
from remit.missions.resume import prepare, show_head
from remit.missions.rollback import rollback_all
from remit.missions.rows import CANCEL, read_mission
from remit.missions.run import Run
from remit.missions.step import Stop
from remit.missions.telling import ended


def run_id(workspace: str, mission: str, number: int) -> str:
    """The engine's name of a mission's run."""
    return f"{workspace}/{mission}/{number}"


def run_parts(name: str) -> tuple[str, str, int]:
    """Workspace, mission and number of a run.

    Raises:
        InvalidInput: Not a name that ``run_id`` makes.
    """
    workspace, _, rest = name.partition("/")
    mission, _, number = rest.partition("/")
    if not (workspace and mission and number.isdigit()):
        raise InvalidInput(f"{name[:80]!r} is not the id of a run: WORKSPACE/MISSION/NUMBER.")
    return workspace, mission, int(number)


async def drive(deps: Deps, ticket: RunTicket) -> None:
    """Drive one run to its end. Harmless to repeat: what is done stays done, and an older run changes nothing.

    A mission that fails, waits or is cancelled ends its run without an error: its row says so.

    Raises:
        Fenced: Another worker took the mission meanwhile; nothing was written since.
        IntegrityError, Drift: The mission was not as it was left; nothing of it was changed but that its row says so.
        Unavailable: The store or another part of the surroundings was away; a later run goes on.
    """
    workspace, mission, number = run_parts(ticket.run_id)
    with correlation.bound(workspace=workspace, mission=mission):
        await _drive(deps, ticket, workspace, mission, number)


async def _drive(deps: Deps, ticket: RunTicket, workspace: str, mission: str, number: int) -> None:
    row = await deps.journal.read(lambda tx: read_mission(tx, workspace, mission))
    if row.run != number or MissionStatus(row.status).over:
        return
    if row.fence:
        await deps.verify_log(workspace, mission)
    pack = deps.pack(row.pack, row.pack_version)
    holding = await claim(deps, workspace, mission, owner=ticket.executor)
    if holding is None:
        return
    try:
        with span("mission.run", mission=mission, pack=row.pack, run=number):
            with span("mission.prepare", mission=mission):
                await prepare(holding)
            stop = Stop(MissionStatus.CANCELLED)
            if holding.mission.control != CANCEL:
                stop = await Run(holding, pack).drive()
            while not await _settled(holding, stop):
                holding.over = False  # a person answered while the last steps were ending
                stop = await Run(holding, pack).drive()
    except (Fenced, Unavailable):
        raise
    except RemitError as error:
        await holding.rest(MissionStatus.FAILED, error=_told(holding, error))
        ended(holding)
        raise


async def _settled(holding: Holding, stop: Stop) -> bool:
    with span("mission.settle", mission=holding.mission.id, status=stop.status.value):
        return await settle(holding, stop)


class _AnsweredError(Exception):
    """What the mission would wait for has been decided meanwhile."""


async def settle(holding: Holding, stop: Stop) -> bool:
    """Record how a run ended, after the rollback that its failure asks for; the workspace shows the head.

    A run that would wait for approvals of which one was decided meanwhile has not ended: then nothing is recorded, and
    the answer is false. Whoever decides later finds the mission waiting, for both look under the requests' lock.
    """
    status, error = stop.status, stop.error
    if status is MissionStatus.ROLLED_BACK:
        try:
            await rollback_all(holding, why="critical failure")
        except Conflict as stuck:
            status, error = MissionStatus.FAILED, stuck
    await show_head(holding)
    await holding.repository.discard()

    def unless(tx: Tx) -> None:
        mission = holding.mission
        if answered(tx, mission.workspace, mission.id, stop.waits_for, now_us=holding.deps.now()):
            raise _AnsweredError

    try:
        await holding.rest(status, error=_told(holding, error), unless=unless if stop.waits_for else None)
    except _AnsweredError:
        return False
    ended(holding)
    return True


def _told(holding: Holding, error: RemitError | None) -> tuple[str, str]:
    return ("", "") if error is None else (error.code, holding.deps.redactor.mask(error.message))
