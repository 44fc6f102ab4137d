"""Erasure of one person: their data keys are destroyed, so that no copy of their payloads can be read again.

The entry of each destroyed key (``audit.erase``, subject: the key's id) is what verification accepts missing payloads
by. It does not name the person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select, update

from remit.audit.entry import Entry, Result
from remit.audit.holds import covering, holds
from remit.audit.tables import DEK, ENTRY, PAYLOAD
from remit.audit.told import ERASE_ACTION
from remit.kernel.action import Principal
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx, Tx

_KEYS = select(DEK.c.id).where(
    DEK.c.workspace == bindparam("of"), DEK.c.subject == bindparam("about"), DEK.c.wrapped != b""
)
_ROWS = (
    select(PAYLOAD.c.seq, ENTRY.c.ts_us, ENTRY.c.mission)
    .join_from(PAYLOAD, ENTRY, ENTRY.c.seq == PAYLOAD.c.seq)
    .where(PAYLOAD.c.workspace == bindparam("of"), PAYLOAD.c.dek == bindparam("under"))
    .order_by(PAYLOAD.c.seq)
)
_DELETE = delete(PAYLOAD).where(PAYLOAD.c.workspace == bindparam("of"), PAYLOAD.c.dek == bindparam("under"))
_DESTROY = (
    update(DEK)
    .where(DEK.c.id == bindparam("which"))
    .values(wrapped=b"", subject="", period=bindparam("which_too"), kek="")
)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was destroyed: the keys' ids and the entries whose payload is gone; or the holds that forbade it."""

    keys: tuple[str, ...]
    entries: tuple[int, ...]
    holds: tuple[str, ...] = ()


def erase_keys(
    tx: Tx, subject: str, *, workspace: str, by: Principal, reason: str, allow: Callable[[ReadTx], None]
) -> Erased:
    """Destroy a person's data keys and delete what was under them; all of it, or nothing while a hold covers any of it.

    A refusal by a hold is logged and returned, not raised: its entry must stay.

    Raises:
        InvalidInput: No subject was named.
    """
    allow(tx)
    if not subject:
        message = "Say whom to erase: a user's id or a customer's reference."
        raise InvalidInput(message, code="audit.erase", hint="remit audit erase SUBJECT --reason WHY")
    keys = [row["id"] for row in tx.rows(_KEYS, {"of": workspace, "about": subject})]
    rows = [row for key in keys for row in tx.rows(_ROWS, {"of": workspace, "under": key})]
    in_force = holds(tx, workspace)
    blocking = {hold.name for hold in in_force if hold.scope.subject == subject}
    for row in rows if in_force else ():
        blocking.update(covering(in_force, mission=row["mission"], ts_us=row["ts_us"], subject=subject))
    if blocking:
        names = tuple(sorted(blocking))
        tx.append(_entry(by, workspace, Result.BLOCKED, "audit.hold"), {"reason": reason, "holds": list(names)})
        return Erased((), (), names)
    for key in keys:
        tx.execute(_DELETE, {"of": workspace, "under": key})
        tx.execute(_DESTROY, {"which": key, "which_too": key})
        tx.append(_entry(by, workspace, Result.SUCCESS, "", key), {"reason": reason})
    if not keys:
        tx.append(_entry(by, workspace, Result.SUCCESS, "nothing"), {"reason": reason})
    return Erased(tuple(keys), tuple(row["seq"] for row in rows))


def _entry(by: Principal, workspace: str, result: Result, reason: str, key: str = "") -> Entry:
    return Entry(
        actor=by,
        action=ERASE_ACTION,
        domain="audit",
        result=result,
        workspace=workspace,
        reason=reason,
        subject=key,
    )
