"""Deployments for the crash drill: two applications that were built, judged and reviewed, and a place for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from remit.bootstrap import Runtime, open_runtime
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request
from remit.guard.evidence import attest
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import ApprovalPending
from remit.missions.deployments import SMOKE
from remit.missions.tables import MISSION
from remit.settings import Settings

from ..deploy.conftest import files_of  # noqa: TID252 - tests are loaded by path
from .crash_orders import NOTHING, OPEN, WHOLE, CrashOrder
from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

SHOP = "remit.testing.shop:PACK"
ADMIN = Principal(ActorKind.USER, "admin")
GREETINGS = ("one", "two")
QUICK = ("true",)  # a test of a release that was live before: what happens to it is not what is tried here


async def build(settings: Settings) -> None:
    """Build both, in a home that is there, and give a person's word that somebody read their code."""
    async with open_runtime(settings, pack=SHOP) as runtime:
        await runtime.start()
        for greeting in GREETINGS:
            data = json.dumps({"greeting": greeting}).encode()
            mission = await runtime.missions.create("default", SHOP, data, name="shop.json", originator=runtime.owner)
            view = await runtime.missions.run("default", mission)
            assert view.status == "succeeded", view.mission.error
            await attest(
                runtime.store, "review", workspace="default", mission=mission, subject="", passed=True,
                reason="read it", by=runtime.owner, clock=runtime.clock,
            )  # fmt: skip


async def _shops(runtime: Runtime) -> list[tuple[str, str]]:
    """Mission and tree of each, in the order in which they were built."""
    wanted = select(MISSION.c.id, MISSION.c.tree).where(MISSION.c.pack == SHOP).order_by(MISSION.c.id)
    return [(row["id"], row["tree"]) for row in await runtime.store.read(lambda tx: tx.rows(wanted))]


async def approve(runtime: Runtime, approval: str) -> None:
    """Leave for exactly what was asked, by somebody else than who asked."""
    request = await runtime.store.read(lambda tx: read_request(tx, "default", approval))
    await decide(
        runtime.store, approval, workspace="default", by=ADMIN, approve=True,
        subject_hash=request.subject_hash, reason="looks good", clock=runtime.clock, redactor=runtime.redactor,
    )  # fmt: skip


async def _approved(runtime: Runtime, mission: str, target: str, smoke: tuple[str, ...]) -> None:
    """Ask for a deployment, and have it approved."""
    try:
        await runtime.deployments.deploy("default", mission, target, actor=runtime.owner, smoke=smoke)
    except ApprovalPending as pending:
        await approve(runtime, pending.approval_id)


async def _live(runtime: Runtime, mission: str, target: str) -> None:
    await _approved(runtime, mission, target, QUICK)
    done = await runtime.deployments.deploy("default", mission, target, actor=runtime.owner, smoke=QUICK)
    assert done.ended == "deployed", done


async def to_deploy(api: Api) -> Params:
    """The first is live; the second is approved to be."""
    runtime = api.runtime
    place = api.settings.home.parent / f"site-of-{api.settings.home.name}"
    place.mkdir(mode=0o755)
    (one, before), (two, tree) = await _shops(runtime)
    await _live(runtime, one, str(place))
    await _approved(runtime, two, str(place), SMOKE)
    return {"first": one, "mission": two, "target": str(place), "before": before, "tree": tree}


async def to_switch_back(api: Api) -> Params:
    """Both were deployed, one after the other."""
    made = await to_deploy(api)
    runtime = api.runtime
    done = await runtime.deployments.deploy("default", made["mission"], made["target"], actor=runtime.owner)
    assert done.ended == "deployed", done
    return made


async def approved_anew(api: Api, made: Params) -> Params:
    """What died may have used its approval up."""
    if not _is_live(made, made["tree"]):
        await _approved(api.runtime, made["mission"], made["target"], SMOKE)
    return made


def deployed_stands(api: Api, made: Params) -> str:
    return _stands(api, made, wanted=made["tree"])


def switched_back_stands(api: Api, made: Params) -> str:
    return _stands(api, made, wanted=made["before"])


def _is_live(made: Params, tree: str) -> bool:
    return Path(made["target"], "current").readlink().name == tree


def _stands(api: Api, made: Params, *, wanted: str) -> str:
    """One of the two is live, with every file; once the log says how it came to be, nothing else is left over."""
    tree, mission = (
        (made["before"], made["first"]) if _is_live(made, made["before"]) else (made["tree"], made["mission"])
    )
    place = Path(made["target"])
    built = files_of(api.settings.home / "missions" / mission / "workspace")
    built.pop(".git", None)
    if files_of(place / "current") != built:
        return f"half made: {tree} is live, and has other files than were built"
    if tree != wanted:
        return NOTHING
    look = api.do(lambda: api.runtime.deployments.look("default", str(place)))
    if any(each.uncertain for each in look.history):
        return OPEN
    left = [path.name for path in (*place.iterdir(), *(place / "releases").iterdir()) if path.name.startswith(".")]
    if look.mission != mission or left:
        return f"half made: it is of {look.mission} by the log, and {left} is left over"
    return WHOLE


ORDERS: Mapping[str, CrashOrder] = {
    "POST /api/v1/missions/{mission}/deployments": CrashOrder(
        Sample(to_deploy, lambda made: {"target": made["target"]}, ok=frozenset({202})),
        deployed_stands,
        renew=approved_anew,
    ),
    "POST /api/v1/missions/{mission}/deployments/back": CrashOrder(
        Sample(to_switch_back, lambda made: {"target": made["target"]}, ok=frozenset({202})), switched_back_stands
    ),
}
