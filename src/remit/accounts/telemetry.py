"""The switches of telemetry and feedback: off unless somebody turned them on; each turn is an order on record.

``telemetry`` decides whether events are recorded, ``feedback`` whether what people say about Remit is. Both stay in
this install's own database. What was ordered last counts; without an order the setting of that name does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.accounts.telemetry_tables import TELEMETRY_SWITCH
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.settings import Settings

LONGEST_REASON = 500

_NEW = insert(TELEMETRY_SWITCH)
_TURN = _NEW.on_conflict_do_update(
    index_elements=["workspace", "name"],
    set_={name: _NEW.excluded[name] for name in ("turned_on", "principal", "reason", "at_us")},
)
_OF = select(TELEMETRY_SWITCH).where(TELEMETRY_SWITCH.c.workspace == bindparam("of"))


class Switch(StrEnum):
    """What can be switched, each apart from the other."""

    TELEMETRY = "telemetry"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Turned:
    """How a switch stands. ``by`` is empty when nobody turned it: then the setting counts."""

    name: Switch
    on: bool
    setting: bool
    by: str = ""
    reason: str = ""
    at_us: int = 0


def read_switches(tx: ReadTx, workspace: str, settings: Settings) -> Mapping[Switch, Turned]:
    """Both switches of a workspace, in one statement."""
    rows = {row["name"]: row for row in tx.rows(_OF, {"of": workspace})}
    found: dict[Switch, Turned] = {}
    for name in Switch:
        setting = settings.telemetry if name is Switch.TELEMETRY else settings.feedback
        row = rows.get(name.value)
        found[name] = (
            Turned(name, setting, setting)
            if row is None
            else Turned(name, bool(row["turned_on"]), setting, row["principal"], row["reason"], row["at_us"])
        )
    return found


async def turn(
    journal: Journal, name: str, *, on: bool, workspace: str, reason: str, by: Principal, clock: Clock
) -> Switch:
    """Turn a switch; every process obeys within a second.

    Args:
        journal: The store.
        name: Which.
        on: How it is to stand.
        workspace: Whose.
        reason: Why; masked already.
        by: Who orders it.
        clock: Tells the time.

    Raises:
        Refused: ``by`` may not administer.
        InvalidInput: No such switch, or no reason.
    """
    if name not in {each.value for each in Switch}:
        message = f"There is no switch {name[:40]!r}: there are telemetry and feedback."
        raise InvalidInput(message, code="telemetry.switch", hint="remit telemetry")
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"A switch is turned with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="telemetry.reason", hint="say why, for the audit log")
    at_us = micros_of(clock.now())
    row = {"workspace": workspace, "name": name, "turned_on": int(on), "principal": str(by), "reason": reason.strip()}
    entry = Entry(
        actor=by,
        action=f"accounts.telemetry.{'on' if on else 'off'}",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=name,
    )

    def op(tx: Tx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        tx.execute(_TURN, {**row, "at_us": at_us})
        tx.append(entry, {"switch": name, "on": on, "reason": reason.strip()})

    await journal.commit("telemetry.switch", op)
    return Switch(name)
