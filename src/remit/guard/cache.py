"""Answers of reads, kept for a while when the caller allows it: a hit is recorded as such and costs nothing.

Kept by workspace, kind and subject hash, which covers who asks, for whom, the target and the whole request: nobody
reads what somebody else was answered. Only what may be repeated and changes nothing outside is kept (fetches with GET
or HEAD, model calls). The cache is a convenience: when it fails or is slow, the service is asked as if there were none.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from remit.kernel.action import Action
from remit.kernel.effects import Fetch, Model
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO

PATIENCE_S = 0.25
MOST = 1024
LARGEST = 1 << 20  # characters of an answer that is kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """What was asked, by whom."""

    workspace: str
    kind: str
    subject_hash: str


class Answers(Protocol):
    """Where answers are kept."""

    async def get(self, key: AnswerKey) -> Outcome | None:
        """The answer, unless there is none or its time is over."""
        ...

    async def put(self, key: AnswerKey, answer: Outcome, *, keep_s: float) -> None:
        """Keep it for ``keep_s`` seconds."""
        ...


class MemoryAnswers:
    """The newest ``most`` answers of this process. Any thread or loop may use it."""

    def __init__(self, monotonic: Callable[[], float], *, most: int = MOST) -> None:
        self._monotonic = monotonic
        self._most = most
        self._kept: OrderedDict[AnswerKey, tuple[float, Outcome]] = OrderedDict()
        self._lock = threading.Lock()

    async def get(self, key: AnswerKey) -> Outcome | None:
        """The answer, unless there is none or its time is over."""
        with self._lock:
            until, answer = self._kept.get(key, (0.0, None))
            if answer is not None and until <= self._monotonic():
                del self._kept[key]
                return None
            return answer

    async def put(self, key: AnswerKey, answer: Outcome, *, keep_s: float) -> None:
        """Keep it for ``keep_s`` seconds, or until so many newer ones are kept."""
        with self._lock:
            self._kept[key] = (self._monotonic() + keep_s, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def keepable(action: Action) -> bool:
    """Whether an answer may stand for another call: a read that changes nothing."""
    effect = action.effect
    return isinstance(effect, Model) or (isinstance(effect, Fetch) and effect.method.upper() in {"GET", "HEAD"})


async def recall(answers: Answers, action: Action) -> Outcome | None:
    """The kept answer to ``action``; ``None`` also when the cache does not answer itself."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answers.get(_key(action))
    except Exception as error:  # noqa: BLE001 - whatever ails the cache, the service is asked instead
        _log.warning("the cache of answers can't be read: %s", type(error).__name__)
        return None


async def keep(answers: Answers, action: Action, answer: Outcome, *, keep_s: float) -> None:
    """Keep a good answer; that it could not be kept is logged and nothing else."""
    if not answer.ok or len(answer.text) > LARGEST:
        return
    try:
        async with asyncio.timeout(PATIENCE_S):
            await answers.put(_key(action), replace(answer, cost=ZERO), keep_s=keep_s)
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("the cache of answers can't be written: %s", type(error).__name__)


def _key(action: Action) -> AnswerKey:
    return AnswerKey(action.workspace, action.kind, action.subject_hash)
