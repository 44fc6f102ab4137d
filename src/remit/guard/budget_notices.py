"""Telling people that a threshold of a budget was reached, on each of their channels once, through the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, select, update

from remit.accounts.budget_periods import DAY_US, Period, end_of
from remit.accounts.budget_tables import BUDGET_EVENT
from remit.accounts.budgets import limit_of
from remit.accounts.owner import read_owner
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Notify
from remit.kernel.errors import Conflict, RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row

SYSTEM = Principal(ActorKind.SYSTEM, "budget")
#: What could not be told for so long is no news any more.
STALE_US = DAY_US

_UNTOLD = (
    select(BUDGET_EVENT)
    .where(
        BUDGET_EVENT.c.workspace == bindparam("of"),
        BUDGET_EVENT.c.told_us.is_(None),
        BUDGET_EVENT.c.at_us > bindparam("since"),
    )
    .order_by(BUDGET_EVENT.c.at_us, BUDGET_EVENT.c.percent)
)
_TOLD = (
    update(BUDGET_EVENT)
    .where(
        BUDGET_EVENT.c.workspace == bindparam("of"),
        BUDGET_EVENT.c.scope == bindparam("in_scope"),
        BUDGET_EVENT.c.name == bindparam("called"),
        BUDGET_EVENT.c.period == bindparam("each"),
        BUDGET_EVENT.c.starts_us == bindparam("starts"),
        BUDGET_EVENT.c.percent == bindparam("share"),
    )
    .values(told_us=bindparam("at"))
)


class Guard(Protocol):
    """What notices need of the guard."""

    journal: Journal
    clock: Clock

    async def run(self, action: Action) -> Outcome:
        """Admit and perform."""
        ...


async def tell_of_budgets(guard: Guard, workspace: str, channels: Sequence[str]) -> int:
    """Send what was not told yet to every channel; how many thresholds everybody knows of now.

    A channel that fails is tried again at the next call, for a day; one that succeeded is not sent the same again
    (the effect key names threshold and channel). Without channels nothing is sent and nothing counts as told.
    """
    if not channels:
        return 0
    since = micros_of(guard.clock.now()) - STALE_US

    def op(tx: ReadTx) -> tuple[list[Row], Principal | None]:
        owner = read_owner(tx, workspace)
        return tx.rows(_UNTOLD, {"of": workspace, "since": since}), None if owner is None else owner.principal

    events, owner = await guard.journal.read(op)
    if owner is None:
        return 0
    told = 0
    for event in events:
        sent = [await _send(guard, event, channel, owner) for channel in channels]
        if all(sent):
            values = {
                "of": workspace,
                "in_scope": event["scope"],
                "called": event["name"],
                "each": event["period"],
                "starts": event["starts_us"],
                "share": event["percent"],
                "at": micros_of(guard.clock.now()),
            }
            await guard.journal.commit("guard.budget", lambda tx, values=values: tx.execute(_TOLD, values))
            told += 1
    return told


async def _send(guard: Guard, event: Row, channel: str, owner: Principal) -> bool:
    """Whether the channel has it now."""
    names = ("scope", "name", "period", "starts_us", "percent")
    action = Action(
        id=new_id(),
        effect=Notify(channel, *notice(event)),
        principal=SYSTEM,
        on_behalf_of=owner,
        workspace=event["workspace"],
        effect_key="/".join(("budget", *(str(event[name]) for name in names), channel)),
    )
    try:
        return (await guard.run(action)).ok
    except Conflict as error:
        return error.code == "guard.done"
    except RemitError:
        return False  # it stands in the log, and is tried again


def notice(event: Row) -> tuple[str, str]:
    """Subject and text of a message about a threshold."""
    limit = limit_of(event)
    ends = end_of(Period(event["period"]), event["starts_us"])
    lines = (
        f"{Money(event['spent'])} of {Money(event['limit_micros'])} were spent at {iso(event['at_us'])[:19]}Z.",
        *(() if ends is None else (f"It begins anew at {iso(ends)}.",)),
        "",
        "Look:     remit budget",
        f"Raise it: {limit.command}",
    )
    return f"{event['percent']} % of {limit} is spent", "\n".join(lines)
