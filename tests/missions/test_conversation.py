"""What a step asked of models and heard: the messages that an agent's run kept, masked, and why there are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remit.bootstrap import open_runtime, prepare_home
from remit.missions.conversation import read_conversation
from remit.sdk import Mission, ResultHas, StepContext, StepSpec, WriteFiles
from remit.settings import Settings

talks = Mission("tests.missions.test_conversation:PACK", version="1", summary="Keeps what was said.")
HOSTILE = "<script>alert(1)</script>\u202e"
KEPT = [
    {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": f"say hello {HOSTILE}"}]},
    {
        "kind": "response",
        "model_name": "small",
        "parts": [
            {"part_kind": "tool-call", "tool_name": "look", "args": {"at": "sky"}},
            {"part_kind": "text", "content": "hello " * 5000},
        ],
    },
]


@talks.step(post=[ResultHas("done", 1)])
async def talk(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps messages as an agent's run does."""
    del params
    await ctx.do(WriteFiles({f"agents/{ctx.step}-scribe.json": json.dumps(KEPT).encode(), "other.json": b"[]"}))
    return {"done": 1}


@talks.step(post=[ResultHas("done", 1)])
async def quiet(ctx: StepContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Asks nobody."""
    del ctx, params
    return {"done": 1}


@talks.planner
def plan(data: bytes, name: str) -> list[StepSpec]:
    del data, name
    return [talks.use(talk), talks.use(quiet, needs=["talk"])]


PACK = talks.pack()


async def test_kept_messages_are_told_in_order_and_absence_says_why(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home")
    await prepare_home(settings)
    async with open_runtime(settings, pack=PACK.name) as runtime:
        await runtime.start()
        mission = await runtime.missions.create("default", PACK.name, b"x", name="x.txt", originator=runtime.owner)
        view = await runtime.missions.run("default", mission)
        assert view.status == "succeeded", view.mission.error
        deps = runtime.missions.deps
        found = await read_conversation(deps, "default", mission, "talk", by=runtime.owner)
        assert [(one.role, one.asked, one.model) for one in found.messages] == [
            ("user-prompt", True, ""),
            ("tool-call", False, "small"),
            ("text", False, "small"),
        ]
        asked, called, said = found.messages
        assert HOSTILE in asked.text
        assert called.text.startswith("look: ")
        assert said.cut
        assert found.absent == ""
        none = await read_conversation(deps, "default", mission, "quiet", by=runtime.owner)
        assert (none.calls, none.messages, none.absent) == ((), (), "This step asked no model.")
        runtime.store.seal()
