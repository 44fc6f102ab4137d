"""Kept answers in the store: read, written, given up for newer ones, cleared. Every operation keeps the sums true."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import orjson
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.audit.datakey import NONCE_SIZE, DataKey
from remit.audit.keyring import Keyring, SealTx
from remit.audit.report import LogReader
from remit.audit.tables import DEK
from remit.kernel.canonical import Json, canonical
from remit.kernel.errors import IntegrityError
from remit.kernel.mission import Outcome
from remit.kernel.money import Money
from remit.kernel.ports import ReadTx, Row, Tx
from remit.kernel.usage import Usage
from remit.models.cache_tables import ANSWER, ANSWER_SUM

#: The data subject of answers that are about nobody and of no mission: ``remit audit erase answers`` erases them.
NOBODY = "answers"
BATCH = 100  # rows that one statement gives up

_AT = (ANSWER.c.workspace == bindparam("of"), ANSWER.c.hash == bindparam("which"))
# Rows under a destroyed key are as good as gone; the key is asked for in the store, not in this process's memory.
_READ = (
    select(ANSWER.c.until_us, ANSWER.c.dek, ANSWER.c.body)
    .join_from(ANSWER, DEK, DEK.c.id == ANSWER.c.dek)
    .where(*_AT, DEK.c.wrapped != b"")
)
_ADD = insert(ANSWER)
_REMOVE = delete(ANSWER).where(*_AT).returning(ANSWER.c.size)
_TOO_OLD = (
    select(ANSWER.c.hash)
    .where(ANSWER.c.workspace == bindparam("of"), ANSWER.c.until_us <= bindparam("now"))
    .order_by(ANSWER.c.until_us)
    .limit(BATCH)
)
_ERASED = (
    select(ANSWER.c.hash)
    .join_from(ANSWER, DEK, DEK.c.id == ANSWER.c.dek)
    .where(ANSWER.c.workspace == bindparam("of"), DEK.c.wrapped == b"")
    .limit(BATCH)
)
_DROP_OLD = (
    delete(ANSWER)
    .where(ANSWER.c.workspace == bindparam("of"), ANSWER.c.hash.in_(_TOO_OLD.scalar_subquery()))
    .returning(ANSWER.c.size)
)
_DROP_ERASED = (
    delete(ANSWER)
    .where(ANSWER.c.workspace == bindparam("of"), ANSWER.c.hash.in_(_ERASED.scalar_subquery()))
    .returning(ANSWER.c.size)
)
_DROP_TARGET = (
    delete(ANSWER)
    .where(ANSWER.c.workspace == bindparam("of"), ANSWER.c.target == bindparam("asked"))
    .returning(ANSWER.c.size)
)
_DROP_ALL = delete(ANSWER).where(ANSWER.c.workspace == bindparam("of")).returning(ANSWER.c.size)
_UNUSED = (
    select(ANSWER.c.hash, ANSWER.c.size)
    .where(ANSWER.c.workspace == bindparam("of"))
    .order_by(ANSWER.c.used_us)
    .limit(BATCH)
)
_TOUCH = update(ANSWER).where(*_AT).values(hits=ANSWER.c.hits + bindparam("more"), used_us=bindparam("at"))
_NO_SUM = insert(ANSWER_SUM)
# Also the lock under which a workspace's answers change.
_SUM = _NO_SUM.on_conflict_do_update(index_elements=["workspace"], set_={"entries": ANSWER_SUM.c.entries}).returning(
    ANSWER_SUM.c.entries, ANSWER_SUM.c.bytes
)
_SET_SUM = (
    update(ANSWER_SUM)
    .where(ANSWER_SUM.c.workspace == bindparam("of"))
    .values(entries=bindparam("many"), bytes=bindparam("size"))
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands, and whom it is about (``NOBODY`` in particular, a mission, a person)."""

    workspace: str
    hash: str
    target: str
    wire: str
    subject: str


class _Keyed(Protocol):
    """What every store's transactions have beside what rooms ask of them."""

    keys: Keyring | None


def read(tx: ReadTx, workspace: str, hashed: str) -> tuple[int, Outcome] | None:
    """The answer and until when it may be given; ``None``: there is none, or its subject was erased.

    Raises:
        IntegrityError: The store keeps no keys, or the row was changed.
    """
    row = tx.row(_READ, {"of": workspace, "which": hashed})
    if row is None:
        return None
    key = _keys(tx).key(cast("LogReader", tx), row["dek"])
    return None if key is None else (row["until_us"], _opened(key, workspace, hashed, row["body"]))


