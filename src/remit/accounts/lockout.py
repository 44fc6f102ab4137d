"""Guessing made slow: after some tries that did not succeed, nothing is tried for a while, twice as long each time.

Counted by whom somebody claims to be, whether there is such an account or not, and by where they come from. A try is
counted *before* it is made and given back when it succeeds, so that a thousand at once get no further than one after
the other. What was typed is kept as a keyed hash: people type passwords where names belong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.sealing import derived, tag
from remit.accounts.sign_in_tables import TRY
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import RateLimited
from remit.kernel.ports import Journal, ReadTx, Tx

SECOND_US = 1_000_000
#: So many tries are free, by account (or what claims to be one) and by address: many people may share one of those.
FREE_ACCOUNT, FREE_ADDRESS = 5, 20
LONGEST_US = 15 * 60 * SECOND_US
#: After so long without a try it is forgotten.
FORGET_US = 24 * 3600 * SECOND_US
_PREFIX6 = 64  # bits of an IPv6 address: one household or server has as many addresses as it likes below that

_AT = (TRY.c.workspace == bindparam("of"), TRY.c.subject == bindparam("about"))
_ONE = select(TRY.c.failures, TRY.c.until_us).where(*_AT)
_INSERT = insert(TRY)
_COUNT = _INSERT.on_conflict_do_update(
    index_elements=["workspace", "subject"],
    set_={
        "failures": case((TRY.c.last_us < bindparam("old"), 1), else_=TRY.c.failures + 1),
        "last_us": _INSERT.excluded.last_us,
    },
    where=TRY.c.until_us <= bindparam("at"),
)
_UNTIL = update(TRY).where(*_AT).values(until_us=bindparam("until"))
_CLEAR = delete(TRY).where(*_AT)
_BACK = (
    update(TRY)
    .where(*_AT)
    .values(failures=case((TRY.c.failures > 0, TRY.c.failures - 1), else_=0), until_us=bindparam("until"))
)
_SWEEP = delete(TRY).where(TRY.c.last_us < bindparam("old"))


@dataclass(frozen=True, slots=True)
class Subject:
    """What tries are counted by. ``account`` says which of the two kinds it is."""

    key: str
    account: bool

    @property
    def free(self) -> int:
        """How many tries are free."""
        return FREE_ACCOUNT if self.account else FREE_ADDRESS


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was counted; ``failures`` is the largest count of its subjects."""

    workspace: str
    subjects: tuple[Subject, ...]
    failures: int
    locks: bool


def wait_us(failures: int, *, free: int) -> int:
    """How long nothing is tried after so many: 0, then 1, 2, 4 … seconds, at most 15 minutes."""
    beyond = failures - free
    return 0 if beyond < 0 else min(SECOND_US << min(beyond, 40), LONGEST_US)


class Tries:
    """Counts and locks.

    Args:
        journal: Where counts stand.
        clock: Wall time.
        key: The home's key: what was typed can't be guessed from the counts without it.
    """

    def __init__(self, journal: Journal, clock: Clock, *, key: bytes) -> None:
        self._journal = journal
        self._clock = clock
        self._key = derived(key, "sign-in tries")
        self.told: dict[str, int] = {}  # by account: when it was written last that it is locked

    def subjects(self, kind: str, name: str, address: str) -> tuple[Subject, ...]:
        """What a try is counted by: the account ``name`` (for a ``kind`` of proof), and the address if there is one."""
        account = Subject(tag(self._key, kind.encode(), name.casefold().encode("utf-8", "replace")).hex(), account=True)
        if not address:
            return (account,)
        place = network_of(address)
        return account, Subject(tag(self._key, b"address", place.encode("utf-8", "replace")).hex(), account=False)

    @staticmethod
    def place(address: str) -> str:
        """What counts as one place (``network_of``)."""
        return network_of(address)

    async def begin(self, workspace: str, subjects: Sequence[Subject]) -> Try:
        """Count a try, before it is made.

        Raises:
            RateLimited: Nothing is tried now; says for how long. The same for an account that does not exist.
        """

        def op(tx: Tx) -> Try | int:
            now = micros_of(self._clock.now())
            locked = max(_locked_until(tx, workspace, each) for each in subjects)
            if locked > now:
                return locked - now
            failures, locks = 0, False
            for each in subjects:
                at: dict[str, object] = {"of": workspace, "about": each.key}
                row = {"workspace": workspace, "subject": each.key, "failures": 1, "last_us": now, "until_us": 0}
                if tx.execute(_COUNT, {**row, "old": now - FORGET_US, "at": now}) == 0:
                    return max(1, _locked_until(tx, workspace, each) - now)
                counted = int((tx.row(_ONE, at) or {"failures": 1})["failures"])
                wait = wait_us(counted, free=each.free)
                tx.execute(_UNTIL, {**at, "until": now + wait if wait else 0})
                failures, locks = max(failures, counted), locks or bool(wait)
            return Try(workspace, tuple(subjects), failures, locks)

        found = await self._journal.commit("sign_in.try", op)
        if isinstance(found, Try):
            return found
        seconds = -(-found // SECOND_US)
        span = "second" if seconds == 1 else f"{seconds} seconds"
        message = f"There were too many tries. Nothing is tried for another {span}."
        raise RateLimited(
            message,
            code="sign_in.locked",
            hint="wait, then sign in; whoever administers members can give you a link: remit users link USER",
            limit=f"{FREE_ACCOUNT} tries, then twice as long a wait after each",
            retry_after=float(seconds),
        )

    def succeeded(self, tx: Tx, tried: Try) -> None:
        """It was right: forget the account's tries, give the address its one back. In the operation that lets in."""
        for each in tried.subjects:
            at: dict[str, object] = {"of": tried.workspace, "about": each.key}
            if each.account:
                tx.execute(_CLEAR, at)
            else:
                tx.execute(_BACK, {**at, "until": 0})
        tx.execute(_SWEEP, {"old": micros_of(self._clock.now()) - FORGET_US})


def network_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the first half of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), _PREFIX6), strict=False))
    return str(found)


def _locked_until(tx: ReadTx, workspace: str, subject: Subject) -> int:
    row = tx.row(_ONE, {"of": workspace, "about": subject.key})
    return 0 if row is None else int(row["until_us"])
