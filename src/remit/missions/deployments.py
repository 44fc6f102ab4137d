"""Deploying a mission: stage, smoke, ask the guard, switch, smoke again; and taking a deployment back.

The order of a person, in this order:

1. The place is held, and what an earlier deployment to it left open is settled by looking at what is live.
2. The mission's tree is laid out in Remit's own home and smoke-tested there: evidence ``smoke`` for that tree. Nothing
   is in the target yet.
3. The guard is asked for one ``Deploy`` effect. Rules read the critics' evidence about that very tree; a person
   approves the exact payload: target, tree, what is live now, smoke test.
4. The adapter writes the release, switches, tests what is live and switches back when it does not answer.

Taking one back is a ``Deploy`` effect of its own with what was live before, and only while it is still the one live.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

import orjson

from remit.accounts.access import Permission, reading, require
from remit.guard.evidence import Evidence, record
from remit.guard.reconcile import reconcile
from remit.guard.records import State, find_outcome
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json, canonical
from remit.kernel.effects import Command, Deploy, Limits, Network
from remit.kernel.errors import Conflict, Failed
from remit.kernel.finding import Finding, Severity
from remit.kernel.ids import new_id
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import Preview, ReadTx, Tx
from remit.missions.deployment_rows import Deployment, Stood, deployments_at, read_deployment, record_deployment
from remit.missions.deps import Deps, Performed
from remit.missions.estimate import preset_of
from remit.missions.rows import MissionRow, read_mission

SMOKE = ("python", "scripts/smoke.py")
KEEP = 5
SMOKE_WALL_S = 120.0
_TAIL = 400
_MOST_GENERATIONS = 10_000


class Held(Protocol):
    """A place that nobody else changes meanwhile."""

    @property
    def live(self) -> str:
        """The tree that is live; empty when none is."""
        ...

    def releases(self) -> list[str]:
        """The trees that are there, newest first."""
        ...


type Hold = Callable[[str], AbstractAsyncContextManager[Held]]


class Ended(StrEnum):
    """What a deployment came to."""

    DEPLOYED = "deployed"
    ALREADY = "already"  # this very release is live
    SWITCHED_BACK = "switched_back"  # it did not answer when it was live
    SMOKE_FAILED = "smoke_failed"  # before anything was asked or changed


@dataclass(frozen=True, slots=True)
class Deployed:
    """What an order came to. ``live`` is the tree that is live now, ``previous`` the one that was before."""

    ended: Ended
    mission: str
    target: str
    release: str
    previous: str
    live: str
    action: str = ""
    text: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "mission": self.mission,
            "status": self.ended.value,
            "target": self.target,
            "release": self.release,
            "previous": self.previous or None,
            "live": self.live or None,
            "action": self.action or None,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Live:
    """What stands at a place: the live tree, what made it so, what else is there.

    ``by`` is the deployment that made it so, or what took one back; ``None`` when this install does not know.
    """

    target: str
    tree: str
    by: Stood | None
    releases: tuple[str, ...]
    history: tuple[Stood, ...]

    @property
    def mission(self) -> str:
        """The mission that the live tree was deployed from last; empty when this install does not know."""
        ours = (each.row for each in self.history if each.state is State.OK and not each.row.compensates)
        return next((row.mission for row in ours if row.tree == self.tree), "") if self.tree else ""


class Deployments:
    """Bound to its surroundings. ``hold`` and ``preview`` are the adapter's; see ``remit.adapters.deploy``."""

    def __init__(self, deps: Deps, hold: Hold, preview: Callable[[Action], Awaitable[Preview]]) -> None:
        self._deps = deps
        self._hold = hold
        self._preview = preview

    # ---------------------------------------------------------------------------------------------------------- order

    async def deploy(
        self,
        workspace: str,
        mission: str,
        target: str,
        *,
        actor: Principal,
        smoke: tuple[str, ...] = SMOKE,
        keep: int = KEEP,
    ) -> Deployed:
        """Deploy the tree of a mission that succeeded; harmless to repeat.

        Raises:
            NotFound: There is no such mission.
            Conflict: It has not succeeded; or what is live changed meanwhile; or the live release was changed by hand.
            Denied: The actor may not, or a rule refuses (``remit why``).
            ApprovalPending: A person must approve first; the same order again goes on then.
            InvalidInput: The target can't be deployed to.
            IntegrityError: The audit log or the mission's rows are damaged.
        """
        row = await self._deployable(workspace, mission, actor)
        async with self._hold(target) as place:
            unended = await self._settle(workspace, target, place.live)
            found = Deployed(Ended.ALREADY, mission, target, row.tree, place.live, place.live)
            if place.live == row.tree and (unended is None or unended.mission != mission):
                return found
            staged = await self._smoke(row, actor, smoke)
            if place.live == row.tree and unended is not None:
                return await self._finish(row, unended, place, actor=actor, failed=staged)
            if staged:
                return replace(found, ended=Ended.SMOKE_FAILED, text=staged)
            release: dict[str, Json] = {
                "tree": row.tree,
                "previous": place.live,
                "smoke": list[Json](smoke),
                "keep": keep,
            }
            action = await self._action(row, Deploy(target, release), actor)
            outcome = await self._deps.guard.run(action)
            live = place.live
        said = "" if outcome.ok else outcome.text[-_TAIL:]
        await self._judged(row, said, "deploy")
        ended = Ended.DEPLOYED if outcome.ok else Ended.SWITCHED_BACK
        previous = str(release["previous"])
        return Deployed(ended, mission, target, row.tree, previous, live, action=action.id, text=outcome.text)

    async def preview(self, workspace: str, mission: str, target: str) -> Preview:
        """What deploying a mission there would change, masked.

        Raises:
            NotFound: There is no such mission.
            InvalidInput: Nothing can be deployed there.
        """
        row = await self._deps.journal.read(lambda tx: read_mission(tx, workspace, mission))
        release: dict[str, Json] = {"tree": row.tree, "previous": "", "smoke": [], "keep": KEEP}
        who = Principal.parse(row.originator)
        effect = Deploy(target, release)
        action = Action(new_id(), effect, who, who, workspace, mission)
        found = await self._preview(action)
        mask = self._deps.redactor.mask
        return replace(found, diff=mask(found.diff), summary=mask(found.summary))

    async def look(self, workspace: str, target: str) -> Live:
        """What is live at a place, and how it came there.

        Raises:
            InvalidInput: Nothing can be deployed there.
        """
        async with self._hold(target) as place:
            tree, releases = place.live, tuple(place.releases())
        known = await self._deps.journal.read(lambda tx: deployments_at(tx, workspace, target))
        by = next((each for each in known if each.row.tree == tree and each.state is State.OK), None) if tree else None
        return Live(target, tree, by, releases, tuple(known))

    async def _deployable(self, workspace: str, mission: str, actor: Principal) -> MissionRow:
        def op(tx: ReadTx) -> MissionRow:
            require(tx, actor, workspace=workspace, permission=Permission.WRITE)
            return read_mission(tx, workspace, mission)

        row = await self._deps.journal.read(op)
        if row.status != MissionStatus.SUCCEEDED or not row.head_commit:
            what = row.status if row.status != MissionStatus.SUCCEEDED else "without any file"
            message = f"Mission {mission} is {what}: only one that succeeded can be deployed."
            raise Conflict(message, code="deploy.unfinished", hint=f"remit resume {mission}")
        await self._deps.verify_log(workspace, mission)
        tree = await self._deps.repository_for(mission).tree(row.head_commit)
        return replace(row, tree=tree)

    async def _smoke(self, row: MissionRow, actor: Principal, smoke: tuple[str, ...]) -> str:
        """Test the tree before anybody is asked; why it failed, or an empty text. The verdict is kept either way."""
        name = f"deploy-{new_id()}"
        repository = self._deps.repository_for(row.id)
        directory = await repository.materialise(row.head_commit, name)
        try:
            action = Action(
                id=new_id(),
                effect=Command(smoke, network=Network.LOOPBACK, limits=Limits(wall_s=SMOKE_WALL_S)),
                principal=actor,
                on_behalf_of=actor,
                workspace=row.workspace,
                mission=row.id,
                step="deploy",
                directory=directory,
            )
            try:
                outcome = await self._deps.guard.run(action)
            except Failed as error:
                said = error.message
            else:
                said = "" if outcome.ok else (outcome.text[-_TAIL:] or "it said nothing")
        finally:
            await repository.discard([name])
        await self._judged(row, said, "deploy")
        return said

    async def _judged(self, row: MissionRow, said: str, step: str) -> None:
        """Keep the verdict of a smoke test: good when nothing was said against the tree."""
        text = self._deps.redactor.mask(said)
        failed = (Finding("smoke.failed", Severity.ERROR, text, place=SMOKE[-1], fix=f"remit logs {row.id}"),)
        verdict = Evidence(
            workspace=row.workspace,
            mission=row.id,
            critic="smoke",
            subject=row.tree,
            passed=not said,
            findings=failed if said else (),
            source=f"step:{step}",
            at_us=self._deps.now(),
        )
        await self._deps.journal.commit("deploy.evidence", lambda tx: record(tx, verdict))

    async def _action(self, row: MissionRow, effect: Deploy, actor: Principal, *, step: str = "") -> Action:
        """The action with its effect key: mission, target, what it does, and how often that was done before."""
        target = sha256(canonical([effect.target, effect.release.get("tree"), effect.compensates])).hexdigest()[:32]
        for generation in range(_MOST_GENERATIONS):
            key = f"{row.id}/deploy/{target}/{generation}"
            past = await find_outcome(self._deps.journal, key, workspace=row.workspace)
            if past is None or not (past.state is State.OK or past.must_ask):
                break
            if past.must_ask and await self._untouched(row.workspace, past.action):
                break
            if past.must_ask:
                message = f"Nobody knows whether this deployment was done (action {past.action} is {past.state.value})."
                raise Conflict(message, code="guard.unknown_outcome", hint=f"remit why {past.action}")
        else:
            message = f"This deployment was done {_MOST_GENERATIONS} times."
            raise Conflict(message, code="deploy.generations", hint=f"remit why {row.id}")
        system = actor.kind is ActorKind.SYSTEM
        preset = await self._deps.journal.read(lambda tx: preset_of(tx, row.workspace, row.id))
        return Action(
            id=new_id(),
            effect=effect,
            principal=actor,
            on_behalf_of=Principal.parse(row.originator) if system else actor,
            workspace=row.workspace,
            mission=row.id,
            step=step,
            effect_key=key,
            parent=effect.compensates,
            preset=preset.name if preset is not None else "",
            preset_approval=preset.approval if preset is not None else "",
        )

    async def _untouched(self, workspace: str, action: str) -> bool:
        """Whether an intent never got as far as to touch anything; then that is written down."""

        def op(tx: Tx) -> bool:
            if read_deployment(tx, workspace, action) is not None:
                return False
            return reconcile(tx, action, workspace=workspace, happened=False, now_us=self._deps.now())

        return await self._deps.journal.commit("deploy.settle", op)

    # ------------------------------------------------------------------------------------------------------ settling

    async def _settle(self, workspace: str, target: str, live: str) -> Deployment | None:
        """Write down how deployments ended whose process died, by what is live; their place is held by us.

        The newest that may have happened did if its tree is live; an older one did if what came after it replaced its
        tree. The one that is live and whose test nobody saw to its end, if there is one.
        """
        known = await self._deps.journal.read(lambda tx: deployments_at(tx, workspace, target))
        expected = live
        now = self._deps.now()
        ends: list[tuple[str, bool]] = []
        unended: Deployment | None = None
        for each in known:
            happened = each.uncertain and each.row.tree == expected
            if each.uncertain:
                ends.append((each.row.action, happened))
            if happened and unended is None and expected == live and not each.row.compensates:
                unended = each.row
            if happened or each.state is State.OK:
                expected = each.row.previous

        def op(tx: Tx) -> None:
            for action, happened in ends:
                reconcile(tx, action, workspace=workspace, happened=happened, now_us=now)

        if ends:
            await self._deps.journal.commit("deploy.settle", op)
        return unended

    async def _finish(
        self, row: MissionRow, unended: Deployment, place: Held, *, actor: Principal, failed: str
    ) -> Deployed:
        """End a deployment that is live and whose process died before it was tested: it stays, or it goes back."""
        if failed:
            await self._take_back(unended, actor)
        text = f"It was live already, and its process had ended before it was tested. {failed}".strip()
        ended = Ended.SWITCHED_BACK if failed else Ended.DEPLOYED
        return Deployed(
            ended, row.id, unended.target, row.tree, unended.previous, place.live, action=unended.action, text=text
        )

    # --------------------------------------------------------------------------------------------------- taking back

    async def switch_back(self, workspace: str, mission: str, target: str, *, actor: Principal) -> str:
        """Make live again what was before this mission's deployment, and leave the mission as it is; which tree.

        As a rollback of the mission takes it back: an effect of its own, and only while its release is the live one.

        Raises:
            NotFound: There is no such mission.
            Conflict: Nothing of it is live there (``deploy.not_live``), or another release is (``deploy.moved``).
            Denied: The actor may not, or a rule refuses.
            InvalidInput: Nothing can be deployed there.
        """

        def op(tx: ReadTx) -> Deployment | None:
            require(tx, actor, workspace=workspace, permission=Permission.WRITE)
            read_mission(tx, workspace, mission)
            done = [each.row for each in deployments_at(tx, workspace, target) if each.state is State.OK]
            back = {row.compensates for row in done if row.compensates}
            ours = (row for row in done if row.mission == mission and not row.compensates)
            return next((row for row in ours if row.action not in back), None)

        row = await reading(self._deps.journal, op)
        if row is None:
            message = f"No deployment of mission {mission} stands at {target}: there is nothing to take back."
            raise Conflict(message, code="deploy.not_live", hint=f"remit deploy --to {target} --status")
        done = Performed(row.action, row.step, Deploy.trait.kind, target, Deploy.trait.reversal)
        await self.compensate(done, workspace=workspace, actor=actor)
        return row.previous

    async def compensate(self, performed: Performed, *, workspace: str, actor: Principal) -> None:
        """Make live again what was before a deployment, through the guard, for whoever ordered the rollback.

        Raises:
            Conflict: Another release is live now, or the one before is gone: named, and nothing was changed.
            Denied, Unavailable: As every effect.
        """
        found = await self._deps.journal.read(lambda tx: read_deployment(tx, workspace, performed.action))
        if found is None:
            return  # the intent stands, and nothing was touched before its process ended
        row = found.row
        async with self._hold(row.target) as place:
            await self._settle(workspace, row.target, place.live)
            again = await self._deps.journal.read(lambda tx: read_deployment(tx, workspace, performed.action))
            if again is None or again.state is not State.OK:
                return  # it turned out that it never happened
            live = place.live
            if live == row.previous and await self._undone(workspace, row):
                return
            if live != row.tree:
                raise await self._moved(workspace, row, live)
            await self._take_back(row, actor)

    async def _take_back(self, row: Deployment, actor: Principal) -> None:
        mission = await self._deps.journal.read(lambda tx: read_mission(tx, row.workspace, row.mission))
        release: dict[str, Json] = {"tree": row.previous, "previous": row.tree, "smoke": [], "keep": KEEP}
        effect = Deploy(row.target, release, compensates=row.action)
        await self._deps.guard.run(await self._action(mission, effect, actor, step=row.step))

    async def _undone(self, workspace: str, row: Deployment) -> bool:
        known = await self._deps.journal.read(lambda tx: deployments_at(tx, workspace, row.target))
        return any(each.row.compensates == row.action and each.state is State.OK for each in known)

    async def _moved(self, workspace: str, row: Deployment, live: str) -> Conflict:
        known = await self._deps.journal.read(lambda tx: deployments_at(tx, workspace, row.target))
        by = next((each.row for each in known if each.row.tree == live and each.state is State.OK), None)
        what = f"release {live[:12]}" if live else "nothing"
        whose = f" of mission {by.mission}" if by is not None and by.mission != row.mission else ""
        message = (
            f"The deployment of release {row.tree[:12]} to {row.target} (action {row.action}) can't be taken back: "
            f"{what}{whose} is live there now, so the rollback stops before it."
        )
        hint = f"remit rollback {by.mission}" if whose and by is not None else f"remit why {row.action}"
        return Conflict(message, code="deploy.moved", hint=hint)


