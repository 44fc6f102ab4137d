"""Answers of models, kept in the store for every process of the workspace, with a small memory in front.

What is kept is what went to whoever asked: masked, whole, and never what personal data went as tokens for (the guard
sees to that). It lies encrypted under the key of the person whom it is about, else of its mission, else of all kept
answers; erasing that subject erases it. What is cleared or erased in one process is given by no other more than
``FRESH_S`` later. Other kinds than models (fetches) stay in this process's memory, as before.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

from remit.guard.cache import AnswerKey, Answers, MemoryAnswers, replayed
from remit.guard.personal_vault import subject_of
from remit.kernel.action import Action
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Model, Wire
from remit.kernel.mission import Outcome
from remit.kernel.ports import Journal, Tx
from remit.models import cache_rows
from remit.models.cache_answer import is_whole
from remit.models.cache_key import subject_hash
from remit.models.cache_rows import NOBODY, Place

MOST_BYTES = 64 << 20  # of a workspace's answers in the store
MOST_MEMORY = 8 << 20  # characters of the answers in front of it
FRESH_S = 0.5  # for so long an answer is given from memory without a look at the store
TOUCH_S = 5.0  # between notes in the store of what was given

_log = logging.getLogger(__name__)
_EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class ModelKey(AnswerKey):
    """What was asked of a model, and what must be known to keep the answer; only the first three tell keys apart."""

    place: Place = field(compare=False, default=Place("", "", "", "", ""))


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer in memory. ``read_at``: monotonic seconds of the last look at the store."""

    answer: Outcome
    until_us: int
    read_at: float
    size: int


class StoredAnswers:
    """``guard.cache.Answers`` over the store. Any thread or loop may use it.

    Args:
        journal: The store.
        clock: Wall and monotonic time.
        clean: Whether a text holds nothing that would be masked today; what does is neither kept nor given.
        most_bytes: Of one workspace's answers; the least recently used go first.
        others: Where answers of other kinds are kept.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        clean: Callable[[str], bool],
        most_bytes: int = MOST_BYTES,
        others: Answers | None = None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._clean = clean
        self._most = most_bytes
        self._others = others or MemoryAnswers(clock.monotonic)
        self._lock = threading.Lock()
        self._front: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._size = 0
        self._given: dict[tuple[str, str], tuple[int, int]] = {}
        self._noted_at = clock.monotonic()

    def key(self, action: Action, *, tapped: bool) -> AnswerKey | None:
        """By workspace, provider, model and normalised request, whoever asks (``cache_key``)."""
        effect = action.effect
        if not isinstance(effect, Model):
            return self._others.key(action, tapped=tapped)
        hashed = subject_hash(action, tapped=tapped)
        if hashed is None:
            return None
        subject = action.about or (subject_of(action.mission) if action.mission else NOBODY)
        place = Place(action.workspace, hashed, effect.target, effect.wire.value, subject)
        return ModelKey(action.workspace, action.kind, hashed, place)

    async def get(self, key: AnswerKey) -> Outcome | None:
        """The answer, unless there is none, its time is over, its subject erased, or it would be masked today.

        Raises:
            IntegrityError: The row was changed, or the store keeps no keys.
        """
        if not isinstance(key, ModelKey):
            return await self._others.get(key)
        at = (key.workspace, key.subject_hash)
        known = self._recent(at)
        if known is None:
            began = self._clock.monotonic()
            found = await self._journal.read(lambda tx: cache_rows.read(tx, *at))
            if found is None:
                self._forget(at)
                return None
            until_us, answer = found
            known = _Known(answer, until_us, began, len(_text_of(answer)))
            self._remember(at, known)
        now_us = micros_of(self._clock.now())
        if known.until_us <= now_us or not self._clean(_text_of(known.answer)):
            return None
        self._note(at, now_us)
        return known.answer

    async def put(self, key: AnswerKey, answer: Outcome, *, keep_s: float) -> None:
        """Keep a whole, good answer; anything else is passed over. Written behind: nobody waits for the store."""
        if not isinstance(key, ModelKey):
            await self._others.put(key, answer, keep_s=keep_s)
            return
        text = _text_of(answer)
        if not _is_good(answer, text, Wire(key.place.wire)) or not self._clean(text):
            return
        now_us = micros_of(self._clock.now())
        until_us = now_us + round(keep_s * 1_000_000)

        def op(tx: Tx) -> None:
            cache_rows.put(tx, key.place, answer, now_us=now_us, until_us=until_us, most=self._most)

        at = (key.workspace, key.subject_hash)
        self._remember(at, _Known(answer, until_us, self._clock.monotonic(), len(text)))
        self._submit(op)

    def note(self) -> None:
        """Write down what was given since the last time, so that it counts as used."""
        with self._lock:
            given, self._given = self._given, {}
            self._noted_at = self._clock.monotonic()
        if given:
            self._submit(lambda tx: cache_rows.note_use(tx, given))

    # ------------------------------------------------------------------------------------------------------- in front

    def _recent(self, at: tuple[str, str]) -> _Known | None:
        with self._lock:
            known = self._front.get(at)
            if known is None or self._clock.monotonic() - known.read_at >= FRESH_S:
                return None
            self._front.move_to_end(at)
            return known

    def _remember(self, at: tuple[str, str], known: _Known) -> None:
        with self._lock:
            self._drop(at)
            self._front[at] = known
            self._size += known.size
            while self._size > MOST_MEMORY:
                _, oldest = self._front.popitem(last=False)
                self._size -= oldest.size

    def _forget(self, at: tuple[str, str]) -> None:
        with self._lock:
            self._drop(at)

    def _drop(self, at: tuple[str, str]) -> None:
        before = self._front.pop(at, None)
        if before is not None:
            self._size -= before.size

    def _note(self, at: tuple[str, str], now_us: int) -> None:
        with self._lock:
            many, _ = self._given.get(at, (0, 0))
            self._given[at] = (many + 1, now_us)
            late = self._clock.monotonic() - self._noted_at >= TOUCH_S
        if late:
            self.note()

    def _submit(self, op: Callable[[Tx], None]) -> None:
        self._journal.submit("models.cache", op).add_done_callback(_told)


def _told(done: Future[None]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        _log.warning("an answer could not be kept: %s", type(error).__name__)


def _text_of(answer: Outcome) -> str:
    """All that is read of an answer: its bytes, its stream's transcript, or its document."""
    kept = replayed(answer)
    if kept is not None:
        return cast("str", answer.value["body"])
    return answer.text or canonical(answer.value).decode()


def _is_good(answer: Outcome, text: str, wire: Wire) -> bool:
    kept = replayed(answer)
    if kept is None:
        return is_whole(text, wire=wire, streamed=bool(answer.text))
    head, _ = kept
    streamed = any(name == "content-type" and value.startswith(_EVENTS) for name, value in head.headers)
    return head.status == 200 and is_whole(text, wire=wire, streamed=streamed)  # noqa: PLR2004 - HTTP's OK


async def tidy(journal: Journal, workspace: str, *, now_us: int) -> int:
    """Give up what is too old, or erased, a batch at a time; how many. Nothing due: no write."""
    gone = 0
    while await journal.read(lambda tx: cache_rows.is_untidy(tx, workspace, now_us=now_us)):
        some = await journal.commit("models.cache", lambda tx: cache_rows.tidy(tx, workspace, now_us=now_us))
        if not some:
            break
        gone += some
    return gone
