"""Recognises who asks, by a console session, an access token or an API key. The service that servers are given.

What is known of a token is at most 250 ms old, so a sign-out, a revoked key and a removed account hold everywhere from
then on (here at once), and when the store gives no answer nobody is recognised.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import orjson
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.sql.base import Executable

from remit.accounts.access import ACTIVE
from remit.accounts.access_tokens import AccessTokens, Claims
from remit.accounts.known import EVERY_SCOPE, ONLY_ACCOUNT, Known, Via, scopes_of
from remit.accounts.shared_reads import SharedReads
from remit.accounts.sign_in_tables import API_KEY, SESSION
from remit.accounts.sign_in_terms import SignInTerms
from remit.accounts.sign_in_tokens import TokenWord, api_prefix_of, digest_of, well_formed
from remit.accounts.tables import USER
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import RemitError, Unavailable
from remit.kernel.ports import Journal, Params, Row, Tx

#: For how long what the store said is believed. Seconds.
OLDEST_S = 0.2
#: Who asks so soon after another one is told what that one is told. Seconds.
YOUNG_S = 0.05
#: That a session or a key was used is written at most so often. Microseconds.
SEEN_US = 60_000_000
#: How many tokens are remembered, those that hold for nothing among them.
MOST_KNOWN = 10_000

CONSOLE, PROGRAM = "console", "program"

_PERSON = (USER.c.workspace == SESSION.c.workspace) & (USER.c.id == SESSION.c.person)
_OF_SESSION = select(SESSION, USER.c.status.label("standing")).join(USER, _PERSON)
_BY_TOKEN = _OF_SESSION.where(SESSION.c.token_hash == bindparam("hashed"), SESSION.c.kind == CONSOLE)
_BY_ID = _OF_SESSION.where(SESSION.c.id == bindparam("which"), SESSION.c.kind == PROGRAM)
_BY_PREFIX = (
    select(API_KEY, USER.c.status.label("standing"))
    .join(USER, (USER.c.workspace == API_KEY.c.workspace) & (USER.c.id == API_KEY.c.person))
    .where(API_KEY.c.prefix == bindparam("begins"))
)
_SEEN = (
    update(SESSION)
    .where(SESSION.c.id == bindparam("which"), SESSION.c.seen_us < bindparam("at"))
    .values(seen_us=bindparam("at"))
)
_USED = (
    update(API_KEY)
    .where(API_KEY.c.id == bindparam("which"), or_(API_KEY.c.used_us.is_(None), API_KEY.c.used_us < bindparam("at")))
    .values(used_us=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the store said at a moment; ``row`` is ``None`` when there is nothing."""

    read_at: float
    row: Row | None


