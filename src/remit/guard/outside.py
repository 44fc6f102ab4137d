"""What a mission did to the world outside its tree, as its rows tell it: what a rollback has to answer for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.effects import TRAITS, Reversal
from remit.kernel.ports import ReadTx

#: Done, or perhaps done.
_HAPPENED = (State.OK.value, State.UNKNOWN.value, State.BLOCKED.value, State.CANCELLED.value, State.OPEN.value)

_OUTSIDE = tuple(
    kind for kind, trait in TRAITS.items() if trait.reversal in {Reversal.COMPENSATE, Reversal.IRREVERSIBLE}
)

_PERFORMED = (
    select(ACTION.c.id, ACTION.c.step, ACTION.c.kind, ACTION.c.target)
    .where(
        ACTION.c.workspace == bindparam("of"),
        ACTION.c.mission == bindparam("in_mission"),
        ACTION.c.state.in_(_HAPPENED),
        ACTION.c.kind.in_(_OUTSIDE),
    )
    .order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc())
)


@dataclass(frozen=True, slots=True)
class Happened:
    """An effect that was performed, or may have been."""

    action: str
    step: str
    kind: str
    target: str
    reversal: Reversal


def performed(tx: ReadTx, workspace: str, mission: str) -> list[Happened]:
    """A mission's effects that a rollback must compensate or stop at, newest first."""
    rows = tx.rows(_PERFORMED, {"of": workspace, "in_mission": mission})
    return [Happened(row["id"], row["step"], row["kind"], row["target"], TRAITS[row["kind"]].reversal) for row in rows]
