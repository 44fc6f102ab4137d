"""Virtual keys: a token by which a program outside acts as a registered agent, on behalf of a person.

A key opens no way of its own. Whoever shows it is the agent that it names, and everything asked with it passes the
guard as that agent's: kills, rules, approvals, rates and budgets hold, and the key may narrow them further. There is no
key without an agent, so none that skips anything. ``key_orders`` makes, rotates and revokes them.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from threading import Lock

import orjson
from sqlalchemy import bindparam, or_, select, update

from remit.accounts.key_tables import KEY_TOKEN, VIRTUAL_KEY
from remit.accounts.key_tokens import PREFIX, digest_of, prefix_of, shown_of
from remit.accounts.reach import ANY, model_problem
from remit.accounts.shared_reads import SharedReads
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Wire
from remit.kernel.errors import InvalidInput, RemitError, Unavailable
from remit.kernel.ports import Journal, ReadTx, Row, Tx

#: As ``guard.standing``: known for so long, and no answer rather than an older one. Seconds.
OLDEST_S = 0.25
REFRESH_S = 0.1
YOUNG_S = 0.15  # who finds nothing fresh waits for a read that is under way, if it began at most so long ago
#: That a token was used, or refused, is written at most so often. Microseconds.
SEEN_US = 60_000_000
#: How many tokens are remembered, those that don't exist among them.
MOST_KNOWN = 10_000

#: Why a token that exists is turned away; the empty one: it is not.
_REASONS = ("", "wrong", "expired", "revoked", "rotated", "address")

_ID = re.compile(r"[a-z][a-z0-9_-]{0,47}")

_FIND = (
    select(KEY_TOKEN.c.digest, KEY_TOKEN.c.until_us, KEY_TOKEN.c.used_us, VIRTUAL_KEY)
    .join(
        VIRTUAL_KEY,
        (VIRTUAL_KEY.c.workspace == KEY_TOKEN.c.workspace) & (VIRTUAL_KEY.c.id == KEY_TOKEN.c.key),
    )
    .where(KEY_TOKEN.c.prefix == bindparam("begins"))
)
_OF_WORKSPACE = select(VIRTUAL_KEY).where(VIRTUAL_KEY.c.workspace == bindparam("of")).order_by(VIRTUAL_KEY.c.id)
_USED = (
    update(KEY_TOKEN)
    .where(
        KEY_TOKEN.c.prefix == bindparam("begins"),
        or_(KEY_TOKEN.c.used_us.is_(None), KEY_TOKEN.c.used_us < bindparam("at")),
    )
    .values(used_us=bindparam("at"))
)


class KeyScope(StrEnum):
    """What a key opens: the gateway's operations by name, and tools."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"  # counting their tokens as well
    EMBEDDINGS = "embeddings"
    MODELS = "models"  # the list of models
    TOOLS = "tools"  # those that its agent may call


#: What a key opens unless it is said otherwise.
WIRES = frozenset({KeyScope.CHAT, KeyScope.RESPONSES, KeyScope.MESSAGES, KeyScope.EMBEDDINGS, KeyScope.MODELS})

SCOPE_OF: Mapping[Wire, KeyScope] = {
    Wire.CHAT: KeyScope.CHAT,
    Wire.RESPONSES: KeyScope.RESPONSES,
    Wire.MESSAGES: KeyScope.MESSAGES,
    Wire.COUNT_TOKENS: KeyScope.MESSAGES,
    Wire.EMBEDDINGS: KeyScope.EMBEDDINGS,
}


