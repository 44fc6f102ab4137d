"""Answers of reads, kept for a while when the caller allows it: a hit is recorded as such and costs nothing.

Kept by workspace, kind and a hash of what was asked. By ``MemoryAnswers`` that is the subject hash, which covers who
asks and for whom; ``models.cache`` keeps answers of models for the whole workspace. Only what may be repeated and
changes nothing outside is kept (fetches with GET or HEAD, model calls), and nothing where personal data went as tokens.
The cache is a convenience: when it fails or is slow, the service is asked as if there were none.

An answer whose bytes went to a tap is kept as those bytes; ``replayed`` gives them back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, cast

from remit.kernel.action import Action
from remit.kernel.effects import Fetch, Model
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO
from remit.kernel.permits import Head, Tap
from remit.kernel.usage import Usage

PATIENCE_S = 0.25
MOST = 1024
LARGEST = 1 << 20  # characters of an answer that is kept

_STATUS, _HEADERS, _BODY = "status", "headers", "body"  # of an answer whose bytes are kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """What was asked, and by whom where that matters."""

    workspace: str
    kind: str
    subject_hash: str


class Answers(Protocol):
    """Where answers are kept."""

    def key(self, action: Action, *, tapped: bool) -> AnswerKey | None:
        """What an answer to ``action`` is kept under; ``None``: it is not kept.

        Args:
            action: A ``keepable`` one.
            tapped: Whether its bytes go to a tap: then they are what is kept.
        """
        ...

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

    def key(self, action: Action, *, tapped: bool) -> AnswerKey:
        """By who asks, for whom, the target and the whole request."""
        kind = f"{action.kind}, tapped" if tapped else action.kind
        return AnswerKey(action.workspace, kind, action.subject_hash)

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


class Recorder:
    """A tap that passes on what it gets and keeps a copy, up to ``LARGEST`` bytes."""

    __slots__ = ("_head", "_pieces", "_size", "_tap")

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._size = 0

    async def begin(self, head: Head) -> None:
        """As ``Tap.begin``."""
        self._head = head
        await self._tap.begin(head)

    async def write(self, data: bytes) -> None:
        """As ``Tap.write``."""
        self._size += len(data)
        if self._size <= LARGEST:
            self._pieces.append(data)
        elif self._pieces:
            self._pieces.clear()
        await self._tap.write(data)

    def kept(self, done: Outcome) -> Outcome | None:
        """What can be given again: the bytes as they went on. ``None``: they were too many, or are no text."""
        if self._head is None or self._size > LARGEST:
            return None
        try:
            body = b"".join(self._pieces).decode()
        except UnicodeDecodeError:
            return None
        headers = [list(each) for each in self._head.headers]
        value = {_STATUS: self._head.status, _HEADERS: headers, _BODY: body}
        return replace(done, value=value, text="")


def replayed(done: Outcome) -> tuple[Head, bytes] | None:
    """How an answer that was kept began, and its bytes, exactly as they went out; ``None``: it is not such a one."""
    value = done.value
    if not done.usage.kept or not isinstance(body := value.get(_BODY), str):
        return None
    pairs = cast("list[list[str]]", value.get(_HEADERS))
    return Head(cast("int", value.get(_STATUS)), tuple((name, text) for name, text in pairs)), body.encode()


def key_of(answers: Answers, action: Action, *, tapped: bool) -> AnswerKey | None:
    """What an answer to ``action`` is looked for and kept under; ``None``: it isn't kept."""
    if not keepable(action):
        return None
    try:
        return answers.key(action, tapped=tapped)
    except Exception as error:  # noqa: BLE001 - whatever ails the cache, the service is asked instead
        _log.warning("the cache of answers has no key: %s", type(error).__name__)
        return None


async def recall(answers: Answers, key: AnswerKey) -> Outcome | None:
    """The kept answer; ``None`` also when the cache does not answer itself."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answers.get(key)
    except Exception as error:  # noqa: BLE001 - whatever ails the cache, the service is asked instead
        _log.warning("the cache of answers can't be read: %s", type(error).__name__)
        return None


async def keep(answers: Answers, key: AnswerKey, answer: Outcome | None, *, keep_s: float) -> None:
    """Keep a good answer; that it could not be kept is logged and nothing else."""
    if answer is None or not answer.ok or len(answer.text) > LARGEST:
        return
    usage = Usage(answer.usage.provider, answer.usage.model, kept=True, saved=answer.cost)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await answers.put(key, replace(answer, cost=ZERO, usage=usage), keep_s=keep_s)
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("the cache of answers can't be written: %s", type(error).__name__)
