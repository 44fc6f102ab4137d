"""Orders about virtual keys: make one, give it a new token, revoke it. Audited; agents give none of them.

A token is in the answer to the order that made it and nowhere else: of it the store has the hash (``key_tokens``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.accounts.access import lock
from remit.accounts.agents import AgentStatus, administer, check_owner, find_agent
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, add_limit
from remit.accounts.key_tables import GATEWAY, KEY_TOKEN, VIRTUAL_KEY
from remit.accounts.key_tokens import PREFIX, Word, digest_of, new_token, prefix_of, shown_of
from remit.accounts.keys import Key, KeyScope, key_of, read_keys
from remit.accounts.people import find_person
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx

_INSERT, _ADD_TOKEN = insert(VIRTUAL_KEY), insert(KEY_TOKEN)
_BY_ID = select(VIRTUAL_KEY).where(VIRTUAL_KEY.c.workspace == bindparam("of"), VIRTUAL_KEY.c.id == bindparam("called"))
_TOKENS = select(KEY_TOKEN).where(KEY_TOKEN.c.workspace == bindparam("of")).order_by(KEY_TOKEN.c.created_us)
_REVOKE = (
    update(VIRTUAL_KEY)
    .where(
        VIRTUAL_KEY.c.workspace == bindparam("of"),
        VIRTUAL_KEY.c.id == bindparam("called"),
        VIRTUAL_KEY.c.revoked_us.is_(None),
    )
    .values(revoked_us=bindparam("at"), revoked_by=bindparam("by"))
)
_END_TOKENS = (
    update(KEY_TOKEN)
    .where(
        KEY_TOKEN.c.workspace == bindparam("of"),
        KEY_TOKEN.c.key == bindparam("called"),
        or_(KEY_TOKEN.c.until_us.is_(None), KEY_TOKEN.c.until_us > bindparam("at")),
    )
    .values(until_us=bindparam("at"))
)
_STAMP = upsert(GATEWAY)
_RESTAMP = _STAMP.on_conflict_do_update(index_elements=[GATEWAY.c.workspace], set_={"stamp": _STAMP.excluded.stamp})


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token of a key, as far as it may be shown."""

    prefix: str
    created_us: int
    until_us: int | None
    used_us: int | None

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "begins": shown_of(self.prefix),
            "created_at": iso(self.created_us),
            "until": None if self.until_us is None else iso(self.until_us),
            "used_at": None if self.used_us is None else iso(self.used_us),
        }


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key with its tokens, and where it stands."""

    key: Key
    status: str
    tokens: tuple[TokenView, ...]

    @property
    def used_us(self) -> int | None:
        """When any of its tokens was used last, to the minute."""
        return max((token.used_us for token in self.tokens if token.used_us is not None), default=None)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            **self.key.as_json(),
            "status": self.status,
            "used_at": None if self.used_us is None else iso(self.used_us),
            "tokens": [token.as_json() for token in self.tokens],
        }


async def create_key(
    journal: Journal,
    key: Key,
    *,
    by: Principal,
    clock: Clock,
    rand: Callable[[int], bytes],
    word: Word = Word.LIVE,
    budget: Money | None = None,
) -> str:
    """Make a key; the answer is its token, which nothing else ever tells.

    Args:
        journal: The store.
        key: What it may; ``created_us`` is set here. With no owner, its agent's owner answers for it.
        by: Who orders it.
        clock: Wall time.
        rand: Random bytes, such as ``secrets.token_bytes``.
        word: What kind of home this is.
        budget: What it may spend a month; ``None``: no limit of its own.

    Raises:
        Refused: ``by`` is an agent, or may not administer the agent; or its owner may do more than ``by``.
        NotFound: There is no such agent, or no such owner.
        Conflict: The name is taken, by a revoked key too; or the agent is retired.
        InvalidInput: It opens what its agent may not ask for, or would have expired already.
    """
    token, stamp = new_token(rand, word=word), new_id()

    def op(tx: Tx) -> None:
        now_us = micros_of(clock.now())
        lock(tx, key.workspace)
        agent = find_agent(tx, workspace=key.workspace, name=key.agent)
        administer(tx, by, workspace=key.workspace, team=agent.team)
        owner = key.owner or agent.owner
        find_person(tx, workspace=key.workspace, user=owner)
        check_owner(tx, by, owner, workspace=key.workspace)
        if tx.row(_BY_ID, {"of": key.workspace, "called": key.id}) is not None:
            message = f"There is a key {key.id!r} already, or there was: names of keys are given once."
            raise Conflict(message, code="keys.taken", hint="remit keys list")
        if agent.status is AgentStatus.RETIRED:
            message = f"The agent {agent.name!r} is retired: nothing acts as it any more."
            raise Conflict(message, code="keys.retired", hint="remit agents")
        _check_opens(key, agent.effects, now_us)
        tx.execute(_INSERT, _row(key, owner, by, now_us))
        tx.execute(_ADD_TOKEN, _token_row(key.workspace, key.id, token, now_us))
        if budget is not None:
            add_limit(
                tx,
                workspace=key.workspace,
                scope=BudgetScope.KEY,
                name=key.id,
                limit=budget,
                period=Period.MONTH,
                by=by,
                now_us=now_us,
            )
        _restamp(tx, key.workspace, stamp)
        told = key.as_json() | {"owner": owner, "created_at": iso(now_us), "begins": shown_of(token[:PREFIX])}
        told["budget_micros"] = None if budget is None else budget.micros
        tx.append(_entry("created", key.workspace, key.id, by), told)

    await journal.commit("accounts.key", op)
    return token


async def rotate_key(
    journal: Journal,
    name: str,
    *,
    workspace: str,
    by: Principal,
    clock: Clock,
    rand: Callable[[int], bytes],
    overlap_us: int = 0,
    word: Word = Word.LIVE,
) -> str:
    """Give a key a new token, which is the answer; those it had hold for ``overlap_us`` more.

    Its name, limits, budgets and usage stay.

    Raises:
        Refused: ``by`` is an agent, or may not administer the key's agent; or its owner may do more than ``by``.
        NotFound: There is no such key.
        Conflict: It is revoked.
    """
    token, stamp = new_token(rand, word=word), new_id()

    def op(tx: Tx) -> None:
        now_us = micros_of(clock.now())
        lock(tx, workspace)
        key = _administered(tx, name, workspace=workspace, by=by)
        check_owner(tx, by, key.owner, workspace=workspace)
        if key.revoked_us is not None:
            message = f"The key {name!r} is revoked, and stays so: make another."
            raise Conflict(message, code="keys.revoked", hint="remit keys create --help")
        until_us = now_us + max(overlap_us, 0)
        ended = tx.execute(_END_TOKENS, {"of": workspace, "called": name, "at": until_us})
        tx.execute(_ADD_TOKEN, _token_row(workspace, name, token, now_us))
        _restamp(tx, workspace, stamp)
        payload: dict[str, Json] = {"begins": shown_of(token[:PREFIX]), "ended": ended, "until": iso(until_us)}
        tx.append(_entry("rotated", workspace, name, by), payload)

    await journal.commit("accounts.key", op)
    return token


async def revoke_key(journal: Journal, name: str, *, workspace: str, by: Principal, clock: Clock, reason: str) -> None:
    """Let a key open nothing any more, from the next check in any process on (250 ms), and for good.

    What runs may finish; ``remit kill`` stops its agent, and with it what runs.

    Raises:
        Refused: ``by`` is an agent, or may not administer the key's agent.
        NotFound: There is no such key.
        Conflict: It is revoked already.
    """
    stamp = new_id()

    def op(tx: Tx) -> None:
        lock(tx, workspace)
        _administered(tx, name, workspace=workspace, by=by)
        at = {"of": workspace, "called": name, "at": micros_of(clock.now()), "by": str(by)}
        if not tx.execute(_REVOKE, at):
            message = f"The key {name!r} is revoked already."
            raise Conflict(message, code="keys.revoked", hint="remit keys list")
        _restamp(tx, workspace, stamp)
        tx.append(_entry("revoked", workspace, name, by), {"reason": reason})

    await journal.commit("accounts.key", op)


def find_key(tx: ReadTx, name: str, *, workspace: str) -> Key:
    """The key called ``name``.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    row = tx.row(_BY_ID, {"of": workspace, "called": name})
    if row is not None:
        return key_of(row)
    near = difflib.get_close_matches(name, read_keys(tx, workspace), 1)
    message = f"There is no key {name[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="keys.key", hint="remit keys list")


