"""Every journey a person can take with a mission, once, with the name of every write recorded on the way."""

from __future__ import annotations

import os
import random
import shlex
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from remit.testing.drill import PACK, Drill, Ran, until

PROVE = os.environ.get("REMIT_PROVE") == "1"
#: The same commit tries the same moments all day; another day tries others. DRILL_SEED=... repeats a day's.
SEED = os.environ.get("DRILL_SEED") or f"{datetime.now(UTC):%Y-%m-%d}"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

#: Orders that are no mission's, given one after the other at the end: (exit code, words). ``MISSION`` is the last run's
#: id. Each room adds those that reach its own writes.
ADMINISTRATION: tuple[tuple[int, str], ...] = (
    # accounts
    # rules, evidence
    (0, "policy attest kyc --reason 'passport seen'"),
    # approvals
    # deployment and presets
    # budgets
    (0, "budget set agent coder 5 --period month"),
    (0, "budget set workspace 100"),
    (0, "budget remove workspace"),
    # rates and queue
    # circuits
    (0, "breakers open tool search --reason drill"),
    (0, "breakers reset tool search --reason 'drill over'"),
    # the audit log
)


@dataclass(slots=True)
class Recorded:
    """What each command printed and which moments it reached, by a name of ours."""

    ran: dict[str, Ran] = field(default_factory=dict[str, Ran])
    moments: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def tree(self, name: str) -> str:
        """The tree that a command told."""
        return str(self.ran[name].json()["tree"])


def record(drill: Drill) -> Recorded:
    """Take every journey on one home."""
    found = Recorded()

    def took(name: str, ran: Ran, *, code: int = 0) -> Ran:
        assert ran.code == code, f"{name}: exit code {ran.code}\n{ran.out}\n{ran.err}"
        reached = drill.recorded()
        seen = sum(map(len, found.moments.values()))
        found.ran[name], found.moments[name] = ran, reached[seen:]
        return ran

    def go(name: str, *words: object, code: int = 0) -> str:
        return str(took(name, drill.remit(*words, record=True), code=code).json().get("mission", ""))

    took("fresh", drill.remit("run", PACK, drill.intake(), record=True))
    shutil.rmtree(drill.home)  # the same again in two commands
    go("init", "init")
    mission = go("run", "run", PACK, drill.intake())
    go("branch", "branch", mission, "--from", "feature-red")
    go("feature", "rollback", mission, "--feature", "red")
    go("from", "resume", mission, "--from", "join")
    go("to", "rollback", mission, "--to", "start")
    go("all", "rollback", mission)
    go("again", "resume", mission)
    go("retried", "run", PACK, drill.intake(flaky=2))
    failed = go("failed", "run", PACK, drill.intake(fail=True), code=1)
    go("failed again", "resume", failed, code=1)
    took("crash", drill.remit("run", PACK, drill.intake(), at="step.finish:before:3"), code=-9)
    go("resume", "resume", drill.look().mission)
    go("kill", "kill", "coder", "--reason", "drill")
    refused = go("refused", "run", PACK, drill.intake(), code=3)
    go("unkill", "unkill", "coder", "--reason", "drill over")
    go("let go on", "resume", refused)
    go("breaker", "run", PACK, drill.intake(knock=6, away="http://127.0.0.1:9", features=[]))
    slow = drill.start("run", PACK, drill.intake(sleep_s=60), record=True)
    until(lambda: "sleep" in drill.look().bodies, what="the command of the mission to be cancelled")
    took("cancel", drill.remit("cancel", drill.look().mission, record=True))
    took("cancelled", drill.ended(slow), code=1)
    for code, words in ADMINISTRATION:
        go(words, *(mission if word == "MISSION" else word for word in shlex.split(words)), code=code)
    return found


def sample(moments: list[str], size: int, *, name: str, every: bool = False) -> list[str]:
    """Moments to die at: all (``every``), under REMIT_PROVE=1 the first and last of each point and side, or a few."""
    if PROVE and every:
        return moments
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for moment in moments:
        key = moment.rpartition(":")[0]
        first.setdefault(key, moment)
        last[key] = moment
    chosen = sorted({*first.values(), *last.values()})
    return chosen if PROVE else random.Random(f"{SEED} {name}").sample(chosen, min(size, len(chosen)))


def folder(base: Path, moment: str) -> Path:
    """A folder for the drill at one moment."""
    return base / moment.replace(":", "-")
