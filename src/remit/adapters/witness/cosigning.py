"""Asking a witness to cosign the newest head (C2SP tlog-witness), and keeping what it signed beside the heads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.store.journal import Store
from remit.adapters.witness.http import post
from remit.audit import query
from remit.audit.cosignature import Witness, cosigned_at, request
from remit.audit.heads import decode_heads, encode_head
from remit.audit.note import SIGNATURE_PREFIX, open_note, parse_checkpoint
from remit.kernel.errors import Conflict, IntegrityError, NotFound, Unavailable

_OK, _CONFLICT = 200, 409


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A head that a witness cosigned: size, when (seconds since the epoch), and the note with the witness's line."""

    size: int
    time_s: int
    note: str


def witness_head(store: Store, kept: Path, *, url: str, witness: Witness) -> Cosigned:
    """Have the newest head cosigned; the note with the witness's line is appended to the file ``kept``.

    Raises:
        Conflict: The witness knows a longer log, or another history: this log was cut, forked or brought back.
        IntegrityError: What the witness answered is no signature of its key over this head.
        NotFound: Nothing was signed yet.
        Unavailable: The witness does not answer, or refuses.
    """
    note = store.view(query.latest_note)
    if note is None:
        message = "There is no signed checkpoint yet."
        raise NotFound(message, code="audit.unsigned", hint="remit audit verify")
    text = open_note(note, store.verifiers)
    size = parse_checkpoint(text).size
    old = max((each.size for each in read_cosigned(kept, store, witness)), default=0)
    status, answer = _ask(store, url, old, size, note)
    if status == _CONFLICT:  # it knows another size: its own word, in the answer
        known = answer.decode("ascii", "replace").strip()
        if not known.isdecimal() or int(known) > size or int(known) == old:
            message = f"The witness {witness.name} does not accept this log: it knows one of {known[:20]} entries."
            raise Conflict(message, code="audit.forked", hint="remit audit verify")
        status, answer = _ask(store, url, int(known), size, note)
    if status != _OK:
        message = f"The witness {witness.name} refused the head over {size} entries: status {status}."
        if status in (_CONFLICT, 422):
            raise Conflict(message, code="audit.forked", hint="remit audit verify")
        raise Unavailable(message, code="audit.outside")
    for line in answer.decode("utf-8", "replace").splitlines():
        if line.startswith(f"{SIGNATURE_PREFIX}{witness.name} "):
            cosigned = Cosigned(size, cosigned_at(line, text, witness), note + line + "\n")
            _keep(kept, cosigned.note)
            return cosigned
    message = f"The witness {witness.name} answered without its signature."
    raise IntegrityError(message, code="audit.witness")


def _ask(store: Store, url: str, old: int, size: int, note: str) -> tuple[int, bytes]:
    proof = store.view(lambda tx: query.prove_consistency(tx, old, size)) if 0 < old < size else []
    return post(f"{url.rstrip('/')}/add-checkpoint", request(old, proof, note).encode(), kind="text/plain")


def read_cosigned(kept: Path, store: Store, witness: Witness) -> list[Cosigned]:
    """What the witness cosigned before, each held against the log as it is now.

    Raises:
        IntegrityError: A line is damaged, or the log no longer has the root that was cosigned.
    """
    try:
        lines = decode_heads(kept.read_bytes())
    except FileNotFoundError:
        return []
    found: list[Cosigned] = []
    for line in lines:
        if line.note is None:
            message = f"{kept} line {line.number} is damaged."
            raise IntegrityError(message, code="audit.witness", hint="restore the file from its backup")
        text = open_note(line.note, store.verifiers)
        mark = next(
            (each for each in line.note.splitlines() if each.startswith(f"{SIGNATURE_PREFIX}{witness.name} ")), ""
        )
        head = parse_checkpoint(text)
        time_s = cosigned_at(mark, text, witness)
        if store.view(lambda tx, size=head.size: query.root_at(tx, size)) != head.root:
            message = f"The log has another root over {head.size} entries than the one that {witness.name} cosigned."
            raise IntegrityError(message, code="audit.forked", hint="remit audit verify")
        found.append(Cosigned(head.size, time_s, line.note))
    return found


def _keep(path: Path, note: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, encode_head(note))
        os.fsync(handle)
    finally:
        os.close(handle)
