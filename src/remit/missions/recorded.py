"""Effects whose answers a step keeps until it has ended: an agent's model calls and tool calls.

A step that is begun again, after a crash or an approval, asks the same in the same order. What was answered before is
answered again from here, without the effect. The record is written after the outcome and awaited before the step goes
on: an effect whose record is there never happens again, and one that was cut off in between is asked for with the same
effect key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import orjson
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.guard.continuing import Reference
from remit.guard.retry import Profile
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Effect
from remit.kernel.errors import IntegrityError
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import ReadTx, Tx
from remit.missions.recorded_tables import RECORDED

_INSERT = insert(RECORDED).on_conflict_do_nothing(index_elements=["workspace", "effect_key"])
_FIND = select(RECORDED).where(RECORDED.c.workspace == bindparam("of"), RECORDED.c.effect_key == bindparam("key"))
_FORGET = delete(RECORDED).where(RECORDED.c.workspace == bindparam("of"), RECORDED.c.mission == bindparam("in_mission"))


@runtime_checkable
class Recorder(Protocol):
    """What a step's context may also offer."""

    @property
    def workspace(self) -> str:
        """Whose mission it is."""
        ...

    async def recorded(
        self,
        effect: Effect,
        *,
        name: str,
        estimate: Money | None = ZERO,
        alternatives: Sequence[Effect] = (),
        profile: Profile | None = None,
    ) -> Outcome:
        """As ``do``, under a name of its own instead of its place in the order, and once: see ``recorded``."""
        ...

    async def goes_on(self, asked: Sequence[Reference], accounts: Sequence[str]) -> str:
        """Which of these accounts of providers keeps what a request goes on from, for the step's agent."""
        ...


def find(tx: ReadTx, workspace: str, key: str) -> Outcome | None:
    """What was answered under an effect key; personal data as tokens.

    Raises:
        IntegrityError: The record can't be read.
    """
    row = tx.row(_FIND, {"of": workspace, "key": key})
    if row is None:
        return None
    try:
        told = cast("dict[str, Json]", orjson.loads(row["answer"]))
        value = cast("dict[str, Json]", told["value"])
        return Outcome(bool(told["ok"]), value, str(told["text"]), Money(int(cast("int", told["cost"]))))
    except (ValueError, KeyError, TypeError) as error:
        message = f"What was recorded for {key!r} can't be read."
        raise IntegrityError(message, code="step.recorded") from error


def keep(tx: Tx, action: Action, outcome: Outcome, *, now_us: int) -> None:
    """Record an answer; the first one stands."""
    told = {"ok": outcome.ok, "value": outcome.value, "text": outcome.text, "cost": outcome.cost.micros}
    row = {
        "workspace": action.workspace,
        "effect_key": action.effect_key,
        "mission": action.mission,
        "step": action.step,
        "action": action.id,
        "subject": action.subject_hash,
        "answer": orjson.dumps(told).decode(),
        "at_us": now_us,
    }
    tx.execute(_INSERT, row)


def forget(tx: Tx, workspace: str, mission: str) -> None:
    """Delete a mission's records: its steps' rows say what became of them."""
    tx.execute(_FORGET, {"of": workspace, "in_mission": mission})
