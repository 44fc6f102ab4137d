"""Alternatives: other effects that may stand in when the one asked for is not there.

Each is a child action: an id, a subject hash and a guard pass of its own, with ``parent`` naming the action that it
stands in for. So what a person or a rule forbids is not reached by way of a fallback, and each costs what it costs.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from remit.kernel.action import Action
from remit.kernel.effects import Effect
from remit.kernel.errors import Denied, RateLimited, RemitError, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome

type Run = Callable[[Action], Awaitable[Outcome]]

_log = logging.getLogger(__name__)


async def degrade(
    run: Run, action: Action, alternatives: Sequence[Effect], *, over: Callable[[], bool] = lambda: False
) -> Outcome:
    """The answer of ``action``, else of the first alternative that gives one, in the order given.

    The next is tried when one fails in a way that may pass (no answer, no connection, "come back later") or its circuit
    is open; an alternative is also passed over when the guard refuses it. What may have happened and can't be repeated
    is never followed by another; neither is an answer that has begun to reach whoever asked (``over``).

    Raises:
        RemitError: What ``action`` itself failed with, when nothing stood in; its notes tell of each alternative.
    """
    try:
        return await run(action)
    except RemitError as error:
        if over() or not passes(action, error):
            raise
        first = error
    for number, effect in enumerate(alternatives, 1):
        child = replace(
            action,
            id=new_id(),
            effect=effect,
            parent=action.id,
            effect_key=f"{action.effect_key}~{number}" if action.effect_key else "",
        )
        _log.warning("%s: an alternative is asked instead (%d of %d)", first.code, number, len(alternatives))
        try:
            return await run(child)
        except RemitError as error:
            if over() or (not passes(child, error) and not isinstance(error, Denied)):
                raise
            first.add_note(f"The alternative {child.kind} (action {child.id}) failed: {error.message}")
    raise first


def passes(action: Action, error: RemitError) -> bool:
    """Whether somebody else may be asked after this error."""
    if isinstance(error, RateLimited):
        return error.decision_id is None  # the service's own answer, not a limit of ours
    if not isinstance(error, Unavailable) or error.code == "guard.unreadable" or error.code.startswith("store."):
        return False
    return action.effect.trait.repeatable or error.code == "guard.breaker_open"
