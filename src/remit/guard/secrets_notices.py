"""Telling people of anomalies: each once, on every channel, through the guard, as warnings of budgets are told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from remit.guard.news import Guard, News, tell
from remit.guard.secrets_tables import SECRET_ANOMALY
from remit.guard.secrets_use import Anomaly
from remit.kernel.action import ActorKind
from remit.kernel.clock import iso
from remit.kernel.ports import Row

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


_NEWS = News(
    source="secrets",
    write="secret.told",
    untold=_UNTOLD,
    told=_TOLD,
    keys={"called": "secret", "who": "principal", "happened": "what", "hour": "hour_us"},
    notice=notice,
)


async def tell_of_secrets(guard: Guard, workspace: str, channels: Sequence[str]) -> int:
    """Tell anomalies, see ``news.tell``; how many everybody knows of now."""
    return await tell(guard, workspace, channels, _NEWS)
