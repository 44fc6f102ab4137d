"""Missions, the queue, presets and deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .quick import NAME
from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

ONE = "/api/v1/missions/{mission}"
ACCEPTED = frozenset({202})
INPUT = {"pack": NAME, "input": "rain", "name": "note.txt"}


async def a_pack(_api: Api) -> Params:
    return {"pack": "build"}


async def queued(api: Api) -> Params:
    """A mission that waits: this process has no worker."""
    runtime = api.runtime
    for place in await runtime.missions.queue("default"):  # the plan lets ten missions wait
        await runtime.missions.cancel("default", place.mission, actor=runtime.owner)
    mission = await runtime.missions.create(
        "default", NAME, b"rain", name="note.txt", originator=runtime.owner, queue=True
    )
    return {"mission": mission}


async def finished(api: Api) -> Params:
    """A mission that has succeeded; the same one for all."""
    runtime = api.runtime
    if not api.finished:
        mission = await runtime.missions.create("default", NAME, b"sun", name="note.txt", originator=runtime.owner)
        view = await runtime.missions.run("default", mission)
        assert view.status == "succeeded", view.mission.error
        api.finished = mission
    return {"mission": api.finished, "step": "note"}


async def branched(api: Api) -> Params:
    await queued(api)  # and nobody else waits
    return await finished(api)


async def place(api: Api) -> Params:
    folder = api.settings.home.parent / "site"
    folder.mkdir(exist_ok=True)
    return {**await finished(api), "target": str(folder)}


SAMPLES = {
    ("GET", "/api/v1/missions"): Sample(finished, query="?limit=3"),
    ("POST", "/api/v1/missions"): Sample(queued, lambda _made: INPUT),
    ("POST", "/api/v1/missions/plan"): Sample(body=lambda _made: INPUT),
    ("GET", ONE): Sample(finished),
    ("GET", f"{ONE}/steps"): Sample(finished),
    ("GET", f"{ONE}/steps/{{step}}"): Sample(finished),
    ("GET", f"{ONE}/steps/{{step}}/diff"): Sample(finished),
    ("GET", f"{ONE}/steps/{{step}}/calls"): Sample(finished),
    ("GET", f"{ONE}/logs"): Sample(finished),
    ("GET", f"{ONE}/actions"): Sample(finished),
    ("GET", f"{ONE}/artefacts"): Sample(finished),
    ("GET", f"{ONE}/artefacts/content"): Sample(finished, query="?path=note.txt"),
    ("GET", f"{ONE}/report"): Sample(finished),
    ("POST", f"{ONE}/resume"): Sample(queued, lambda _made: {}, ok=ACCEPTED),
    ("POST", f"{ONE}/rollback"): Sample(queued, lambda _made: {}, ok=ACCEPTED),
    ("POST", f"{ONE}/branches"): Sample(branched, lambda _made: {"from_step": "note"}),
    ("POST", f"{ONE}/cancel"): Sample(queued, ok=ACCEPTED),
    ("PUT", f"{ONE}/priority"): Sample(queued, lambda _made: {"priority": "high"}),
    ("POST", f"{ONE}/deployments"): Sample(
        place, lambda made: {"target": made["target"], "smoke": ["true"]}, ok=frozenset({202, 409})
    ),
    ("GET", f"{ONE}/deployments/plan"): Sample(place, query="?target={target}"),
    ("POST", f"{ONE}/deployments/back"): Sample(
        place, lambda made: {"target": made["target"]}, ok=frozenset({202, 409})
    ),
    ("POST", f"{ONE}/attestations"): Sample(
        finished, lambda _made: {"critic": "review", "reason": "read every line"}, ok=frozenset({201})
    ),
    ("GET", "/api/v1/queue"): Sample(queued),
    ("PUT", "/api/v1/queue/pause"): Sample(body=lambda _made: {"paused": False, "reason": "it was paused"}),
    ("DELETE", "/api/v1/queue/{mission}"): Sample(queued, ok=ACCEPTED),
    ("GET", "/api/v1/presets"): Sample(),
    ("GET", "/api/v1/packs"): Sample(),
    ("GET", "/api/v1/packs/{pack}/form"): Sample(a_pack),
    ("GET", "/api/v1/deployments"): Sample(place, query="?target={target}"),
    ("GET", "/api/v1/why"): Sample(finished, query="?id={mission}"),
}
