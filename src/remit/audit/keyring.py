"""Payloads under a key of their own subject, so that destroying the key erases them everywhere (crypto-shredding).

Each data subject has a data key, and each workspace one a month for what is about nobody; a payload is AES-256-GCM
under it. Data keys stand in ``audit_dek``, wrapped by the install's key-encryption key, which is in no database. The
salt is encrypted with the payload: after the key is gone, the payload's hash tells nothing about a guessable value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.base import Executable

from remit.audit.datakey import NONCE_SIZE, DataKey, open_body
from remit.audit.entry import SALT_SIZE, Draft, Sealed, seal_plain
from remit.audit.report import Findings, LogReader
from remit.audit.tables import DEK
from remit.kernel.entropy import random_bytes
from remit.kernel.errors import IntegrityError, NotFound, RemitError
from remit.kernel.ports import Params

KEY_SIZE = 32
ID_SIZE = 8

_OF = (DEK.c.workspace == bindparam("of"), DEK.c.subject == bindparam("about"), DEK.c.period == bindparam("at"))
_KNOWN = select(DEK.c.id, DEK.c.kek, DEK.c.wrapped).where(*_OF)
_HELD = select(DEK.c.id, DEK.c.kek, DEK.c.wrapped).where(*_OF).with_for_update(read=True)
_BY_ID = select(DEK.c.workspace, DEK.c.subject, DEK.c.period, DEK.c.kek, DEK.c.wrapped).where(
    DEK.c.id == bindparam("which")
)
_ADD = insert(DEK).on_conflict_do_nothing()
_OTHER_KEK = select(DEK.c.kek).where(DEK.c.wrapped != b"", DEK.c.kek != bindparam("mine")).limit(1)
_IDS = select(DEK.c.id).order_by(DEK.c.id)


class SealTx(LogReader, Protocol):
    """What sealing asks of a write transaction."""

    def execute(self, stmt: Executable, params: Params = None) -> int:
        """Run a statement."""
        ...


class Keyring:
    """Data keys by subject, unwrapped when they are first needed.

    One writer at a time seals; any thread may open. What was looked up is remembered between transactions, so whoever
    seals must call ``forget`` when another process may have destroyed a key (SQLite: the log grew behind our back;
    Postgres: ``seal`` locks a subject's row each time), and ``committed`` or ``rolled_back`` after each transaction.

    Args:
        kek: The key-encryption key, 32 random bytes.
        rand: Source of unpredictable bytes.
        shared: Whether other processes may write at the same time as this one (Postgres).
    """

    def __init__(self, kek: bytes, *, rand: Callable[[int], bytes] = random_bytes, shared: bool = False) -> None:
        if len(kek) != KEY_SIZE:
            message = "The key that wraps the payloads' keys must be 32 bytes."
            raise IntegrityError(message, code="audit.payload_key", hint="restore payload.key from its backup")
        self.kek_id = kek_id(kek)
        self._kek = AESGCM(kek)
        self._rand = rand
        self._shared = shared
        self._current: dict[tuple[str, str, str], DataKey] = {}
        self._fresh: list[tuple[str, str, str]] = []
        self._opened: dict[str, DataKey | None] = {}
        self._month = (0, 0, "")

    # ------------------------------------------------------------------------------------------------------- sealing

    def seal(self, tx: SealTx, drafts: Sequence[Draft]) -> list[Sealed]:
        """The drafts with their payloads encrypted; makes the keys that are missing, in the same transaction.

        Raises:
            IntegrityError: A stored key was wrapped under another key-encryption key, or was changed.
        """
        held: set[tuple[str, str, str]] = set()
        sealed: list[Sealed] = []
        for item in drafts:
            workspace, subject = item.fields["workspace"], item.subject
            at = (workspace, subject, "" if subject else self._period(item.ts_us))
            key = self._current.get(at)
            if key is None or (self._shared and subject and at not in held):
                key = self._key_of(tx, at)
                held.add(at)
            plain = item.salt + item.body
            pd = sha256(plain).hexdigest()
            nonce = self._rand(NONCE_SIZE)
            body = nonce + key.cipher.encrypt(nonce, plain, f"{workspace}\n{pd}".encode())
            sealed.append(Sealed(item.fields, item.ts_us, pd, key.id, b"", body))
        return sealed

    def _period(self, ts_us: int) -> str:
        start, stop, text = self._month
        if not start <= ts_us < stop:
            moment = datetime.fromtimestamp(ts_us / 1e6, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            after = moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1)
            start, stop, text = _micros(moment), _micros(after), f"{moment:%Y-%m}"
            self._month = (start, stop, text)
        return text

    def _key_of(self, tx: SealTx, at: tuple[str, str, str]) -> DataKey:
        key, made = self._find_or_make(tx, at)
        if made:
            self._fresh.append(at)
        self._current[at] = key
        return key

    def lend(self, tx: SealTx, workspace: str, subject: str) -> DataKey:
        """A subject's data key, for what other rooms keep about them; made in this transaction when it is missing.

        It isn't remembered here: the operation that asks may be undone by itself. Erasing the subject destroys it.

        Raises:
            IntegrityError: As for ``seal``.
        """
        return self._find_or_make(tx, (workspace, subject, ""))[0]

    def _find_or_make(self, tx: SealTx, at: tuple[str, str, str]) -> tuple[DataKey, bool]:
        where = {"of": at[0], "about": at[1], "at": at[2]}
        known = _HELD if self._shared else _KNOWN
        rows = tx.tuples(known, where)
        made = not rows
        if made:
            self._check_same_kek(tx)
            key_id, raw = self._rand(ID_SIZE).hex(), self._rand(KEY_SIZE)
            nonce = self._rand(NONCE_SIZE)
            wrapped = nonce + self._kek.encrypt(nonce, raw, _bound(key_id, *at))
            row = {"id": key_id, "workspace": at[0], "subject": at[1], "period": at[2]}
            tx.execute(_ADD, {**row, "kek": self.kek_id, "wrapped": wrapped})
            rows = tx.tuples(known, where)  # another worker's, when it came first
        key_id, kek, wrapped = rows[0]
        return DataKey(key_id, AESGCM(self._unwrap(key_id, at, kek, wrapped))), made

    def _check_same_kek(self, tx: SealTx) -> None:
        """Refuse to wrap a key under one that the other workers, or this install's earlier self, do not have."""
        if tx.tuples(_OTHER_KEK, {"mine": self.kek_id}):
            raise _other_kek()

    def committed(self) -> None:
        """What ``seal`` made is committed."""
        self._fresh.clear()

    def rolled_back(self) -> None:
        """What ``seal`` made is gone."""
        for at in self._fresh:
            self._current.pop(at, None)
        self._fresh.clear()

    def forget(self) -> None:
        """Look everything up again: a key may have been destroyed."""
        self._current.clear()
        self._opened.clear()

    # ------------------------------------------------------------------------------------------------------- opening

    def key(self, reader: LogReader, key_id: str) -> DataKey | None:
        """A data key, or ``None`` when it was destroyed or is missing.

        Raises:
            IntegrityError: It was wrapped under another key-encryption key, or was changed.
        """
        if key_id in self._opened:
            return self._opened[key_id]
        rows = reader.tuples(_BY_ID, {"which": key_id})
        found = None
        if rows and rows[0][4]:
            workspace, subject, period, kek, wrapped = rows[0]
            at = (workspace, subject, period)
            found = DataKey(key_id, AESGCM(self._unwrap(key_id, at, kek, wrapped)))
            self._opened[key_id] = found
        return found

    def _unwrap(self, key_id: str, at: tuple[str, str, str], kek: str, wrapped: bytes) -> bytes:
        if kek != self.kek_id:
            raise _other_kek()
        try:
            return self._kek.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], _bound(key_id, *at))
        except (InvalidTag, ValueError, TypeError) as error:
            message = f"The audit log is damaged: audit_dek {key_id} was changed."
            raise IntegrityError(message, code="audit.dek", place=f"audit_dek {key_id}") from error

    def check(self, reader: LogReader, erased: Mapping[str, str], findings: Findings) -> None:
        """Hold every key's row against itself and the log: ``erased`` maps a destroyed key's id to its workspace."""
        left = dict(erased)
        for (key_id,) in reader.tuples(_IDS):
            place = f"audit_dek {key_id}"
            try:
                workspace, subject, period, kek, wrapped = reader.tuples(_BY_ID, {"which": key_id})[0]
            except RemitError as error:
                findings.report(place, f"the row cannot be read: {error.message}")
                left.pop(key_id, None)
                continue
            if left.pop(key_id, None) is not None:
                if wrapped or subject or period != key_id or erased[key_id] != workspace:
                    findings.report(place, "the log says that this key was destroyed, and it is still there")
                continue
            if not wrapped:
                findings.report(place, "the key is gone and no audit.erase entry says so", "missing")
                continue
            try:
                self._unwrap(key_id, (workspace, subject, period), kek, wrapped)
            except IntegrityError as error:
                findings.report(place, error.message)
        for key_id in left:
            findings.report(f"audit_dek {key_id}", "the row is missing", "missing")


