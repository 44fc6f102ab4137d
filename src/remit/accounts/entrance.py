"""What the use cases of signing in work with, put together once (by ``adapters.identity.wiring``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from remit.accounts.lockout import Tries
from remit.accounts.passwords import Hasher
from remit.accounts.provider import Provider
from remit.accounts.sealing import Box
from remit.accounts.sign_in import SignIn
from remit.accounts.sign_in_terms import SignInTerms
from remit.accounts.sign_in_tokens import TokenWord
from remit.kernel.clock import Clock, micros_of
from remit.kernel.plain import plain
from remit.kernel.ports import Journal

_LONGEST_AGENT = 120


@dataclass(frozen=True, slots=True)
class Visit:
    """From where somebody comes: their address, and what their program calls itself. Both are shown to them."""

    address: str = ""
    agent: str = ""

    @property
    def shown_agent(self) -> str:
        """Short and harmless."""
        return plain(self.agent, limit=_LONGEST_AGENT)


class ByMail(Protocol):
    """Works on requests for a new password after they were answered (``accounts.resets.Resets``)."""

    def begin(self, entrance: Entrance, login: str, *, workspace: str, visit: Visit) -> None:
        """Work on one, soon."""
        ...

    async def settled(self) -> None:
        """Wait until every one has been worked on."""
        ...


@dataclass(frozen=True, slots=True)
class Entrance:
    """Everything that signing in needs.

    Attributes:
        journal: The store.
        clock: Wall time.
        rand: Random bytes, such as ``secrets.token_bytes``.
        hasher: Hashes passwords.
        sign_in: Recognises who asks; told when something ended.
        tries: Makes guessing slow.
        seeds: Seals the seeds of second factors.
        notes: Seals what a browser carries between two steps of a sign-in.
        refresh_key: Ties a refresh token to the one before.
        workspace: Where people sign in unless they name another one.
        provider: The OpenID provider that people may sign in by; ``None``: there is none.
        api_word: What API keys of this install begin with.
        resets: Mails links for a forgotten password; ``None``: this install sends none.
    """

    journal: Journal
    clock: Clock
    rand: Callable[[int], bytes]
    hasher: Hasher
    sign_in: SignIn
    tries: Tries
    seeds: Box
    notes: Box
    refresh_key: bytes
    workspace: str
    provider: Provider | None = None
    api_word: TokenWord = TokenWord.TEST
    resets: ByMail | None = None

    @property
    def terms(self) -> SignInTerms:
        """How long what holds."""
        return self.sign_in.terms

    def now_us(self) -> int:
        """The wall clock, in microseconds since the epoch."""
        return micros_of(self.clock.now())
