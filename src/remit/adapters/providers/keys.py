"""Keys of providers: references that a workspace's administrator wrote, resolved inside the permit of a call.

A value is asked for where it is kept at most once in a while for each principal, and noted as used then: its journal
says who used which key, in which spans of time, and not each call (the calls themselves have rows that name their
provider). What a rule denies is denied at once, and a key that was rotated is asked for anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from remit.guard.secrets_rules import SecretsInForce
from remit.kernel.action import Action, Principal
from remit.kernel.errors import Denied, Failed
from remit.kernel.references import SCHEME, parse

KEEP_S = 30.0
MOST = 4096


class Source(Protocol):
    """What resolves references: ``guard.secrets_provider.Secrets``."""

    known: Callable[[], SecretsInForce]

    def resolve_setting(self, action: Action, text: str) -> str:
        """See there; blocks."""
        ...


class _Kept(NamedTuple):
    value: str
    until: float
    name: str
    revision: int


class ProviderKeys:
    """Values of references, for a while. Any thread or loop may use it; ``repr`` shows none.

    Args:
        source: What resolves them, with leave and record.
        monotonic: Seconds.
        keep_s: How long a value is used without being asked for again.
    """

    def __init__(self, source: Source, *, monotonic: Callable[[], float], keep_s: float = KEEP_S) -> None:
        self._source = source
        self._monotonic = monotonic
        self._keep_s = keep_s
        self._kept: dict[tuple[str, Principal, str], _Kept] = {}

    def __repr__(self) -> str:
        return f"ProviderKeys({len(self._kept)} kept)"

    async def value(self, action: Action, text: str) -> str:
        """``text`` with the value in place of its reference; a text that holds none stays as it is.

        To be called in the permit of ``action``.

        Raises:
            Denied: A rule denies it.
            Failed: It can't stand in a header (``model.key``), or can't be masked.
            NotFound, Unavailable, IntegrityError: It can't be read.
        """
        if SCHEME not in text:
            return text
        known = self._source.known()
        place = (action.workspace, action.principal, text)
        kept = self._kept.get(place)
        if kept is None or kept.until <= self._monotonic() or known.revisions.get(kept.name, 0) != kept.revision:
            kept = await self._asked(action, text, known)
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[place] = kept
        elif known.denied(kept.name, action):
            message = f"A rule denies the secret {kept.name!r} to this {action.kind}."
            raise Denied(message, code="secrets.denied", hint=f"remit secrets show {kept.name}")
        return kept.value

    async def _asked(self, action: Action, text: str, known: SecretsInForce) -> _Kept:
        placed = parse(text)
        name = "" if placed is None else placed.reference.name
        value = (await asyncio.to_thread(self._source.resolve_setting, action, text)).strip()
        if not value.isascii() or not value.isprintable():
            message = f"The secret {name!r} can't be a provider's key: it has characters that no header may hold."
            raise Failed(message, code="model.key", hint=f"remit secrets set {name}")
        return _Kept(value, self._monotonic() + self._keep_s, name, known.revisions.get(name, 0))