def put(tx: Tx, place: Place, answer: Outcome, *, now_us: int, until_us: int, most: int) -> None:
    """Keep an answer in the place of an earlier one; the least recently used make room, ``most`` bytes in all.

    An answer that is larger than all the room is not kept.
    """
    key = _keys(tx).lend(cast("SealTx", tx), place.workspace, place.subject)
    body = _sealed(key, place, answer)
    of = {"of": place.workspace}
    with_sum = _Sum(tx, place.workspace)
    with_sum.less(tx.rows(_REMOVE, {**of, "which": place.hash}))
    with_sum.less(tx.rows(_DROP_OLD, {**of, "now": now_us}))
    if len(body) <= most:
        while with_sum.bytes + len(body) > most and (unused := tx.rows(_UNUSED, of)):
            for row in unused:
                if with_sum.bytes + len(body) <= most:
                    break
                with_sum.less(tx.rows(_REMOVE, {**of, "which": row["hash"]}))
        tx.execute(
            _ADD,
            {
                "workspace": place.workspace,
                "hash": place.hash,
                "target": place.target,
                "wire": place.wire,
                "kept_us": now_us,
                "until_us": until_us,
                "used_us": now_us,
                "hits": 0,
                "size": len(body),
                "saved_micros": answer.usage.saved.micros,
                "dek": key.id,
                "body": body,
            },
        )
        with_sum.entries += 1
        with_sum.bytes += len(body)
    with_sum.write()


def note_use(tx: Tx, used: Mapping[tuple[str, str], tuple[int, int]]) -> None:
    """Note how often answers were given since, and when last; by workspace and hash."""
    tx.execute(
        _TOUCH,
        [
            {"of": workspace, "which": hashed, "more": many, "at": at_us}
            for (workspace, hashed), (many, at_us) in sorted(used.items())
        ],
    )


def clear(tx: Tx, workspace: str, *, target: str = "", hashed: str = "") -> int:
    """Give up every answer, those of one ``provider/model``, or one; how many."""
    with_sum = _Sum(tx, workspace)
    of = {"of": workspace}
    if hashed:
        gone = tx.rows(_REMOVE, {**of, "which": hashed})
    elif target:
        gone = tx.rows(_DROP_TARGET, {**of, "asked": target})
    else:
        gone = tx.rows(_DROP_ALL, of)
    with_sum.less(gone)
    with_sum.write()
    return len(gone)


def is_untidy(tx: ReadTx, workspace: str, *, now_us: int) -> bool:
    """Whether anything is too old, or erased."""
    return bool(tx.row(_TOO_OLD, {"of": workspace, "now": now_us}) or tx.row(_ERASED, {"of": workspace}))


def tidy(tx: Tx, workspace: str, *, now_us: int) -> int:
    """Give up a batch of what is too old, and of what nobody can read since its subject was erased; how many."""
    with_sum = _Sum(tx, workspace)
    gone = [*tx.rows(_DROP_OLD, {"of": workspace, "now": now_us}), *tx.rows(_DROP_ERASED, {"of": workspace})]
    with_sum.less(gone)
    with_sum.write()
    return len(gone)


class _Sum:
    """What a workspace's answers add up to, locked until the transaction ends."""

    def __init__(self, tx: Tx, workspace: str) -> None:
        row = tx.row(_SUM, {"workspace": workspace, "entries": 0, "bytes": 0})
        assert row is not None  # noqa: S101 - the statement always gives one
        self._tx = tx
        self._workspace = workspace
        self.entries, self.bytes = int(row["entries"]), int(row["bytes"])

    def less(self, gone: Iterable[Row]) -> None:
        for row in gone:
            self.entries -= 1
            self.bytes -= row["size"]

    def write(self) -> None:
        self._tx.execute(_SET_SUM, {"of": self._workspace, "many": self.entries, "size": self.bytes})


def _sealed(key: DataKey, place: Place, answer: Outcome, *, rand: Callable[[int], bytes] = os.urandom) -> bytes:
    usage = answer.usage
    told: dict[str, Json] = {
        "value": answer.value,
        "text": answer.text,
        "provider": usage.provider,
        "model": usage.model,
        "saved": usage.saved.micros,
    }
    nonce = rand(NONCE_SIZE)
    return nonce + key.cipher.encrypt(nonce, canonical(told), _bound(place.workspace, place.hash, key.id))


def _opened(key: DataKey, workspace: str, hashed: str, body: bytes) -> Outcome:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only where there is something to decrypt

    try:
        plain = key.cipher.decrypt(body[:NONCE_SIZE], body[NONCE_SIZE:], _bound(workspace, hashed, key.id))
    except (InvalidTag, ValueError, TypeError) as error:
        message = f"The kept answer {hashed[:16]} is damaged: its row was changed."
        raise IntegrityError(message, code="cache.damaged", hint="remit cache clear") from error
    told = orjson.loads(plain)
    usage = Usage(told["provider"], told["model"], kept=True, saved=Money(told["saved"]))
    return Outcome(ok=True, value=told["value"], text=told["text"], usage=usage)


def _bound(workspace: str, hashed: str, dek: str) -> bytes:
    return f"answer\n{workspace}\n{hashed}\n{dek}".encode()


def _keys(tx: ReadTx) -> Keyring:
    keys = cast("_Keyed", tx).keys
    if keys is None:
        message = "This store has no key to keep answers under."
        raise IntegrityError(message, code="cache.keys", hint="restore payload.key from its backup")
    return keys