def agreed(tx: Tx, action: Action, effect: Deploy, *, now_us: int) -> None:
    """Keep what a deploy action is about to do, inside its permit and before anything is touched.

    Raises:
        Conflict: It claims to take a deployment back, and is not exactly the reverse of one that was done, or an agent
            asks for it.
    """
    told = effect.release
    tree, previous = str(told.get("tree")), str(told.get("previous"))
    if effect.compensates:
        found = read_deployment(tx, action.workspace, effect.compensates)
        exact = (
            found is not None
            and found.state is State.OK
            and (found.row.target, found.row.tree, found.row.previous) == (effect.target, previous, tree)
            and found.row.mission == action.mission
        )
        if not exact or action.principal.kind is ActorKind.AGENT:
            message = "Only a rollback takes a deployment back, and only to exactly what was live before it."
            raise Conflict(message, code="deploy.no_compensation", hint=f"remit why {action.id}")
    deployment = Deployment(
        workspace=action.workspace,
        action=action.id,
        mission=action.mission,
        step=action.step,
        target=effect.target,
        tree=tree,
        previous=previous,
        compensates=effect.compensates,
        smoke=orjson.dumps(told.get("smoke")).decode(),
        ordered_by=str(action.on_behalf_of),
        at_us=now_us,
    )
    record_deployment(tx, deployment)
