"""How a workspace's gateway behaves: what is masked, what is blocked, who waits. One policy, audited with its revision.

Every switch costs something; ``docs/keys.md`` says what. The defaults are the careful side of each.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import cast

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.accounts.key_tables import GATEWAY
from remit.accounts.keys import Key, Snapshots
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.kernel.usage import UnknownPrice


class Mode(StrEnum):
    """What a refusal does."""

    ENFORCE = "enforce"
    OBSERVE = "observe"  # decided and recorded, and the call goes on (``guard.observe``)


class OnApproval(StrEnum):
    """What a call does that a person must approve."""

    WAIT = "wait"  # the connection is kept until somebody decided
    ANSWER = "answer"  # told at once that somebody must; it is asked again later


class OnFull(StrEnum):
    """What a call does when the queue of writes is full. Nothing is ever dropped."""

    BLOCK = "block"  # waits for a place
    REFUSE = "refuse"  # is told to come back


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """The switches.

    Attributes:
        redaction: Whether secrets and personal data in prompts and answers of models are masked.
        mode: What refusals do.
        unknown_price: What happens to a call whose price nobody knows; ``None``: what the install says.
        approval: What a call does that a person must approve.
        on_full: What a call does when writes pile up.
        tool_calls: Whether tool calls in answers are held against the rules for tools before they pass.
        stored: Whether requests may name files, stores of vectors, prompts and skills that a provider keeps for its
            whole account (``guard.account_things``).
        cache: Whether an answer to the same request is given again, unless the caller says otherwise.
        revision: How many times it was set; 0: never.
    """

    redaction: bool = True
    mode: Mode = Mode.ENFORCE
    unknown_price: UnknownPrice | None = None
    approval: OnApproval = OnApproval.WAIT
    on_full: OnFull = OnFull.BLOCK
    tool_calls: bool = True
    stored: bool = False
    cache: bool = False
    revision: int = field(default=0, compare=False)

    @property
    def observing(self) -> bool:
        """Whether refusals are only recorded."""
        return self.mode is Mode.OBSERVE

    def as_json(self) -> dict[str, Json]:
        """As stored (but for the revision) and shown, in the words of ``--set``."""
        told: dict[str, Json] = {name: _word_of(name, getattr(self, name)) for name in _WORDS}
        return told | {"revision": self.revision}


DEFAULT = GatewayPolicy()
_SWITCH = {"on": True, "off": False}
_INSTALL = "install"  # the word for "what the install says"
_WORDS: Mapping[str, Mapping[str, object]] = {
    "redaction": _SWITCH,
    "mode": {mode.value: mode for mode in Mode},
    "unknown_price": {_INSTALL: None, **{price.value: price for price in UnknownPrice}},
    "approval": {each.value: each for each in OnApproval},
    "on_full": {each.value: each for each in OnFull},
    "tool_calls": {"inspect": True, "off": False},
    "stored": {"refuse": False, "allow": True},
    "cache": _SWITCH,
}

_READ = select(GATEWAY).where(GATEWAY.c.workspace == bindparam("of"))
_SET = insert(GATEWAY)
_PUT = _SET.on_conflict_do_update(
    index_elements=[GATEWAY.c.workspace],
    set_={name: _SET.excluded[name] for name in ("revision", "body", "set_by", "set_us")},
)
_KEYS = Snapshots()


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What the guard reads with its standing: the policy and the keys of a workspace."""

    policy: GatewayPolicy = DEFAULT
    keys: Mapping[str, Key] = field(default_factory=dict[str, Key])


NOTHING = GatewayState()


def read_gateway(tx: ReadTx, workspace: str) -> GatewayState:
    """The policy and the keys of a workspace: one row, unless a key has changed since they were read last."""
    row = tx.row(_READ, {"of": workspace})
    if row is None:
        return NOTHING
    return GatewayState(_policy(row["body"], row["revision"]), _KEYS.read(tx, workspace, row["stamp"]))


def read_policy(tx: ReadTx, workspace: str) -> GatewayPolicy:
    """The policy of a workspace."""
    row = tx.row(_READ, {"of": workspace})
    return DEFAULT if row is None else _policy(row["body"], row["revision"])


async def set_policy(
    journal: Journal, words: Mapping[str, str], *, workspace: str, by: Principal, clock: Clock
) -> GatewayPolicy:
    """Change switches, given in words (``{"redaction": "off"}``); what isn't named stays. Audited, with both states.

    In force at the next check (250 ms). Returns the new policy.

    Raises:
        InvalidInput: No such switch or word; every problem is named.
        Refused: ``by`` is an agent, or may not administer the workspace.
    """
    changes = _changes(words)

    def op(tx: Tx) -> GatewayPolicy:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        before = read_policy(tx, workspace)
        after = replace(before, revision=before.revision + 1, **changes)
        body = {name: word for name, word in after.as_json().items() if name != "revision"}
        row = {"workspace": workspace, "revision": after.revision, "body": canonical(body).decode(), "stamp": ""}
        tx.execute(_PUT, {**row, "set_by": str(by), "set_us": micros_of(clock.now())})
        entry = Entry(
            actor=by,
            action="accounts.gateway.set",
            domain="accounts",
            result=Result.SUCCESS,
            workspace=workspace,
            subject=f"revision {after.revision}",
        )
        tx.append(entry, {"before": before.as_json(), "after": after.as_json()})
        return after

    return await journal.commit("accounts.gateway", op)


def switches() -> Mapping[str, tuple[str, ...]]:
    """Every switch with its words, the first one the default."""
    default = DEFAULT.as_json()
    return {name: tuple(sorted(words, key=lambda word: word != default[name])) for name, words in _WORDS.items()}


@lru_cache(maxsize=1024)
def _policy(body: str, revision: int) -> GatewayPolicy:
    words = cast("dict[str, str]", orjson.loads(body))
    return replace(DEFAULT, revision=revision, **_changes(words))


def _changes(words: Mapping[str, str]) -> dict[str, object]:
    problems: list[str] = []
    found: dict[str, object] = {}
    for name, word in words.items():
        known = _WORDS.get(name)
        if known is None:
            near = difflib.get_close_matches(name, _WORDS, 1)
            problems.append(f"{name[:40]!r} is no switch" + (f", did you mean {near[0]!r}?" if near else ""))
        elif word not in known:
            problems.append(f"{name} is {' or '.join(known)}, not {word[:40]!r}")
        else:
            found[name] = known[word]
    if problems:
        message = f"The policy can't be set: {'; '.join(problems)}."
        raise InvalidInput(message, code="keys.policy", hint="remit keys policy", problems=tuple(problems))
    return found


def _word_of(name: str, value: object) -> str:
    """The word of ``--set`` for a switch's value."""
    return next(word for word, means in _WORDS[name].items() if means is value or means == value)
