"""Is a provider there, and does it take our key? Asked through the guard, as everything that goes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from remit.adapters.providers.asking import LIST
from remit.guard.guard import Guard
from remit.guard.retry import Profile
from remit.kernel.action import Action, Principal
from remit.kernel.effects import Model
from remit.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Probe:
    """What a provider said: the models that it lists, and seconds until it had."""

    models: tuple[str, ...]
    seconds: float


async def probe(
    guard: Guard, *, workspace: str, provider: str, by: Principal, monotonic: Callable[[], float] = time.monotonic
) -> Probe:
    """Ask a provider for its list of models, once: no tokens, no cost, one row in the log.

    A paused provider is asked too: whoever resumes it wants to know first.

    Raises:
        RemitError: As ``Guard.run``. What is wrong is told by its class: ``KeyRefused``, ``Timeout``, ``Overloaded``,
            ``InvalidAnswer``, ``Unavailable`` (``model.unreachable``, ``model.name``, ``model.certificate``).
    """
    effect = Model(provider, "", {}, operation=LIST)
    began = monotonic()
    done = await guard.run(Action(new_id(), effect, by, by, workspace), profile=Profile.ONCE)
    return Probe(tuple(cast("list[str]", done.value["models"])), monotonic() - began)
