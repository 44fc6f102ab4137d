"""A smoke test of what is live: the release's own program starts it, asks it over a real socket and stops it.

It runs in the sandbox, from the live folder itself, which it may read and not write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.files.removal import remove_tree
from remit.adapters.sandbox import tiers
from remit.adapters.sandbox.run import CommandSpec, End, run_command
from remit.adapters.sandbox.tiers import Tier
from remit.kernel.action import Action
from remit.kernel.effects import Limits, Network

TAIL = 2000
_THERE = "import os, sys; os.chdir(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"

type Record = Callable[[Action, int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Smoke:
    """How it went: the end of what the program printed, and how long it took (seconds)."""

    ok: bool
    text: str
    seconds: float


class Smoker:
    """Runs smoke tests.

    Args:
        python: The pinned interpreter that ``python`` stands for.
        record: Has the process group on disk when it returns, so that a resume can end what a crash left.
        minimum_tier: What policy demands of the sandbox.
        scratch: A folder of Remit's own, for the program's temporary files.
    """

    def __init__(self, *, python: Path, record: Record, minimum_tier: Tier, scratch: Path) -> None:
        self._python = python.absolute()
        self._record = record
        self._minimum_tier = minimum_tier
        self._scratch = scratch
        self._readable = tiers.interpreter_paths(python)

    async def run(self, action: Action, live: Path, argv: Sequence[str], *, wall_s: float) -> Smoke:
        """Run ``argv`` in ``live`` (``DIR/current``); everything it started is gone afterwards.

        Raises:
            Denied: The demanded tier is not there.
            Failed: It could not be started.
        """
        scratch = self._scratch / action.id
        words = [str(self._python) if word == "python" and not at else word for at, word in enumerate(argv)]
        work = scratch / "work"
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        spec = CommandSpec(
            argv=(str(self._python), "-c", _THERE, str(live), *words),
            cwd=work,
            private=scratch / "private",
            limits=Limits(wall_s=wall_s, cpu_s=int(wall_s) * 2),
            network=Network.LOOPBACK,
            read_only=(*self._readable, live.parent),
            path=(self._python.parent,),
            minimum_tier=self._minimum_tier,
        )
        try:
            done = await run_command(spec, on_started=lambda group, start: self._record(action, group, start))
        finally:
            remove_tree(scratch)
        text = b"\n".join((done.stdout, done.stderr)).decode("utf-8", "replace").strip()[-TAIL:]
        return Smoke(done.end is End.ENDED and done.exit_code == 0, text, done.seconds)