class SignIn:
    """Any task may ask.

    Args:
        journal: Where sessions and keys stand.
        clock: Wall and monotonic time.
        terms: How long what holds.
        tokens: Reads access tokens.
    """

    def __init__(self, journal: Journal, clock: Clock, *, terms: SignInTerms, tokens: AccessTokens) -> None:
        self._journal = journal
        self._clock = clock
        self.terms = terms
        self.tokens = tokens
        self._known: OrderedDict[str, _Read] = OrderedDict()
        self._reads: SharedReads[Row | None] = SharedReads(clock, young_s=YOUNG_S)
        self._forgot = 0
        self._seen: dict[str, int] = {}  # by id: when a use was seen last
        self._written: dict[str, int] = {}  # by id: which of them was written last

    async def session(self, token: str, *, address: str = "") -> Known | None:
        """Who the console session with this cookie belongs to; ``None``: nobody's, or it holds no longer.

        Raises:
            Unavailable: Sessions can't be read: nobody is let in.
        """
        if not well_formed(token, TokenWord.SESSION):
            return None
        hashed = digest_of(token)
        row = await self._read(hashed, _BY_TOKEN, {"hashed": hashed})
        if row is None or not self._holds(row):
            return None
        if self.now_us() - max(row["seen_us"], self._seen.get(row["id"], 0)) >= self.terms.idle_us:
            return None
        self._note(row["id"], row["seen_us"], _SEEN)
        return _of_session(row, Via.SESSION, EVERY_SCOPE, address)

    async def access(self, token: str, *, address: str = "") -> Known | None:
        """Who an access token speaks for; ``None``: nobody, it expired, or its session ended.

        Raises:
            Unavailable: Sessions can't be read: nobody is let in.
        """
        claims = self.tokens.read(token)
        if claims is None:
            return None
        row = await self._read(claims.session, _BY_ID, {"which": claims.session})
        if row is None or not self._holds(row) or not _speaks_for(claims, row):
            return None
        self._note(row["id"], row["seen_us"], _SEEN)
        return _of_session(row, Via.TOKEN, claims.scopes, address)

    async def key(self, token: str, *, address: str = "") -> Known | None:
        """Whose API key this is; ``None``: nobody's, or it expired or was revoked.

        Raises:
            Unavailable: Keys can't be read: nobody is let in.
        """
        prefix = api_prefix_of(token)
        if not prefix:
            return None
        row = await self._read(prefix, _BY_PREFIX, {"begins": prefix})
        # Compared though there is nothing to compare with: that a prefix exists is not told by the time it takes.
        same = hmac.compare_digest(digest_of(token), "0" * 64 if row is None else row["digest"])
        if row is None or not same or row["standing"] != ACTIVE:
            return None
        if row["revoked_us"] is not None or row["expires_us"] <= self.now_us():
            return None
        self._note(row["id"], row["used_us"] or 0, _USED)
        who = Principal(ActorKind.USER, row["person"])
        return Known(who, row["workspace"], Via.KEY, scopes_of(orjson.loads(row["scopes"])), row["id"], address)

    def forget(self) -> None:
        """Ask the store again for everything: something was ended here, and holds for nothing from now on."""
        self._forgot += 1  # what is being read was begun before
        self._known.clear()
        self._reads.forget()

    def now_us(self) -> int:
        """The wall clock, in microseconds since the epoch."""
        return micros_of(self._clock.now())

    def _holds(self, row: Row) -> bool:
        return row["ended_us"] is None and row["standing"] == ACTIVE and row["expires_us"] > self.now_us()

    async def _read(self, name: str, stmt: Executable, params: Params) -> Row | None:
        known = self._known.get(name)
        if known is not None and self._clock.monotonic() - known.read_at <= OLDEST_S:
            return known.row
        try:
            return await self._reads.read(name, partial(self._ask, name, stmt, params))
        except Exception as error:
            message = "Sessions and keys can't be read, so nobody is let in."
            raise Unavailable(message, code="sign_in.unreadable", hint="remit doctor") from error

    async def _ask(self, name: str, stmt: Executable, params: Params, read_at: float) -> Row | None:
        forgot = self._forgot
        row = await self._journal.read(lambda tx: tx.row(stmt, params))
        newer = self._known.get(name)
        if forgot == self._forgot and (newer is None or newer.read_at <= read_at):
            self._known[name] = _Read(read_at, row)
            self._known.move_to_end(name)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return row

    def _note(self, which: str, stored_us: int, stmt: Executable) -> None:
        """Remember a use, and write it some time soon: nobody waits for it, and only the idle time hangs on it."""
        now = self.now_us()
        self._seen[which] = now
        if now - max(stored_us, self._written.get(which, 0)) < SEEN_US:
            return
        if len(self._seen) > MOST_KNOWN:
            self._seen = {which: now}
            self._written.clear()
        self._written[which] = now
        with suppress(RemitError):
            self._journal.submit("sign_in.seen", _touch(stmt, which, now))


def _touch(stmt: Executable, which: str, at_us: int) -> Callable[[Tx], None]:
    def op(tx: Tx) -> None:
        tx.execute(stmt, {"which": which, "at": at_us})

    return op


def _speaks_for(claims: Claims, row: Row) -> bool:
    return claims.person == row["person"] and claims.workspace == row["workspace"]


def _of_session(row: Row, via: Via, scopes: frozenset[str], address: str) -> Known:
    who = Principal(ActorKind.USER, row["person"])
    held = ONLY_ACCOUNT if row["limited"] else scopes
    return Known(who, row["workspace"], via, held, row["id"], address)
