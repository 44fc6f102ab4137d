"""The probe with a press whose door may be shut: its missions fail while a file ``shut`` stands beside its log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from remit.kernel.canonical import Json
from remit.kernel.errors import Failed
from remit.missions.pack import Result, StepContext, StepFunction
from remit.testing.probe import Probe


async def press(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Print, unless the door is shut."""
    del params
    if Path(os.environ["REMIT_PROBE_LOG"]).with_name("shut").exists():
        raise Failed("the press did not print: its door is shut")
    ctx.log("printed")
    return {"printed": True}


class Press(Probe):
    """The pack."""

    name = "tests.console.journeys.press:PACK"

    def step(self, uses: str) -> StepFunction:
        """The function of that name."""
        return press if uses == "fail" else super().step(uses)


PACK = Press()
