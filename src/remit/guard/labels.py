"""Labels on what enters a mission: looked at once, written with the outcome that brought it, read with every admission.

One process works on a mission at a time; another may have before it. So what is known of a mission is read again when
it is older than a second, new rows only, and what this process labelled itself counts before it is committed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import orjson
from sqlalchemy import bindparam, insert, select

from remit.guard.canary import key_of, stands_in
from remit.guard.classifier import Classifier, Context, Neutral, Opinion, Piece, Verdict
from remit.guard.provenance import CLEAN, SOURCES, Source, Taint, asked, leaves, packed, prints, unpacked
from remit.guard.provenance_tables import PROVENANCE
from remit.guard.records import Ending, Within
from remit.guard.session_taint import session_taint
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Denied
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.redact.injection_signs import SUSPICIOUS, Sign, Signal, score, told
from remit.redact.redactor import Redactor

FRESH_S = 1.0
WITHHELD = "[WITHHELD:injection]"
_MOST_MISSIONS = 256
_INLINE = 4096  # characters; longer texts are looked at in a thread
_LONGEST_PLACE = 200
_WORTH = 0.3
_MILLI = 1000

_log = logging.getLogger(__name__)

_INSERT = insert(PROVENANCE)
_IDS = select(PROVENANCE.c.id).where(
    PROVENANCE.c.workspace == bindparam("of"), PROVENANCE.c.mission == bindparam("in_mission")
)
_ROWS = (
    select(PROVENANCE)
    .where(PROVENANCE.c.workspace == bindparam("of"), PROVENANCE.c.id.in_(bindparam("these", expanding=True)))
    .order_by(PROVENANCE.c.at_us, PROVENANCE.c.id)
)
_OF_MISSION = (
    select(PROVENANCE)
    .where(PROVENANCE.c.workspace == bindparam("of"), PROVENANCE.c.mission == bindparam("in_mission"))
    .order_by(PROVENANCE.c.at_us, PROVENANCE.c.id)
)


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one text that came in."""

    action: str
    source: Source
    place: str
    score: float
    told: str
    prints: frozenset[bytes]


@dataclass(slots=True)
class _Known:
    """What is known of a mission, and since when (monotonic seconds)."""

    labels: dict[str, Label] = field(default_factory=dict[str, Label])
    read_at: float = float("-inf")


class Labels:
    """What entered the missions of an install. Any task of one event loop may use it; a thread looks at long texts."""

    def __init__(
        self, journal: Journal, redactor: Redactor, clock: Clock, *, classifier: Classifier | None = None
    ) -> None:
        self._journal = journal
        self._redactor = redactor
        self._clock = clock
        self._classifier = classifier or Neutral()
        self._missions: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def taint(self, action: Action) -> Taint:
        """What rules read of ``action``. Whatever the store raises when it can't be read."""
        if not action.mission:
            return session_taint(action)
        known = await self._fresh(action.workspace, action.mission)
        if not known.labels:
            return CLEAN
        worst = max(known.labels.values(), key=lambda label: label.score)
        words = asked(action)
        if len(words) > _INLINE:
            made = await asyncio.to_thread(prints, words, key_of(self._redactor))
        else:
            made = prints(words, key_of(self._redactor))
        origin = next((label for label in known.labels.values() if label.source.outside and label.prints & made), None)
        place, signs = (f"action {worst.action}, {worst.place}", worst.told) if worst.score else ("", "")
        return Taint(worst.score, place, signs, origin is not None, origin.source.value if origin else "")

    async def label(self, action: Action, ending: Ending) -> tuple[Ending, Within | None]:
        """Look at what an action brought; the ending as the mission gets it, and what to write with its outcome."""
        source = SOURCES.get(action.kind)
        if source is None or not action.mission or ending.outcome is None:
            return ending, None
        pieces = _pieces(ending.outcome)
        text = "\n".join(piece.text for piece in pieces)
        if not text.strip():
            return ending, None
        found, made = await self._look(action, source, text)
        place = _place(action, source, self._redactor)
        context = Context(action.workspace, action.mission, action.id, source.value, place, score(found))
        opinion = await self._ask(pieces, context)
        if opinion.verdict is not Verdict.ALLOW:
            weight = 1.0 if opinion.verdict is Verdict.ASK else max(opinion.score, SUSPICIOUS)
            why = self._redactor.mask(opinion.why[:200]) or opinion.verdict.value
            found = (Signal(Sign.CLASSIFIER, why, weight, 0, len(text)), *found)
        label = Label(action.id, source, place, score(found), told(found), made)
        self._remember(action, label)
        row = _row(action, label, found, text, micros_of(self._clock.now()))

        def keep(tx: Tx) -> None:
            tx.execute(_INSERT, row)

        return _given(action, ending, opinion), keep

    async def _look(self, action: Action, source: Source, text: str) -> tuple[tuple[Signal, ...], frozenset[bytes]]:
        from remit.redact.injection import signals  # noqa: PLC0415 - dozens of patterns, which few commands need

        def look() -> tuple[tuple[Signal, ...], frozenset[bytes]]:
            found = signals(text)
            if stands_in(text, self._redactor, action.mission):
                leaked = Signal(
                    Sign.CANARY, "the mission's canary, which only its system prompt holds", 1.0, 0, len(text)
                )
                found = (leaked, *found)
            return found, prints(text, key_of(self._redactor)) if source.outside else frozenset()

        return await asyncio.to_thread(look) if len(text) > _INLINE else look()

    async def _ask(self, pieces: Sequence[Piece], context: Context) -> Opinion:
        try:
            return await self._classifier.check(pieces, context)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, a person decides instead
            _log.warning(
                "the classifier can't be asked (%s): a person decides about what follows", type(error).__name__
            )
            return Opinion(Verdict.ASK, 1.0, "the classifier can't be asked")

    async def _fresh(self, workspace: str, mission: str) -> _Known:
        known = self._missions.get((workspace, mission)) or _Known()
        now = self._clock.monotonic()
        if now - known.read_at >= FRESH_S:
            had = frozenset(known.labels)
            fresh = await self._journal.read(lambda tx: _unknown(tx, workspace, mission, had))
            known = self._missions.setdefault((workspace, mission), known)
            known.labels |= {label.action: label for label in fresh}
            known.read_at = now
            self._missions.move_to_end((workspace, mission))
            while len(self._missions) > _MOST_MISSIONS:
                self._missions.popitem(last=False)
        return known

    def _remember(self, action: Action, label: Label) -> None:
        known = self._missions.setdefault((action.workspace, action.mission), _Known())
        known.labels[action.id] = label


