"""The clinic's build, ended by a signal from outside and resumed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from remit.testing.drill import Drill

CLINIC = Path(__file__).parents[2] / "examples" / "intakes" / "clinic.yaml"


def broken_off(drill: Drill, moment: Callable[[], object]) -> tuple[str, list[str]]:
    """Run the clinic, kill it when ``moment`` returns, resume it; its tree, and what was not as it must be."""
    process = drill.start("run", "build", CLINIC)
    moment()
    os.kill(process.pid, signal.SIGKILL)
    ran = drill.ended(process)
    found = [] if ran.killed else [f"it had ended before: {ran.code} {ran.err[-300:]}"]
    before = drill.look()
    ran = drill.remit("resume", before.mission) if before.mission else drill.remit("run", "build", CLINIC)
    if ran.code != 0:
        return "", [*found, f"exit code {ran.code}: {ran.err[-1000:]}"]
    told = ran.json()
    found += [] if told["status"] == "succeeded" else [f"status {told['status']}"]
    found += drill.broken_promises(before)
    verified = drill.remit("audit", "verify")
    found += [] if verified.code == 0 else [f"the log does not verify: {verified.out[-500:]}"]
    return str(told["tree"]), found
