"""A person's order about a mission: who may give one, the mission held meanwhile, the order in its row."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from remit.accounts.access import Permission, Resource, reading, require
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, Fenced, RemitError
from remit.kernel.ids import check_id, new_id
from remit.kernel.mission import StepStatus
from remit.kernel.ports import Tx
from remit.missions.claim import claim
from remit.missions.deps import Deps
from remit.missions.holding import Holding
from remit.missions.resume import prepare
from remit.missions.rows import CANCEL, MissionRow, OnDrift, read_mission, read_steps, set_mission, set_step
from remit.missions.shown import ORDER

type StepChange = Callable[[Tx, MissionRow, int], None]


async def check_may(deps: Deps, workspace: str, who: Principal) -> None:
    """Refuse, on record, whoever may not give orders about missions here.

    Raises:
        Refused: ``who`` has no write permission in the workspace, or is an agent.
    """
    if who.kind is ActorKind.SYSTEM:
        return  # a worker that goes on with what a person decided; nobody outside is ever this principal
    await reading(
        deps.journal,
        lambda tx: require(tx, who, workspace=workspace, permission=Permission.WRITE, resource=Resource.MISSION),
    )


async def row_of(deps: Deps, workspace: str, mission: str) -> MissionRow:
    """A mission as it stands.

    Raises:
        NotFound: This workspace has no such mission.
    """
    check_id(mission, "mission")
    return await deps.journal.read(lambda tx: read_mission(tx, workspace, mission))


@asynccontextmanager
async def held(
    deps: Deps, row: MissionRow, *, drift: OnDrift, prepared: bool = True, idle: bool = False
) -> AsyncGenerator[Holding]:
    """Hold a mission that does not run, for an order; afterwards it stands as before, unless the order said.

    Raises:
        Conflict: It can't be held.
        IntegrityError, Drift: What ``resume.prepare`` finds, where the mission is to be ``prepared``.
    """
    holding = await claim(deps, row.workspace, row.id, owner=f"{ORDER}{new_id()}", over=True, idle=idle)
    if holding is None:  # never with over=True, unless it must be idle
        raise Conflict(f"Mission {row.id} can't be held.", hint=f"remit show {row.id}")
    holding.mission = replace(holding.mission, drift=drift)
    try:
        if prepared:
            await prepare(holding)
        yield holding
    except Fenced:
        raise
    except RemitError:
        await holding.release()
        raise
    if holding.mission.owner:
        await holding.release()


async def control(
    deps: Deps, row: MissionRow, steps: StepChange, *, actor: Principal | None, **values: str | int
) -> None:
    """Write a person's order to the mission's row (and its steps), with its audit entry.

    Raises:
        Conflict: Somebody took the mission since ``row`` was read.
    """
    now = deps.now()
    verb = "cancel" if values.get("control") == CANCEL else "resume"
    entry = None if actor is None else entry_of(row, "mission.control", actor, reason=verb)

    def op(tx: Tx) -> None:
        found = read_mission(tx, row.workspace, row.id, lock=True)
        if found.fence != row.fence:
            raise Conflict(f"Mission {row.id} changed meanwhile.", hint=f"remit show {row.id}")
        steps(tx, found, now)
        set_mission(tx, found, **values, updated_us=now)
        if entry is not None:
            tx.append(entry, {"order": verb, "run": values.get("run", row.run)})

    await deps.journal.commit("mission.control", op)


def no_steps(tx: Tx, row: MissionRow, now: int) -> None:
    """An order that concerns the mission only."""


def retry_steps(tx: Tx, row: MissionRow, now: int) -> None:
    """Steps that failed, were cancelled or rolled back may run again; their generation stays."""
    again = {StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.ROLLED_BACK}
    for number, step in enumerate(read_steps(tx, row)):
        if step.status in again or step.not_before_us:
            set_step(
                tx,
                step,
                status=step.status if step.status not in again else StepStatus.PENDING,
                failures=0,
                not_before_us=0,
                changed_us=max(now, step.changed_us + 1) + number,
            )


def entry_of(row: MissionRow, action: str, actor: Principal, *, reason: str = "") -> Entry:
    """An audit entry about a mission."""
    return Entry(
        actor=actor,
        action=action,
        domain="missions",
        result=Result.SUCCESS,
        workspace=row.workspace,
        reason=reason,
        subject=row.id,
        mission=row.id,
    )
