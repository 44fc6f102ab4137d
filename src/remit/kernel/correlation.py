"""What this code is running for: ids that stand in every log line, error, audit entry and span of one request.

A *request* is one command, or one run of a mission that a worker took. Its id is set where it begins; mission, step and
action are added on the way down, each where its work starts, and everything in between (other rooms, libraries, tasks)
carries them without knowing. The ids belong to the context (``contextvars``): tasks inherit them, and the store's
writer runs each operation in the context that queued it. A thread that inherits no context has the process's request.

The trace id is the request's id in hexadecimal (16 bytes, as W3C Trace Context has it), so a line finds its trace; or,
for a request that came from outside as part of somebody's trace, that one's. The span id is there while spans are on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple

from remit.kernel.ids import is_id, new_id

#: The fields, as log lines and answers name them.
FIELDS = ("request_id", "workspace", "mission", "step", "action", "trace_id", "span_id")


class Ids(NamedTuple):
    """Ids as far as they are known; empty where not."""

    request_id: str = ""
    workspace: str = ""
    mission: str = ""
    step: str = ""
    action: str = ""
    span_id: str = ""
    trace: str = ""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty without a request."""
        return self.trace or (self.request_id.replace("-", "") if is_id(self.request_id) else "")

    def known(self) -> dict[str, str]:
        """Those that are known, by the names of ``FIELDS``, in that order."""
        return {name: value for name in FIELDS if (value := getattr(self, name))}


_NOTHING = Ids()
_process = _NOTHING
_CURRENT: ContextVar[Ids | None] = ContextVar("remit_correlation", default=None)


def current() -> Ids:
    """What this code runs for; the process's own request where nothing was bound."""
    found = _CURRENT.get()
    return _process if found is None else found


def begin(request_id: str = "") -> str:
    """Begin this process's request (a command), for every thread of it; its id."""
    global _process  # noqa: PLW0603 - one command is one process, and its threads inherit no context
    _process = Ids(request_id or new_id())
    _CURRENT.set(_process)
    return _process.request_id


def end() -> None:
    """The process's request is over; for those that stay when a command has ended (tests)."""
    global _process  # noqa: PLW0603 - see ``begin``
    _process = _NOTHING
    _CURRENT.set(None)


class bound:  # noqa: N801 - used as a function; a class, because a generator costs each action twice the time
    """Add ids (fields of ``Ids``) to those that are known, while this lasts; an empty one changes nothing."""

    __slots__ = ("_ids", "_token")

    def __init__(
        self,
        *,
        request_id: str = "",
        workspace: str = "",
        mission: str = "",
        step: str = "",
        action: str = "",
        span_id: str = "",
        trace: str = "",
    ) -> None:
        self._ids = (request_id, workspace, mission, step, action, span_id, trace)

    def __enter__(self) -> Ids:
        request_id, workspace, mission, step, action, span_id, trace = self._ids
        known = _CURRENT.get() or _process
        now = Ids(
            request_id or known[0],
            workspace or known[1],
            mission or known[2],
            step or known[3],
            action or known[4],
            span_id or known[5],
            trace or known[6],
        )
        self._token = _CURRENT.set(now)
        return now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _CURRENT.reset(self._token)


def request[**P, R](function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Each call of ``function`` is a request of its own."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with bound(request_id=new_id()):
            return await function(*args, **kwargs)

    return call
