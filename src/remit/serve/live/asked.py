"""What somebody asks to watch, from a request's own words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from remit.kernel.errors import InvalidInput
from remit.kernel.ids import check_id
from remit.serve.edge.identity import Caller
from remit.serve.live.stream import Watcher

KIND = re.compile(r"[a-z][a-z_]{0,30}")
MOST_KINDS = 20
_LARGEST = (1 << 53) - 1
_DIGITS = len(str(_LARGEST))

type Again = Callable[[], Awaitable[Caller]]
type Still = Callable[[], Awaitable[bool]]


def asked_of(caller: Caller, *, mission: str, kinds: str, after: str, follow: bool = True) -> Watcher:
    """What is to be watched.

    Args:
        caller: Who asks.
        mission: Only this one's events; empty: every one's.
        kinds: Words before the dot of an action, between commas; empty: all.
        after: The number of the last event that they saw; empty: from now on.
        follow: Whether to go on with what comes.

    Raises:
        InvalidInput: One of them is none.
    """
    if mission:
        check_id(mission, "mission")
    words = tuple(word for word in kinds.split(",") if word)
    if len(words) > MOST_KINDS or not all(KIND.fullmatch(word) for word in words):
        message = "kinds must be words such as mission,step,approval, at most 20."
        raise InvalidInput(message, code="live.kinds", place="kinds", hint="leave kinds out for all")
    number: int | None = None
    if after:
        digits = after.isascii() and after.isdigit() and len(after) <= _DIGITS
        if after != "-1" and not (digits and int(after) <= _LARGEST):
            message = f"The number of the last event must be one that this stream gave, not {after[:40]!r}."
            raise InvalidInput(message, code="live.after", place="after", hint="leave it out to begin now")
        number = int(after)
    return Watcher(caller.principal, caller.workspace, caller.session, mission, words, number, follow)


def still_of(scope: Mapping[str, Any], caller: Caller) -> Still | None:
    """Whether what the request showed counts still; ``None`` where the edge can't be asked again."""
    state = cast("Mapping[str, Any]", scope.get("state") or {})
    again = cast("Again | None", state.get("again"))
    if again is None:
        return None

    async def still() -> bool:
        found = await again()
        return found.known and (found.principal, found.workspace) == (caller.principal, caller.workspace)

    return still
