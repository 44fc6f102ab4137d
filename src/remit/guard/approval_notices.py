"""Telling people that somebody waits for them. A notice that fails is written down, and hinders no request.

Each notice is an effect like any other: it passes the guard, as Remit's own on behalf of whoever the action is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, update

from remit.audit.entry import Result
from remit.guard.approval_fit import when_asked
from remit.guard.approval_requests import sweep
from remit.guard.approval_rows import SYSTEM, Request, Status, entry, unfinished
from remit.guard.approval_tables import APPROVAL
from remit.kernel.action import Action, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Notify
from remit.kernel.errors import RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import Money
from remit.kernel.plain import plain
from remit.kernel.ports import Journal, Tx

WHOLE_S = 20.0  # for all channels of one request together
LATE_US = 60_000_000  # a request that nobody was told of for so long is told by whoever finds it

_NOTIFIED = (
    update(APPROVAL)
    .where(APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.id == bindparam("which"))
    .values(notified_us=bindparam("at"))
)


class Guard(Protocol):
    """What notices need of the guard."""

    journal: Journal
    clock: Clock

    async def run(self, action: Action) -> Outcome:
        """Admit and perform."""
        ...


class Notices:
    """Announces requests through channels, in tasks of its own; ``settled`` waits for them."""

    def __init__(self, guard: Guard, channels: Sequence[str]) -> None:
        self._guard = guard
        self._channels = tuple(channels)
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, request: Request) -> None:
        """Tell people of a request, soon."""
        if not self._channels or request.principal == str(SYSTEM):  # a notice that needs leave is not announced
            return
        task = asyncio.create_task(self._announce(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def catch_up(self, workspace: str) -> int:
        """Announce what a process that died did not get to; how many requests."""
        now_us = micros_of(self._guard.clock.now())
        late = [
            request
            for request in await self._guard.journal.read(lambda tx: unfinished(tx, workspace))
            if request.status == Status.PENDING
            and request.notified_us is None
            and request.requested_us + LATE_US < now_us < request.expires_us
        ]
        for request in late:
            self.announce(request)
        return len(late) if self._channels else 0

    async def settled(self) -> None:
        """Wait until everything that was announced has been told, or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _announce(self, request: Request) -> None:
        tasks = {name: asyncio.create_task(self._tell(request, name)) for name in self._channels}
        _, late = await asyncio.wait(tasks.values(), timeout=WHOLE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        told: dict[str, Json] = {
            name: "too_late" if task.cancelled() else task.result() for name, task in tasks.items()
        }
        now_us = micros_of(self._guard.clock.now())
        result = Result.SUCCESS if "ok" in told.values() else Result.FAILURE

        def op(tx: Tx) -> None:
            tx.execute(_NOTIFIED, {"of": request.workspace, "which": request.id, "at": now_us})
            tx.append(entry(request, "notified", result), {"channels": told})

        try:
            await self._guard.journal.commit("guard.notice", op)
        except RemitError:
            return  # the store is away: whoever finds the request untold tells it again

    async def _tell(self, request: Request, channel: str) -> str:
        """``ok``, or the code of what went wrong."""
        action = Action(
            id=new_id(),
            effect=Notify(channel, *notice(request)),
            principal=SYSTEM,
            on_behalf_of=Principal.parse(request.on_behalf_of),
            workspace=request.workspace,
            mission=request.mission,
            step=request.step,
            effect_key=f"approval/{request.id}/{channel}",
        )
        try:
            done = await self._guard.run(action)
        except RemitError as error:
            return error.code
        return "ok" if done.ok else "not_ok"


def notice(request: Request) -> tuple[str, str]:
    """Subject and text: what an approver needs to know whether to look now, and the commands to do so."""
    what = plain(request.what, limit=120)
    where = f"mission {request.mission}, step {plain(request.step, limit=80)}" if request.mission else "no mission"
    lines = (
        f"{plain(request.principal, limit=80)} asks to {what}, for {plain(request.on_behalf_of, limit=80)} ({where}).",
        plain(str(request.details.get("why", "")), limit=600),
        f"Risk {request.risk}, estimated cost {Money(request.estimate_micros)}, persons needed: {request.quorum}.",
        *(f"Would not fit now: {plain(each, limit=300)}" for each in when_asked(request)),
        f"Refused by itself {iso(request.expires_us)}.",
        f"Hash {request.subject_hash}",
        "",
        f"Look:    remit approvals {request.id}",
        f"Approve: remit approve {request.id} --hash {request.subject_hash[:12]}",
        f"Deny:    remit deny {request.id} --reason WHY",
    )
    return f"Approval wanted: {what}", "\n".join(lines)


async def sweep_expired(journal: Journal, workspace: str, *, clock: Clock) -> list[Request]:
    """Mark requests that nobody decided about in time, and leaves that nobody used, as expired; which those are."""
    now_us = micros_of(clock.now())
    known = await journal.read(lambda tx: unfinished(tx, workspace))
    if all(request.expires_us > now_us for request in known):
        return []
    return await journal.commit("guard.expiry", lambda tx: sweep(tx, workspace, now_us=now_us))