def kek_id(kek: bytes) -> str:
    """What names a key-encryption key without telling anything of it."""
    return sha256(b"remit kek id\x00" + kek).hexdigest()[:16]


def read_payload(reader: LogReader, header: dict[str, Any], seq: int, body: bytes, dek: str) -> bytes | None:
    """The payload's JSON; ``None`` when its key was destroyed.

    Raises:
        IntegrityError: The row was changed.
        NotFound: Payloads are encrypted and the key-encryption key is not here.
    """
    if not dek:
        return body
    if reader.keys is None:
        message = "The audit log's payloads are encrypted, and the key that opens them is not here."
        raise NotFound(message, code="audit.payload_key", hint="restore payload.key from its backup")
    key = reader.keys.key(reader, dek)
    if key is None:
        return None
    plain = open_body(key, str(header["workspace"]), str(header["pd"]), body)
    if plain is None:
        message = f"The audit log is damaged: audit_payload {seq} was changed."
        raise IntegrityError(message, code="audit.payload", place=f"audit_payload {seq}")
    return plain[SALT_SIZE:]


def seal_all(keys: Keyring | None, tx: SealTx, drafts: Sequence[Draft]) -> list[Sealed]:
    """The drafts ready for the log, encrypted when there are keys."""
    return [seal_plain(item) for item in drafts] if keys is None else keys.seal(tx, drafts)


def _bound(key_id: str, workspace: str, subject: str, period: str) -> bytes:
    return f"{key_id}\n{workspace}\n{subject}\n{period}".encode()


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _other_kek() -> IntegrityError:
    return IntegrityError(
        "The payloads' keys were wrapped under another key-encryption key than the one in payload.key.",
        code="audit.payload_key",
        hint="restore payload.key from its backup, then: remit audit verify",
    )