@dataclass(frozen=True, slots=True)
class Key:
    """A virtual key. ``id`` is the name that it was given, for good: limits, budgets and usage are counted by it.

    Attributes:
        workspace: Whose.
        id: Its name there.
        agent: The registered agent that whoever shows it acts as.
        owner: The user on whose behalf it acts; they answer for it.
        models: Which models it may ask, as patterns (``accounts.reach``), within what its agent may.
        scopes: What it opens.
        addresses: The networks that it may be shown from (``192.0.2.0/24``); empty: any.
        created_us: When it was made, in microseconds since the epoch, as the next ones.
        expires_us: From when on it doesn't hold any more; ``None``: never by itself.
        revoked_us: Since when it is revoked; ``None``: it isn't.

    Raises:
        InvalidInput: It can't be a key; every problem is named.
    """

    workspace: str
    id: str
    agent: str
    owner: str
    models: frozenset[str] = frozenset({ANY})
    scopes: frozenset[KeyScope] = WIRES
    addresses: tuple[str, ...] = ()
    created_us: int = 0
    expires_us: int | None = None
    revoked_us: int | None = None
    principal: Principal = field(init=False, compare=False)
    on_behalf_of: Principal = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "principal", Principal(ActorKind.AGENT, self.agent))
        object.__setattr__(self, "on_behalf_of", Principal(ActorKind.USER, self.owner))
        problems = [found for pattern in sorted(self.models) if (found := model_problem(pattern))]
        if not _ID.fullmatch(self.id):
            problems.append(f"the name {self.id[:60]!r} is no lower-case word of at most 48 letters, digits, - and _")
        if not self.scopes:
            problems.append("it opens nothing: name a scope")
        problems += [found for text in self.addresses if (found := _network_problem(text))]
        if problems:
            message = f"The key can't be made: {'; '.join(problems)}."
            raise InvalidInput(message, code="keys.key", hint="remit keys create --help", problems=tuple(problems))

    @property
    def name(self) -> str:
        """Its name, which is its id."""
        return self.id

    def opens(self, scope: KeyScope) -> bool:
        """Whether it opens this."""
        return scope in self.scopes

    def admits(self, address: str) -> bool:
        """Whether it may be shown from this address; with no address named, only where every address will do."""
        if not self.addresses:
            return True
        try:
            asked = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(asked, ipaddress.IPv6Address) and asked.ipv4_mapped is not None:
            asked = asked.ipv4_mapped
        return any(asked in ipaddress.ip_network(network) for network in self.addresses)

    def status(self, now_us: int) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_us is not None:
            return "revoked"
        return "expired" if self.expires_us is not None and self.expires_us <= now_us else "active"

    def as_json(self) -> dict[str, Json]:
        """What it is, without any token."""
        return {
            "key": self.id,
            "agent": self.agent,
            "owner": self.owner,
            "models": sorted(self.models),
            "scopes": sorted(scope.value for scope in self.scopes),
            "addresses": list(self.addresses),
            "created_at": iso(self.created_us),
            "expires_at": None if self.expires_us is None else iso(self.expires_us),
            "revoked_at": None if self.revoked_us is None else iso(self.revoked_us),
        }


def key_of(row: Row) -> Key:
    """The key that a row of ``VIRTUAL_KEY`` is."""
    return Key(
        workspace=row["workspace"],
        id=row["id"],
        agent=row["agent"],
        owner=row["owner"],
        models=frozenset(orjson.loads(row["models"])),
        scopes=frozenset(KeyScope(scope) for scope in orjson.loads(row["scopes"])),
        addresses=tuple(orjson.loads(row["addresses"])),
        created_us=row["created_us"],
        expires_us=row["expires_us"],
        revoked_us=row["revoked_us"],
    )


def read_keys(tx: ReadTx, workspace: str) -> dict[str, Key]:
    """Every key of a workspace by its id, revoked ones too."""
    return {row["id"]: key_of(row) for row in tx.rows(_OF_WORKSPACE, {"of": workspace})}


class Snapshots:
    """A workspace's keys, parsed once for each change of any: ``stamp`` is ``GATEWAY.stamp``, new with every order.

    A stamp is never used twice, in any store: what is known of one is true for ever.
    """

    __slots__ = ("_known", "_lock", "_most")

    def __init__(self, most: int = 256) -> None:
        self._known: OrderedDict[tuple[str, str], Mapping[str, Key]] = OrderedDict()
        self._lock = Lock()
        self._most = most

    def read(self, tx: ReadTx, workspace: str, stamp: str) -> Mapping[str, Key]:
        """The keys; read when the stamp is a new one."""
        if not stamp:
            return {}
        with self._lock:
            known = self._known.get((workspace, stamp))
        if known is None:
            known = read_keys(tx, workspace)
            with self._lock:
                self._known[workspace, stamp] = known
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return known


@dataclass(slots=True)
class _Known:
    """What the store said of a prefix; ``key`` is ``None`` when there is no such token."""

    read_at: float
    digest: str = ""
    until_us: int | None = None
    key: Key | None = None


