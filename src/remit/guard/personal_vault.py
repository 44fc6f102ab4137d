"""The vaults of missions, kept in the store under the key of whom they are about.

A token is written in the transaction of the intent that sends it out, so that no model ever reads one that nobody could
resolve. What was erased (``remit audit erase``) is gone from every process with the next look at the store.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.audit.datakey import NONCE_SIZE as IV_SIZE
from remit.audit.datakey import DataKey
from remit.audit.keyring import Keyring, SealTx
from remit.audit.report import LogReader
from remit.audit.tables import DEK
from remit.guard.personal_tables import PERSONAL_VAULT
from remit.kernel.errors import IntegrityError
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.redact.vault import NONCE_SIZE, Kept, Key, Vault

NONCE = "NONCE"
MOST = 256  # vaults that a process remembers; others are read again

_OF = (PERSONAL_VAULT.c.workspace == bindparam("of"), PERSONAL_VAULT.c.mission == bindparam("in_mission"))
# Rows under a destroyed key are as good as gone; the key is asked for in the store, not in this process's memory.
_ROWS = (
    select(
        PERSONAL_VAULT.c.label,
        PERSONAL_VAULT.c.number,
        PERSONAL_VAULT.c.tag,
        PERSONAL_VAULT.c.dek,
        PERSONAL_VAULT.c.body,
    )
    .join_from(PERSONAL_VAULT, DEK, DEK.c.id == PERSONAL_VAULT.c.dek)
    .where(*_OF, DEK.c.wrapped != b"")
    .order_by(PERSONAL_VAULT.c.label, PERSONAL_VAULT.c.number, PERSONAL_VAULT.c.tag)
)
_ADD = insert(PERSONAL_VAULT).on_conflict_do_nothing()
_FORGET = delete(PERSONAL_VAULT).where(*_OF)


@dataclass(slots=True)
class Held:
    """A mission's vault in this process; whoever uses it holds the lock. ``saved``: what is known to be in the store.

    ``mission`` is empty for an action outside any mission: such a vault is never written and lasts for one answer.
    """

    workspace: str
    mission: str
    vault: Vault
    lock: threading.Lock = field(default_factory=threading.Lock)
    saved: set[Key] = field(default_factory=set[Key])

    def unsaved(self, kept: Iterable[Kept]) -> list[Kept]:
        """What of ``kept`` must be written before it may go out."""
        return [each for each in kept if each.key not in self.saved] if self.mission else []


class _Keyed(Protocol):
    """What every store's transactions have beside what rooms ask of them."""

    keys: Keyring | None


class Vaults:
    """The vaults that this process works with. Any thread or event loop may ask.

    Args:
        journal: The store.
        rand: Source of unpredictable bytes.
    """

    def __init__(self, journal: Journal, *, rand: Callable[[int], bytes] = os.urandom) -> None:
        self._journal = journal
        self._rand = rand
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Held] = OrderedDict()

    async def open(self, workspace: str, mission: str) -> Held:
        """The vault of a mission as it stands in the store now, with what is about to be written.

        Raises:
            IntegrityError: The store keeps no keys, or a row was changed.
        """
        if not mission:
            return Held(workspace, "", Vault(self._rand(NONCE_SIZE)))
        nonce, kept = await self._journal.read(lambda tx: read(tx, workspace, mission))
        with self._lock:
            held = self._merged(self._held.get((workspace, mission)), nonce, kept)
            if held is None:
                held = Held(workspace, mission, Vault(nonce or self._rand(NONCE_SIZE), kept))
            held.saved = {each.key for each in kept}
            self._held[workspace, mission] = held
            self._held.move_to_end((workspace, mission))
            while len(self._held) > MOST:
                self._held.popitem(last=False)
        return held

    def _merged(self, held: Held | None, nonce: bytes | None, kept: list[Kept]) -> Held | None:
        """What this process holds with what stands in the store; anew, without it, what was erased there."""
        if held is None:
            return None
        with held.lock:
            if held.saved <= {each.key for each in kept}:
                for each in kept:
                    held.vault.add(each)
                return held
            pending = held.vault.without(held.saved)
        return Held(held.workspace, held.mission, Vault(nonce or self._rand(NONCE_SIZE), (*kept, *pending)))

    def saved(self, held: Held, kept: Iterable[Kept]) -> None:
        """``kept`` is committed: from now on it lasts as long as its rows."""
        with self._lock:
            now = self._held.get((held.workspace, held.mission), held)
            now.saved.update(each.key for each in kept)

    def keeping(self, held: Held, kept: Sequence[Kept], *, about: str) -> Callable[[Tx], None]:
        """The operation that writes what is new: to run in the transaction of the intent that sends it out."""

        def op(tx: Tx) -> None:
            write(tx, held, kept, about=about, rand=self._rand)

        return op


