"""What a step asked of models and heard: its calls as they were counted, and the messages that were kept, masked.

Calls are rows of the usage log and are always there. Prompts and answers are kept only where somebody kept them: an
agent's run writes them as the step's artefact ``agents/STEP-NAME.json`` when it ends, and an answer that a step has had
before it ended stands in its recorded effects until then. Nothing else keeps them, so for other calls there is no text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import bindparam, select

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.budget_tables import USAGE
from remit.guard.tables import ACTION
from remit.kernel.action import Principal
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx
from remit.missions.artefacts import list_artefacts, read_artefact
from remit.missions.deps import Deps
from remit.missions.recorded_tables import RECORDED

MOST_CALLS = 100
MOST_FILES = 10
MOST_MESSAGES = 200
LONGEST = 20_000  # characters of a message that are shown
FOLDER = "agents/"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One model attempt of a step. ``state`` is its action's, ``reason`` why the guard or the other side said no.

    ``answer`` is what was recorded of it while its step had not ended; empty: nothing is.
    """

    action: str
    attempt: int
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost_micros: int
    kept: bool
    estimated: bool
    opened_us: int
    took_us: int
    state: str
    reason: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an agent's run. ``role``: ``user-prompt``, ``system-prompt``, ``text``, ``tool-call`` ..."""

    file: str
    role: str
    asked: bool
    model: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known. ``absent``: why there is no text of prompts and answers, or of some; empty: all there is."""

    calls: tuple[ModelCall, ...]
    messages: tuple[Message, ...]
    absent: str


_CALLS = (
    select(
        *(USAGE.c[name] for name in ("action", "attempt", "provider", "model", "tokens_in", "tokens_out")),
        *(USAGE.c[name] for name in ("tokens_cached", "cost_micros", "kept", "estimated", "opened_us", "settled_us")),
        ACTION.c.state,
        ACTION.c.reason,
    )
    .join(ACTION, (ACTION.c.id == USAGE.c.action) & (ACTION.c.workspace == USAGE.c.workspace))
    .where(
        USAGE.c.workspace == bindparam("of"),
        USAGE.c.mission == bindparam("which"),
        USAGE.c.step == bindparam("in_step"),
        USAGE.c.kind == "model",
    )
    .order_by(USAGE.c.opened_us, USAGE.c.action)
    .limit(MOST_CALLS)
)
_ANSWERS = select(RECORDED.c.action, RECORDED.c.answer).where(
    RECORDED.c.workspace == bindparam("of"),
    RECORDED.c.mission == bindparam("which"),
    RECORDED.c.step == bindparam("in_step"),
)


def read_calls(tx: ReadTx, workspace: str, mission: str, step: str) -> list[ModelCall]:
    """The first 100 model calls of a step, oldest first, in two statements; for whoever may read missions."""
    at = {"of": workspace, "which": mission, "in_step": step}
    answers = {row["action"]: str(row["answer"]) for row in tx.rows(_ANSWERS, at)}
    return [
        ModelCall(
            action=row["action"],
            attempt=row["attempt"],
            provider=row["provider"],
            model=row["model"],
            tokens_in=row["tokens_in"],
            tokens_out=row["tokens_out"],
            tokens_cached=row["tokens_cached"],
            cost_micros=row["cost_micros"],
            kept=bool(row["kept"]),
            estimated=bool(row["estimated"]),
            opened_us=row["opened_us"],
            took_us=max((row["settled_us"] or row["opened_us"]) - row["opened_us"], 0),
            state=row["state"],
            reason=row["reason"] or "",
            answer=_answer(answers.get(row["action"], "")),
        )
        for row in tx.rows(_CALLS, at)
    ]


async def read_conversation(deps: Deps, workspace: str, mission: str, step: str, *, by: Principal) -> Conversation:
    """A step's calls and kept messages.

    Raises:
        Refused: ``by`` may not read here. NotFound: There is no such mission or step.
    """

    def op(tx: ReadTx) -> list[ModelCall]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
        return read_calls(tx, workspace, mission, step)

    calls = await reading(deps.journal, op)
    messages: list[Message] = []
    try:
        there = (await list_artefacts(deps, workspace, mission, by=by, step=step)).files
    except NotFound:  # the step made no checkpoint yet
        there = ()
    paths = [path for path, _ in there if path.startswith(f"{FOLDER}{step}-") and path.endswith(".json")]
    for path in paths[:MOST_FILES]:
        kept = await read_artefact(deps, workspace, mission, path, by=by, step=step)
        messages += (
            [Message(path, "cut", asked=False, model="", text=kept.text[:LONGEST], cut=True)]
            if kept.cut
            else (list(_messages(path, kept.text)))
        )
    answers = any(call.answer for call in calls)
    return Conversation(tuple(calls), tuple(messages[:MOST_MESSAGES]), _absent(calls, messages, answers=answers))


def _absent(calls: list[ModelCall], messages: list[Message], *, answers: bool) -> str:
    if not calls and not messages:
        return "This step asked no model."
    if messages:
        return ""
    if answers:
        return (
            "The prompts are kept when the step's agent ends; answers that it has had so far stand beside their call."
        )
    return (
        "Nothing was kept of what was asked and answered: only an agent's run keeps its messages, when it ends. "
        "What each call used, and what was decided about it, stands in the table."
    )


def _answer(text: str) -> str:
    """The text of a recorded answer; it was masked before it was kept."""
    if not text:
        return ""
    try:
        found = json.loads(text)
    except ValueError:
        return text[:LONGEST]
    said = found.get("text") or found.get("value") if isinstance(found, dict) else found  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return (said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, indent=2))[:LONGEST]


def _messages(path: str, text: str) -> Iterator[Message]:
    try:
        found = json.loads(text)
    except ValueError:
        yield Message(path, "text", asked=False, model="", text=text[:LONGEST], cut=len(text) > LONGEST)
        return
    for each in cast("list[object]", found) if isinstance(found, list) else ():
        if isinstance(each, Mapping):
            yield from _parts(path, cast("Mapping[str, object]", each))


def _parts(path: str, message: Mapping[str, object]) -> Iterator[Message]:
    parts = message.get("parts")
    for part in cast("list[object]", parts) if isinstance(parts, list) else ():
        if not isinstance(part, Mapping):
            continue
        told = cast("Mapping[str, object]", part)
        content = told.get("content", told.get("args"))
        called = f"{told['tool_name']}: " if isinstance(told.get("tool_name"), str) else ""
        said = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
        yield Message(
            file=path,
            role=str(told.get("part_kind") or "text"),
            asked=message.get("kind") == "request",
            model=str(message.get("model_name") or ""),
            text=f"{called}{said}"[:LONGEST],
            cut=len(said) > LONGEST,
        )
