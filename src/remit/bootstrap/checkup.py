"""Whether an install stands well: what ``remit doctor`` looks at."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from remit.bootstrap.home import KEY, LOCKS, SERVING
from remit.bootstrap.opening import open_runtime
from remit.bootstrap.secrets import where_kept
from remit.bootstrap.store import make_store
from remit.kernel.clock import SystemClock
from remit.kernel.errors import RemitError
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.operations.checkup import Check, Trouble


def examine(settings: Settings, *, tools: Sequence[str], production: bool, network: bool) -> list[Check]:
    """Everything that ``remit doctor`` looks at; see ``operations.checkup`` and ``operations.deployment``.

    Args:
        settings: The settings in force.
        tools: Modules of the build environment.
        production: Whether the deployment checklist is gone through too.
        network: Whether providers are asked for their lists of models, under the guard.
    """
    from remit.adapters.checkup.wiring import look, look_at_deployment
    from remit.adapters.engine import ExecutorLocks

    there = (settings.home / KEY).is_file()
    clock = SystemClock()
    found = look(
        settings,
        lambda: make_store(settings),
        tools=tools,
        sandbox=sandbox_tier,
        git=git_version(),
        secrets=lambda: len(where_kept(settings)),
        providers=asyncio.run(_ask_providers(settings)) if network and there else {},
        served=ExecutorLocks(settings.home / LOCKS).alive(SERVING) is True,
        clock=clock,
    )
    if production:
        found += look_at_deployment(settings, lambda: make_store(settings), clock=clock)
    return found


async def _ask_providers(settings: Settings) -> dict[str, float | Trouble]:
    """Every provider, for its list of models."""
    from remit.adapters.providers.probe import probe as ask
    from remit.operations.checkup import Trouble

    found: dict[str, float | Trouble] = {}
    async with open_runtime(settings) as runtime:
        catalogue = await runtime.models.catalogues.catalogue(settings.workspace)
        for name in catalogue.providers:
            try:
                said = await ask(runtime.guard, workspace=settings.workspace, provider=name, by=runtime.acting)
            except RemitError as error:
                found[name] = Trouble(error.message, error.hint)
            else:
                found[name] = said.seconds
    return found


def sandbox_tier() -> tuple[int, str]:
    """The strongest sandbox tier of this machine, with its name.

    Raises:
        Denied: Commands can't be run here at all.
    """
    from remit.adapters.sandbox.tiers import probe

    best = probe().best
    return int(best), best.name.lower()


def git_version() -> str:
    """What the ``git`` on the PATH says of itself; empty when there is none."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - no input
    return done.stdout.strip()
