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

#: Kinds that take their own kind back; the action taken back is the parent of the one that does it.
_UNDOING = frozenset(kind for kind, trait in TRAITS.items() if trait.reversal is Reversal.COMPENSATE)

_PERFORMED = (
    select(ACTION.c.id, ACTION.c.step, ACTION.c.kind, ACTION.c.target, ACTION.c.parent, ACTION.c.state)
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
    """A mission's effects that a rollback must compensate or stop at, newest first.

    What was taken back is none any more, and what took it back (an action whose parent it is) never was one.
    """
    rows = tx.rows(_PERFORMED, {"of": workspace, "in_mission": mission})
    undone = {row["parent"] for row in rows if row["kind"] in _UNDOING and row["state"] == State.OK.value}
    return [
        Happened(row["id"], row["step"], row["kind"], row["target"], TRAITS[row["kind"]].reversal)
        for row in rows
        if row["id"] not in undone and not (row["kind"] in _UNDOING and row["parent"])
    ]