def list_keys(tx: ReadTx, workspace: str, *, now_us: int) -> list[KeyView]:
    """Every key of a workspace with its tokens, by name, revoked ones too."""
    tokens: dict[str, list[TokenView]] = {}
    for row in tx.rows(_TOKENS, {"of": workspace}):
        view = TokenView(row["prefix"], row["created_us"], row["until_us"], row["used_us"])
        tokens.setdefault(row["key"], []).append(view)
    found = read_keys(tx, workspace).values()
    return [KeyView(key, key.status(now_us), tuple(tokens.get(key.id, ()))) for key in found]


def _administered(tx: Tx, name: str, *, workspace: str, by: Principal) -> Key:
    """The key, for whoever may administer its agent."""
    key = find_key(tx, name, workspace=workspace)
    agent = find_agent(tx, workspace=workspace, name=key.agent)
    administer(tx, by, workspace=workspace, team=agent.team)
    return key


def _check_opens(key: Key, effects: frozenset[str], now_us: int) -> None:
    wanted = {"tool" if scope is KeyScope.TOOLS else "model" for scope in key.scopes - {KeyScope.MODELS}}
    missing = sorted(wanted - effects)
    if missing:
        message = (
            f"The agent {key.agent!r} may not ask for effects of kind {' or '.join(missing)}, so no key of it can."
        )
        kept = " ".join(f"--effect {each}" for each in sorted({*effects, *missing}))
        hint = f"remit agents update {key.agent} {kept}"
        raise InvalidInput(message, code="keys.effect", hint=hint)
    if key.expires_us is not None and key.expires_us <= now_us:
        message = f"The key would have expired at {iso(key.expires_us)} already."
        raise InvalidInput(message, code="keys.expired", hint="remit keys create --help")


def _row(key: Key, owner: str, by: Principal, now_us: int) -> dict[str, object]:
    return {
        "workspace": key.workspace,
        "id": key.id,
        "agent": key.agent,
        "owner": owner,
        "models": orjson.dumps(sorted(key.models)).decode(),
        "scopes": orjson.dumps(sorted(key.scopes)).decode(),
        "addresses": orjson.dumps(list(key.addresses)).decode(),
        "created_by": str(by),
        "created_us": now_us,
        "expires_us": key.expires_us,
        "revoked_by": "",
        "revoked_us": None,
    }


def _token_row(workspace: str, key: str, token: str, now_us: int) -> Row:
    return {
        "prefix": prefix_of(token),
        "workspace": workspace,
        "key": key,
        "digest": digest_of(token),
        "created_us": now_us,
        "until_us": None,
        "used_us": None,
    }


def _restamp(tx: Tx, workspace: str, stamp: str) -> None:
    row = {"workspace": workspace, "revision": 0, "body": "{}", "stamp": stamp, "set_by": "", "set_us": 0}
    tx.execute(_RESTAMP, row)


def _entry(what: str, workspace: str, name: str, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action=f"accounts.key.{what}",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=name,
    )
