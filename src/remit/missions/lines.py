"""The queue as people see it: each place with the mission's name and why it waits, and what would make it faster."""

from __future__ import annotations

from dataclasses import dataclass

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.plans import WorkspacePlan, lifting
from remit.kernel.action import Principal
from remit.kernel.ports import ReadTx
from remit.missions.deps import Deps
from remit.missions.estimate import lasting
from remit.missions.listing import Summary, read_summaries
from remit.missions.queue import Place, places
from remit.missions.queue_order import Priority
from remit.missions.queue_pause import paused_since
from remit.missions.queue_snapshot import Snapshot, State


@dataclass(frozen=True, slots=True)
class Queued:
    """A mission in the queue. ``reason``: why it waits; empty when it runs."""

    place: Place
    title: str
    pack: str
    reason: str
    mission: Summary | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The queue of a workspace: those that run, then those that wait, in the order in which they will start.

    ``paused_us``: since when nothing is taken up, 0 when it is; ``paused_home``: in every workspace of the home.
    ``slots`` is how many missions the ``workers`` run at once; ``hint`` what would make it faster, or empty.
    """

    places: tuple[Queued, ...]
    workers: int
    slots: int
    plan: WorkspacePlan
    hint: str
    seen_us: int
    paused_us: int = 0
    paused_home: bool = False

    @property
    def running(self) -> tuple[Queued, ...]:
        """Those in somebody's hand."""
        return tuple(each for each in self.places if each.place.state is State.TAKEN)

    @property
    def waiting(self) -> tuple[Queued, ...]:
        """Those that wait."""
        return tuple(each for each in self.places if each.place.state is State.WAITING)


async def read_line(deps: Deps, workspace: str, *, by: Principal) -> Line:
    """The queue of a workspace.

    Raises:
        Refused: ``by`` may not read here.
    """

    def op(tx: ReadTx) -> Line:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
        now_us = deps.now()
        snapshot = Snapshot(tx, alive=deps.alive, now_us=now_us)
        found = places(tx, workspace, alive=deps.alive, now_us=now_us)
        ids = [each.mission for each in found]
        known = {each.id: each for each in read_summaries(tx, workspace, ids, alive=deps.alive, now_us=now_us)}
        plan, workers, slots = snapshot.plan(workspace), len(snapshot.workers), sum(snapshot.workers.values())
        since, everywhere = paused_since(tx, workspace)
        full = snapshot.running(workspace) >= plan.parallel_missions
        listed: list[Queued] = []
        for each in found:
            summary = known.get(each.mission)
            title = summary.name if summary is not None else each.mission
            pack = summary.pack if summary is not None else ""
            reason = _reason(each, workers=workers, full=full, plan=plan)
            if since and reason:
                reason = "the queue is paused"
            listed.append(Queued(each, title, pack, reason, summary))
        waiting = sum(each.state is State.WAITING for each in found)
        hint = "" if since else _hint(plan, waiting=waiting, workers=workers, slots=slots, full=full)
        return Line(tuple(listed), workers, slots, plan, hint, now_us, since, everywhere)

    return await reading(deps.journal, op)


def _reason(place: Place, *, workers: int, full: bool, plan: WorkspacePlan) -> str:
    if place.state is not State.WAITING:
        return ""
    if place.wait_us is None and not workers:
        return "no worker runs that would take it"
    if full:
        return f"{plan.parallel_missions} missions run, as many as the plan {plan.name.value} allows"
    if place.position > 1:
        return f"{place.position - 1} before it"
    if place.priority is Priority.LOW:
        return "every slot is taken; others go before the class low"
    return "every slot is taken" if place.wait_us else "it can start now"


def _hint(plan: WorkspacePlan, *, waiting: int, workers: int, slots: int, full: bool) -> str:
    if not waiting:
        return ""
    if not workers:
        return "Start a worker: remit worker."
    if full:
        lifts = lifting(plan, "parallel_missions", plan.parallel_missions + 1)
        if lifts is None:
            return ""
        return f"The plan {lifts.value} lets more missions run at once than the {plan.parallel_missions} of this one."
    if slots < plan.parallel_missions:
        return (
            f"The workers run {slots} missions at once and the plan allows {plan.parallel_missions}: "
            "raise concurrency, or start another worker."
        )
    return ""


def wait_word(place: Place) -> str:
    """When a mission that waits will start, in words."""
    if place.wait_us is None:
        return "not before a worker runs"
    return "now" if not place.wait_us else f"in about {lasting(place.wait_us)}"
