"""Telling people what happened: each piece of news on each of their channels once, through the guard.

Budgets and secrets have news; what it is, and what is said of it, stands beside them (`budget_notices`,
`secrets_notices`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Select, Update

from remit.accounts.owner import read_owner
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Notify
from remit.kernel.errors import Conflict, RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, ReadTx, Row

#: What could not be told for so long is no news any more: a day, in microseconds.
STALE_US = 86_400_000_000


class Guard(Protocol):
    """What news needs of the guard."""

    journal: Journal
    clock: Clock

    async def run(self, action: Action) -> Outcome:
        """Admit and perform."""
        ...


@dataclass(frozen=True, slots=True)
class News:
    """One kind of news.

    Attributes:
        source: Who tells it (``budget``): the principal, and the beginning of the effect keys.
        write: The name under which it is written that something was told.
        untold: Selects what was not told yet in the workspace ``of`` since ``since``.
        told: Writes that the row with the values of ``keys`` was told ``at``.
        keys: Parameters of ``told``, each with the column that it is read from; they name the piece of news.
        notice: Subject and text.
    """

    source: str
    write: str
    untold: Select[tuple[object, ...]]
    told: Update
    keys: Mapping[str, str]
    notice: Callable[[Row], tuple[str, str]]


async def tell(guard: Guard, workspace: str, channels: Sequence[str], news: News) -> int:
    """Send what was not told yet to every channel; how many pieces of news everybody knows of now.

    A channel that fails is tried again at the next call, for a day; one that succeeded is not sent the same again
    (the effect key names news and channel). Without channels nothing is sent and nothing counts as told.
    """
    if not channels:
        return 0
    since = micros_of(guard.clock.now()) - STALE_US

    def op(tx: ReadTx) -> tuple[list[Row], Principal | None]:
        owner = read_owner(tx, workspace)
        return tx.rows(news.untold, {"of": workspace, "since": since}), None if owner is None else owner.principal

    events, owner = await guard.journal.read(op)
    if owner is None:
        return 0
    told = 0
    for event in events:
        sent = [await _send(guard, event, channel, owner, news) for channel in channels]
        if all(sent):
            values = {name: event[column] for name, column in news.keys.items()}
            values |= {"of": workspace, "at": micros_of(guard.clock.now())}
            await guard.journal.commit(news.write, lambda tx, values=values: tx.execute(news.told, values))
            told += 1
    return told


async def _send(guard: Guard, event: Row, channel: str, owner: Principal, news: News) -> bool:
    """Whether the channel has it now."""
    action = Action(
        id=new_id(),
        effect=Notify(channel, *news.notice(event)),
        principal=Principal(ActorKind.SYSTEM, news.source),
        on_behalf_of=owner,
        workspace=event["workspace"],
        effect_key="/".join((news.source, *(str(event[column]) for column in news.keys.values()), channel)),
    )
    try:
        return (await guard.run(action)).ok
    except Conflict as error:
        return error.code == "guard.done"
    except RemitError:
        return False  # it stands in the log, and is tried again
