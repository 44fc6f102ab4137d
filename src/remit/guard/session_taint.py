"""What a session outside missions has read: a conversation with a tool server, for instance. Kept in memory, as it is.

A mission's texts from outside are labelled in the store (``labels``). A session has no mission; what it read counts for
what it asks next in the same way, as long as it lasts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass

from remit.guard.canary import key_of
from remit.guard.provenance import CLEAN, Source, Taint, asked, prints
from remit.kernel.action import Action
from remit.redact.injection_signs import score, told
from remit.redact.redactor import Redactor

_MOST_TEXTS = 200
_INLINE = 4096  # characters; longer texts are looked at in a thread


@dataclass(frozen=True, slots=True)
class Read:
    """One text that came in: where from, and what it looks like."""

    place: str
    score: float
    signs: str
    prints: frozenset[bytes]


class Session:
    """What one session has read; the strongest signs stay, of older texts the rest is forgotten."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._reads: deque[Read] = deque(maxlen=_MOST_TEXTS)
        self._worst = Read("", 0.0, "", frozenset())

    async def read(self, text: str, place: str) -> Read:
        """Look at a text that came in; ``place`` is where from, free of secrets."""
        found = await asyncio.to_thread(self._look, text, place) if len(text) > _INLINE else self._look(text, place)
        self._reads.append(found)
        if found.score > self._worst.score:
            self._worst = found
        return found

    def taint(self, action: Action) -> Taint:
        """What rules read of an action of this session."""
        if not self._reads:
            return CLEAN
        made = prints(asked(action), key_of(self._redactor))
        outside = any(each.prints & made for each in self._reads)
        worst = self._worst
        return Taint(worst.score, worst.place, worst.signs, outside, Source.TOOL.value if outside else "")

    def _look(self, text: str, place: str) -> Read:
        from remit.redact.injection import signals  # noqa: PLC0415 - dozens of patterns, which few commands need

        found = signals(text)
        return Read(place, score(found), self._redactor.mask(told(found)) if found else "", self._prints(text))

    def _prints(self, text: str) -> frozenset[bytes]:
        return prints(text, key_of(self._redactor))


#: The session that whatever runs in this context belongs to.
SESSION: ContextVar[Session | None] = ContextVar("remit_session", default=None)


def session_taint(action: Action) -> Taint:
    """What the session in this context has read; clean outside one."""
    session = SESSION.get()
    return CLEAN if session is None else session.taint(action)