def read(tx: ReadTx, workspace: str, mission: str) -> tuple[bytes | None, list[Kept]]:
    """The mission's nonce and what its tokens stand for.

    Raises:
        IntegrityError: The store keeps no keys, or a row was changed.
    """
    keys = _keys(tx)
    nonce: bytes | None = None
    found: list[Kept] = []
    for row in tx.rows(_ROWS, {"of": workspace, "in_mission": mission}):
        key = keys.key(cast("LogReader", tx), row["dek"])
        place = (workspace, mission, row["label"], row["number"], row["tag"])
        if key is None:
            continue
        value = _open(key, place, row["body"])
        if row["label"] == NONCE:
            nonce = nonce or value
        else:
            found.append(Kept(row["label"], row["number"], row["tag"], value.decode("utf-8", "surrogatepass")))
    return nonce, found


def write(tx: Tx, held: Held, kept: Sequence[Kept], *, about: str, rand: Callable[[int], bytes]) -> None:
    """Keep what tokens stand for, under the key of ``about``, else of the mission."""
    key = _keys(tx).lend(cast("SealTx", tx), held.workspace, about or subject_of(held.mission))
    values = [((NONCE, 0, key.id), held.vault.nonce)]
    values += [(each.key, each.value.encode("utf-8", "surrogatepass")) for each in kept]
    rows: list[dict[str, object]] = []
    for (label, number, tag), value in values:
        place = (held.workspace, held.mission, label, number, tag)
        iv = rand(IV_SIZE)
        row = dict(zip(("workspace", "mission", "label", "number", "tag"), place, strict=True))
        rows.append({**row, "dek": key.id, "body": iv + key.cipher.encrypt(iv, value, _bound(place, key.id))})
    tx.execute(_ADD, rows)


def forget(tx: Tx, workspace: str, mission: str) -> bool:
    """Delete a mission's vault, so that its tokens stand for nothing from here on; whether there was one."""
    return tx.execute(_FORGET, {"of": workspace, "in_mission": mission}) > 0


def subject_of(mission: str) -> str:
    """The data subject of what is about nobody in particular: ``remit audit erase mission:ID`` erases it."""
    return f"mission:{mission}"


type _Place = tuple[str, str, str, int, str]


def _bound(place: _Place, dek: str) -> bytes:
    return "\n".join(("personal_vault", *map(str, place), dek)).encode()


def _open(key: DataKey, place: _Place, body: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only where there is something to decrypt

    try:
        return key.cipher.decrypt(body[:IV_SIZE], body[IV_SIZE:], _bound(place, key.id))
    except (InvalidTag, ValueError, TypeError) as error:
        message = f"The vault of mission {place[1]} is damaged: its row {place[2]} {place[3]} was changed."
        raise IntegrityError(message, code="personal.vault", hint="restore the store from its backup") from error


def _keys(tx: ReadTx) -> Keyring:
    keys = cast("_Keyed", tx).keys
    if keys is None:
        message = "This store has no key to keep personal data under."
        raise IntegrityError(message, code="personal.keys", hint="restore payload.key from its backup")
    return keys