class Keys:
    """Finds the key of a token. Any task may ask; what is known of a token is at most 250 ms old.

    Args:
        journal: Where keys stand.
        clock: Wall and monotonic time.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._reads: SharedReads[_Known] = SharedReads(clock, young_s=YOUNG_S)
        self._seen: dict[tuple[str, str], int] = {}  # when a use (or a refusal, by its reason) was written last
        self.refused: dict[str, int] = {}  # how many tokens did not hold, by why; for metrics

    async def find(self, token: str, *, address: str = "") -> Key | None:
        """The key of ``token``, if it holds now and may be shown from ``address``; ``None`` for every other reason.

        Why not is nobody's business who shows one: it is counted in ``refused`` and, for a token that is or was one,
        written into the audit log, at most once a minute for each reason.

        Raises:
            Unavailable: Keys can't be read: nobody is let in.
        """
        known = self._fresh(token)
        if known is None:
            prefix = prefix_of(token)
            if not prefix:
                return self._refuse("malformed")
            known = await self._read(prefix)
        return self._judge(known, token, address)

    def known(self, token: str, *, address: str = "") -> Key | None:
        """As ``find`` without waiting, if what is known of the token is fresh; ``None``: ask ``find``."""
        known = self._fresh(token)
        return None if known is None or known.key is None else self._judge(known, token, address)

    def _fresh(self, token: str) -> _Known | None:
        prefix = token[:PREFIX]
        known = self._known.get(prefix)
        if known is None:
            return None
        age = self._clock.monotonic() - known.read_at
        if age <= REFRESH_S:
            return known
        if age <= OLDEST_S and known.key is not None:
            self._reads.begin(prefix, partial(self._ask, prefix))  # ahead of need: who asks on and on never waits
            return known
        return None

    async def _read(self, prefix: str) -> _Known:
        try:
            return await self._reads.read(prefix, partial(self._ask, prefix))
        except Exception as error:
            message = "Keys can't be read, so none is let in."
            raise Unavailable(message, code="keys.unreadable", hint="remit doctor") from error

    async def _ask(self, prefix: str, read_at: float) -> _Known:
        row = await self._journal.read(lambda tx: tx.row(_FIND, {"begins": prefix}))
        if row is None:
            found = _Known(read_at)
        else:
            found = _Known(read_at, row["digest"], row["until_us"], key_of(row))
            if row["used_us"] is not None:
                self._seen[prefix, ""] = max(int(row["used_us"]), self._seen.get((prefix, ""), 0))
        known = self._known.get(prefix)
        if known is None or known.read_at <= read_at:
            self._known[prefix] = found
            self._known.move_to_end(prefix)
            while len(self._known) > MOST_KNOWN:
                gone, _ = self._known.popitem(last=False)
                for reason in _REASONS:
                    self._seen.pop((gone, reason), None)
        return found

    def _judge(self, known: _Known, token: str, address: str) -> Key | None:
        # Compared though there is nothing to compare with: that a prefix exists is not told by the time it takes.
        same = hmac.compare_digest(digest_of(token), known.digest or "0" * 64)
        key = known.key
        if key is None:
            return self._refuse("unknown")
        prefix = token[:PREFIX]
        if not same:
            return self._refuse("wrong", key, prefix)
        now_us = micros_of(self._clock.now())
        status = key.status(now_us)
        if status != "active":
            return self._refuse(status, key, prefix)
        if known.until_us is not None and known.until_us <= now_us:
            return self._refuse("rotated", key, prefix)
        if not key.admits(address):
            return self._refuse("address", key, prefix)
        if now_us - self._seen.get((prefix, ""), 0) >= SEEN_US:
            self._note(prefix, "", key, now_us)
        return key

    def _refuse(self, reason: str, key: Key | None = None, prefix: str = "") -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        if key is not None:
            now_us = micros_of(self._clock.now())
            if now_us - self._seen.get((prefix, reason), 0) >= SEEN_US:
                self._note(prefix, reason, key, now_us)

    def _note(self, prefix: str, reason: str, key: Key, now_us: int) -> None:
        """Write that a token was used or refused, some time soon: nobody waits for it, and nothing hangs on it."""
        self._seen[prefix, reason] = now_us
        write = _refused(key, prefix, reason) if reason else _used(prefix, now_us)
        with suppress(RemitError):
            self._journal.submit("accounts.key", write)


def _used(prefix: str, now_us: int) -> Callable[[Tx], None]:
    def op(tx: Tx) -> None:
        tx.execute(_USED, {"begins": prefix, "at": now_us})

    return op


def _refused(key: Key, prefix: str, reason: str) -> Callable[[Tx], None]:
    entry = Entry(
        actor=Principal(ActorKind.SYSTEM, "keys"),
        action="accounts.key.refused",
        domain="accounts",
        result=Result.BLOCKED,
        workspace=key.workspace,
        reason=reason,
        subject=key.id,
    )

    def op(tx: Tx) -> None:
        tx.append(entry, {"agent": key.agent, "begins": shown_of(prefix)})

    return op


def patterns(models: Iterable[str]) -> frozenset[str]:
    """Patterns of models; any when none is given."""
    return frozenset(models) or frozenset({ANY})


def _network_problem(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return f"{text[:60]!r} is no network: 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
    return ""
