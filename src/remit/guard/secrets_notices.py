"""Telling people of anomalies: each once, on every channel, through the guard, as warnings of budgets are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, select, update

from remit.accounts.owner import read_owner
from remit.guard.secrets_tables import SECRET_ANOMALY
from remit.guard.secrets_use import Anomaly
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Notify
from remit.kernel.errors import Conflict, RemitError
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, ReadTx, Row

SYSTEM = Principal(ActorKind.SYSTEM, "secrets")
#: What could not be told for so long is no news any more.
STALE_US = 86_400_000_000
MOST_AT_ONCE = 100

_UNTOLD = (
    select(SECRET_ANOMALY)
    .where(
        SECRET_ANOMALY.c.workspace == bindparam("of"),
        SECRET_ANOMALY.c.told_us.is_(None),
        SECRET_ANOMALY.c.at_us > bindparam("since"),
    )
    .order_by(SECRET_ANOMALY.c.at_us)
    .limit(MOST_AT_ONCE)
)
_TOLD = (
    update(SECRET_ANOMALY)
    .where(
        SECRET_ANOMALY.c.workspace == bindparam("of"),
        SECRET_ANOMALY.c.secret == bindparam("called"),
        SECRET_ANOMALY.c.principal == bindparam("who"),
        SECRET_ANOMALY.c.what == bindparam("happened"),
        SECRET_ANOMALY.c.hour_us == bindparam("hour"),
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


async def tell_of_secrets(guard: Guard, workspace: str, channels: Sequence[str]) -> int:
    """Send what was not told yet to every channel; how many anomalies everybody knows of now.

    A channel that fails is tried again at the next call, for a day; one that succeeded is not sent the same again.
    Without channels nothing is sent and nothing counts as told.
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
                "called": event["secret"],
                "who": event["principal"],
                "happened": event["what"],
                "hour": event["hour_us"],
                "at": micros_of(guard.clock.now()),
            }
            await guard.journal.commit("secret.told", lambda tx, values=values: tx.execute(_TOLD, values))
            told += 1
    return told


async def _send(guard: Guard, event: Row, channel: str, owner: Principal) -> bool:
    """Whether the channel has it now."""
    names = ("secret", "principal", "what", "hour_us")
    action = Action(
        id=new_id(),
        effect=Notify(channel, *notice(event)),
        principal=SYSTEM,
        on_behalf_of=owner,
        workspace=event["workspace"],
        effect_key="/".join(("secret", *(str(event[name]) for name in names), channel)),
    )
    try:
        return (await guard.run(action)).ok
    except Conflict as error:
        return error.code == "guard.done"
    except RemitError:
        return False  # it stands in the log, and is tried again


def notice(event: Row) -> tuple[str, str]:
    """Subject and text of a message about an anomaly."""
    who, name = event["principal"], event["secret"]
    told = {
        Anomaly.FIRST_USE: f"{who} used the secret {name} for the first time",
        Anomaly.DENIED: f"{who} tried to use the secret {name}, and may not",
        Anomaly.UNUSUAL_COUNT: f"{who} used the secret {name} {event['seen']} times within an hour",
    }[Anomaly(event["what"])]
    usual = f" More than {event['usual']} is unusual for it." if event["usual"] else ""
    mission = f" In the mission {event['mission']}." if event["mission"] else ""
    kind, _, agent = who.partition(":")
    stop = (f"Stop it:  remit secrets deny {name} --agent {agent}",) if kind == ActorKind.AGENT.value else ()
    lines = (
        f"At {iso(event['at_us'])[:19]}Z.{mission}{usual}",
        "",
        f"Look:     remit secrets show {name}",
        *stop,
        f"Replace:  remit secrets rotate {name} --generate",
    )
    return told, "\n".join(lines)