def find_labels(tx: ReadTx, workspace: str, mission: str) -> list[Label]:
    """Everything that entered a mission, oldest first."""
    return [_label(row) for row in tx.rows(_OF_MISSION, {"of": workspace, "in_mission": mission})]


def _unknown(tx: ReadTx, workspace: str, mission: str, had: frozenset[str]) -> list[Label]:
    ids = [row["id"] for row in tx.rows(_IDS, {"of": workspace, "in_mission": mission})]
    these = [which for which in ids if which not in had]
    found: list[Label] = []
    for start in range(0, len(these), 500):
        found += [_label(row) for row in tx.rows(_ROWS, {"of": workspace, "these": these[start : start + 500]})]
    return found


def _label(row: Row) -> Label:
    found = cast("list[dict[str, str]]", orjson.loads(row["signals"]))
    what = "; ".join(dict.fromkeys(f"{each['sign']}: {each['what']}" for each in found[:3]))
    return Label(
        row["id"], Source(row["source"]), row["place"], row["score"] / _MILLI, what, unpacked(bytes(row["prints"]))
    )


def _row(action: Action, label: Label, found: Sequence[Signal], text: str, now_us: int) -> dict[str, object]:
    shown: list[dict[str, Json]] = [
        {"sign": each.sign.value, "what": each.what, "score": each.score, "start": each.start, "end": each.end}
        for each in found
    ]
    return {
        "id": action.id,
        "workspace": action.workspace,
        "mission": action.mission,
        "step": action.step,
        "source": label.source.value,
        "place": label.place,
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "characters": len(text),
        "score": round(label.score * _MILLI),
        "signals": orjson.dumps(shown).decode(),
        "prints": packed(label.prints),
        "at_us": now_us,
    }


def _place(action: Action, source: Source, redactor: Redactor) -> str:
    """``fetched https://example.com/page``; what follows a question mark is nobody's business."""
    target = action.target.partition("?")[0] if source is Source.FETCHED else action.target
    return redactor.mask(f"{source.value} {target}".strip())[:_LONGEST_PLACE]


def _pieces(outcome: Outcome) -> list[Piece]:
    """Every text of an answer, those of ``value`` in its order."""
    found = [Piece("text", outcome.text)] if outcome.text else []
    return found + [Piece("value", text) for text in leaves(outcome.value) if text]


def _given(action: Action, ending: Ending, opinion: Opinion) -> Ending:
    """What the mission gets to read: without what a classifier wants withheld."""
    outcome = ending.outcome
    if outcome is None or opinion.verdict in {Verdict.ALLOW, Verdict.ASK}:
        return ending
    if opinion.verdict is Verdict.DENY:
        message = f"What came back from this {action.kind} is withheld: {opinion.why or 'a classifier refuses it'}."
        error = Denied(message, code="guard.withheld", hint=f"remit why {action.id}", decision_id=action.id)
        return ending._replace(outcome=None, error=error)
    pieces = _pieces(outcome)
    named = [number for number in opinion.pieces if 0 <= number < len(pieces)] or range(len(pieces))
    gone = {pieces[number].text for number in named}
    value = cast("dict[str, Json]", _without(dict(outcome.value), gone))
    shown = WITHHELD if outcome.text in gone else outcome.text
    return ending._replace(outcome=replace(outcome, text=shown, value=value))


def _without(value: Json, gone: set[str]) -> Json:
    if isinstance(value, str):
        return WITHHELD if value in gone else value
    if isinstance(value, list | tuple):
        return [_without(each, gone) for each in cast("Sequence[Json]", value)]
    if isinstance(value, dict):
        return {name: _without(each, gone) for name, each in value.items()}
    return value
