"""What an approver weighs: how bad it could be, and what it touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import assert_never

from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Reversal, Tool, WriteFiles
from remit.kernel.money import Money

MOST_FILES = 200


class Risk(StrEnum):
    """How bad it could be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def risk(action: Action, *, over: Money | None, evidence: Sequence[Mapping[str, Json]], misled: bool = False) -> Risk:
    """From what it is, what it costs and what critics said.

    High: it can't be undone, a critic's verdict is failed, what its mission has read looks like orders to it
    (``misled``), or it costs more than ten times what needs an approval.
    Medium: undoing it is an effect of its own, or it costs more than what needs an approval. Else low.
    """
    if (
        action.effect.trait.reversal is Reversal.IRREVERSIBLE
        or misled
        or any(not said.get("holds") for said in evidence)
        or (over is not None and action.estimate.micros > 10 * over.micros)
    ):
        return Risk.HIGH
    if action.effect.trait.reversal is Reversal.COMPENSATE or (over is not None and action.estimate > over):
        return Risk.MEDIUM
    return Risk.LOW


def blast_radius(action: Action) -> dict[str, Json]:
    """What it touches and whether that can be undone."""
    effect = action.effect
    files: list[str] = []
    if isinstance(effect, WriteFiles):
        files = sorted({*effect.files, *effect.delete})
    touched: dict[str, Json] = {
        "target": action.target,
        "files": files[:MOST_FILES],
        "files_in_all": len(files),
        "reversal": effect.trait.reversal.value,
        "undo": _TOOL if isinstance(effect, Tool) else _undo(effect.trait.reversal),
    }
    if isinstance(effect, Command):
        touched["network"] = effect.network.value
    return touched


_TOOL = "A rollback undoes nothing that a tool did; whether anybody can, its owner knows."


def _undo(reversal: Reversal) -> str:
    match reversal:
        case Reversal.TREE:
            return "Only the step's directory changes; a rollback brings it back byte for byte."
        case Reversal.NOTHING:
            return "A rollback has nothing to undo: what was read, sent or spent stays so."
        case Reversal.COMPENSATE:
            return "A rollback undoes it by an effect of its own, which may fail."
        case Reversal.IRREVERSIBLE:
            return "It can't be undone: a rollback stops before it."
        case _:
            assert_never(reversal)
