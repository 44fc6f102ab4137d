"""What a step leaves behind stays for good, so it holds no secret, whoever wrote it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from remit.kernel.permits import opened

TOKEN = "ghp_" + "a1B2c3D4e5" * 4


async def test_a_file_that_a_command_wrote_is_not_committed_with_a_secret_in_it(world: Any) -> None:
    async def leak(ctx: Any, params: Any) -> Any:
        del params
        folder = await ctx.open()
        with opened("a command in the sandbox"):
            Path(folder, "config.txt").write_text(f"key={TOKEN}\n")
        return {}

    world.pack.do = leak
    view = await world.run([{"name": "leak"}])
    assert view.status == "failed"
    assert view.mission.error_code == "step.secret"
    assert "config.txt" in view.mission.error
    assert not view.mission.head_commit
    assert TOKEN not in repr(view)


async def test_a_result_with_a_secret_is_not_stored(world: Any) -> None:
    async def leak(ctx: Any, params: Any) -> Any:
        del ctx, params
        return {"answer": [TOKEN]}

    world.pack.do = leak
    view = await world.run([{"name": "leak"}])
    assert view.status == "failed"
    assert view.mission.error_code == "step.secret"
    assert TOKEN not in repr(view)
