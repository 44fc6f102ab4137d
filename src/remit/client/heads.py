"""What a server said of its audit log, remembered: a later head must extend an earlier one, or the answer is refused.

Whoever holds a server's database and its key can write another log and sign it. What they cannot do is make it extend a
head that a client has kept: the consistency proof (RFC 9162, 2.1.4) would not verify. The first contact is trusted
(unless the key is given), every later one is checked; a change of the key is believed when the old one signed for it.
"""

from __future__ import annotations

import binascii
import os
import threading
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from remit.audit.entry import read_header
from remit.audit.note import Checkpoint, Verifier, open_note, parse_checkpoint, parse_verifier
from remit.audit.proof import parse_proof, verify_consistency
from remit.audit.told import ROTATE_ACTION
from remit.client.steps import Ask, Steps, asked, read
from remit.kernel.errors import IntegrityError, NotFound

HEADER = "remit-checkpoint"
WELL_KNOWN = "/.well-known/remit-audit"
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a server's log: the keys that are trusted, and the newest head that was verified."""

    keys: tuple[str, ...] = ()
    note: str = ""


class Heads:
    """The memory of one server's log. Any thread may ask.

    Args:
        url: The server's.
        folder: Where it is kept; ``None``: in memory alone.
        key: The log's public key, if it is known already (C2SP vkey).
    """

    def __init__(self, url: str, *, folder: Path | None, key: str = "") -> None:
        self._url = url
        self._path = None if folder is None else folder / f"{sha256(url.encode()).hexdigest()[:32]}.json"
        self._lock = threading.Lock()
        known = self._load()
        if key and key not in known.keys:
            known = Remembered((key,))
        self.known = known

    def check(self, header: str) -> Steps[None]:
        """Hold an answer's head to what is remembered, and remember it.

        Raises:
            IntegrityError: It does not extend it, or no trusted key signed it.
        """
        try:
            note = b64decode(header, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self._broken("the head is no signed note") from error
        known = self.known
        if note == known.note:
            return
        keys = known.keys or (yield from self._first_keys())
        try:
            head = _opened(note, keys)
        except IntegrityError:
            keys = yield from self._handed_over(keys)
            head = _opened(note, keys)
        newest = note
        if known.note:
            last = _opened(known.note, keys)
            yield from self._extends(last, head)
            newest = note if head.size >= last.size else known.note
        self._keep(Remembered(tuple(keys), newest))

    def _first_keys(self) -> Steps[tuple[str, ...]]:
        found = yield from self._keys()
        return tuple(str(key) for key in found["keys"])

    def _keys(self) -> Steps[dict[str, Any]]:
        answer = yield from asked(Ask("GET", WELL_KNOWN))
        found: dict[str, Any] = read(answer) or {}
        if not isinstance(found.get("keys"), list):
            raise self._broken(f"{WELL_KNOWN} names no keys")
        return found

    def _handed_over(self, keys: Sequence[str]) -> Steps[tuple[str, ...]]:
        """The keys, with those that trusted ones handed the log over to."""
        trusted = list(keys)
        found = yield from self._keys()
        for text in found.get("handovers", ()):
            proof = parse_proof(str(text))
            try:
                proof.verify(_verifiers(trusted))
            except IntegrityError:
                continue
            header = read_header(proof.header)
            if header.get("action") == ROTATE_ACTION and header.get("subject") not in trusted:
                trusted.insert(0, str(header["subject"]))
        return tuple(trusted)

    def _extends(self, last: Checkpoint, head: Checkpoint) -> Steps[None]:
        old, new = (last, head) if last.size <= head.size else (head, last)
        if old.size == new.size:
            if old.root != new.root:
                raise self._forked(last, head)
            return
        if not old.size:
            return
        try:
            answer = yield from asked(Ask("GET", f"/api/v1/audit/consistency?old={old.size}&new={new.size}"))
        except NotFound as error:
            raise self._forked(last, head) from error
        proof = [b64decode(str(each)) for each in read(answer)["proof"]]
        try:
            verify_consistency(old.size, new.size, proof, old.root, new.root)
        except IntegrityError as error:
            raise self._forked(last, head) from error

    def _forked(self, last: Checkpoint, head: Checkpoint) -> IntegrityError:
        return self._broken(
            f"its log of {head.size} entries does not continue the one of {last.size} entries that it showed before"
        )

    def _broken(self, why: str) -> IntegrityError:
        message = f"The server {self._url} can't be trusted: {why}."
        hint = f"ask its owner; to forget what it showed: delete {self._path}" if self._path else "ask its owner"
        return IntegrityError(message, code="client.log", hint=hint)

    # ------------------------------------------------------------------------------------------------------ on disk

    def _load(self) -> Remembered:
        try:
            found: dict[str, Any] = orjson.loads(self._path.read_bytes()) if self._path else {}
        except FileNotFoundError:
            return Remembered()
        except (OSError, orjson.JSONDecodeError) as error:
            raise self._broken(f"what is remembered of it can't be read ({error})") from error
        return Remembered(tuple(found.get("keys", ())), str(found.get("note", "")))

    def _keep(self, known: Remembered) -> None:
        with self._lock:
            self.known = known
            if self._path is None:
                return
            self._path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            beside = self._path.with_suffix(f".{os.getpid()}")
            told = {"url": self._url, "keys": list(known.keys), "note": known.note}
            beside.write_bytes(orjson.dumps(told))
            beside.replace(self._path)


def _verifiers(keys: Sequence[str]) -> list[Verifier]:
    return [parse_verifier(key) for key in keys]


def _opened(note: str, keys: Sequence[str]) -> Checkpoint:
    return parse_checkpoint(open_note(note, _verifiers(keys)))


def state_folder() -> Path:
    """Where heads are kept: ``heads`` in the platform's state folder of this user."""
    import platformdirs  # noqa: PLC0415 - only where nobody named a folder

    return Path(platformdirs.user_state_dir("remit", appauthor=False)) / "heads"
