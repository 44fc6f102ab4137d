"""Reading the log: entries of one workspace by filter, and the proof of one entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Select, bindparam, exists, func, select

from remit.audit.entry import read_header
from remit.audit.keyring import read_payload
from remit.audit.merkle import carry_out, consistency_plan, inclusion_plan, root_of
from remit.audit.note import Verifier, open_note, parse_checkpoint
from remit.audit.proof import EntryProof
from remit.audit.report import LogReader
from remit.audit.tables import CHECKPOINT, ENTRY, NODE, PAYLOAD, PENDING
from remit.audit.told import ROTATE_ACTION
from remit.kernel.errors import IntegrityError, NotFound

#: The workspace of entries that are about the log itself.
SYSTEM_WORKSPACE = "system"

_NODE = select(NODE.c.hash).where(NODE.c.level == bindparam("at"), NODE.c.idx == bindparam("index"))
_LEAF = select(ENTRY.c.leaf_hash).where(ENTRY.c.seq == bindparam("index"))
_HEADER = select(ENTRY.c.header).where(ENTRY.c.seq == bindparam("index"))
_LATEST = select(CHECKPOINT.c.note).order_by(CHECKPOINT.c.size.desc()).limit(1)
_ROTATIONS = (
    select(ENTRY.c.seq, ENTRY.c.header)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == bindparam("did"))
    .order_by(ENTRY.c.seq)
)
_COVERING = select(CHECKPOINT.c.note).where(CHECKPOINT.c.size > bindparam("index")).order_by(CHECKPOINT.c.size).limit(1)
_BEGUN = select(exists(select(ENTRY.c.seq)) | exists(select(PENDING.c.id)))
_SIZE = select(func.max(ENTRY.c.seq))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries: empty text means any; ``since_us`` is microseconds since the epoch, ``after`` a seq."""

    workspace: str
    mission: str = ""
    action: str = ""
    actor: str = ""
    since_us: int = 0
    after: int = -1
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it is shown: its header's fields, and the payload unless that was pruned or erased (``None``)."""

    seq: int
    header: dict[str, Any]
    payload: dict[str, Any] | None
    leaf_hash: bytes

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**self.header, "payload": self.payload, "leaf_hash": self.leaf_hash.hex()}


@lru_cache(maxsize=16)
def _select(*, mission: bool, action: bool, actor: bool, since: bool) -> Select[Any, Any, Any, Any, Any]:
    stmt = (
        select(ENTRY.c.seq, ENTRY.c.header, ENTRY.c.leaf_hash, PAYLOAD.c.body, PAYLOAD.c.dek)
        .join_from(ENTRY, PAYLOAD, ENTRY.c.seq == PAYLOAD.c.seq, isouter=True)
        .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.seq > bindparam("after"))
        .order_by(ENTRY.c.seq)
        .limit(bindparam("most"))
    )
    for wanted, column, name in ((mission, "mission", "in_mission"), (action, "action", "did"), (actor, "actor", "by")):
        if wanted:
            stmt = stmt.where(ENTRY.c[column] == bindparam(name))
    return stmt.where(ENTRY.c.ts_us >= bindparam("since")) if since else stmt


def find(reader: LogReader, wanted: Filter) -> list[Record]:
    """Entries of one workspace, oldest first, at most ``limit``; the next page starts ``after`` the last one's seq."""
    values = {"in_mission": wanted.mission, "did": wanted.action, "by": wanted.actor, "since": wanted.since_us}
    stmt = _select(
        mission=bool(wanted.mission), action=bool(wanted.action), actor=bool(wanted.actor), since=bool(wanted.since_us)
    )
    params = {name: value for name, value in values.items() if value}
    rows = reader.tuples(stmt, {"of": wanted.workspace, "after": wanted.after, "most": wanted.limit, **params})
    return [_record(reader, row) for row in rows]


def _record(reader: LogReader, row: tuple[Any, ...]) -> Record:
    seq, header, leaf, body, dek = row
    fields = read_header(header)
    plain = None if body is None else read_payload(reader, fields, seq, body, dek or "")
    return Record(seq, fields, None if plain is None else orjson.loads(plain), leaf)


def pick(reader: LogReader, workspace: str, seqs: Sequence[int]) -> list[Record]:
    """These entries of a workspace, in the order of the log."""
    stmt = _select(mission=False, action=False, actor=False, since=False)
    found: list[Record] = []
    for seq in sorted(set(seqs)):
        rows = reader.tuples(stmt, {"of": workspace, "after": seq - 1, "most": 1})
        found += [_record(reader, row) for row in rows if row[0] == seq]
    return found


def size(reader: LogReader) -> int:
    """How many entries the log holds."""
    last = reader.tuples(_SIZE)[0][0]
    return 0 if last is None else int(last) + 1


def latest_note(reader: LogReader) -> str | None:
    """The newest signed checkpoint, if one was signed yet."""
    rows = reader.tuples(_LATEST)
    return rows[0][0] if rows else None


def read_node(reader: LogReader, level: int, index: int) -> bytes:
    """A stored node, leaves included.

    Raises:
        IntegrityError: It is missing.
    """
    rows = reader.tuples(_NODE, {"at": level, "index": index}) if level else reader.tuples(_LEAF, {"index": index})
    if not rows:
        place = f"audit_node {level}/{index}" if level else f"audit_entry {index}"
        message = f"The audit log is damaged: {place} is missing."
        raise IntegrityError(message, code="audit.node", place=place)
    return bytes(rows[0][0])


def prove(reader: LogReader, seq: int, *, verifiers: Sequence[Verifier]) -> EntryProof:
    """The proof that entry ``seq`` is under the newest signed checkpoint; checked before it is handed out.

    Raises:
        NotFound: There is no such entry, or no checkpoint covers it yet.
        IntegrityError: The log does not prove it: it was changed.
    """
    rows = reader.tuples(_HEADER, {"index": seq})
    note = latest_note(reader)
    if not rows:
        message = f"The audit log has no entry {seq}."
        raise NotFound(message, code="audit.entry", hint="remit audit show")
    head = None if note is None else parse_checkpoint(open_note(note, verifiers))
    if note is None or head is None or head.size <= seq:
        message = f"No signed checkpoint covers entry {seq} yet."
        raise NotFound(message, code="audit.unsigned", hint=f"wait a second, then: remit audit prove {seq}")
    path = prove_inclusion(reader, seq, head.size)
    proof = EntryProof(seq, bytes(rows[0][0]), tuple(path), note)
    proof.verify(verifiers)
    return proof


def rotations(reader: LogReader, verifiers: Sequence[Verifier]) -> list[EntryProof]:
    """The proof of each change of the log's key, oldest first, under the first head that covers it.

    That head is signed by the old key and the new one: whoever trusts the old one learns the new.

    Raises:
        IntegrityError: The log does not prove it: it was changed.
    """
    proofs: list[EntryProof] = []
    for seq, header in reader.tuples(_ROTATIONS, {"did": ROTATE_ACTION, "of": SYSTEM_WORKSPACE}):
        for (note,) in reader.tuples(_COVERING, {"index": seq}):
            head = parse_checkpoint(open_note(note, verifiers))
            proofs.append(EntryProof(seq, bytes(header), tuple(prove_inclusion(reader, seq, head.size)), note))
    return proofs


def announced(reader: LogReader) -> list[str]:
    """The public keys that the log was handed over to, oldest first."""
    rows = reader.tuples(_ROTATIONS, {"did": ROTATE_ACTION, "of": SYSTEM_WORKSPACE})
    return [str(read_header(header)["subject"]) for _, header in rows]


def prove_inclusion(reader: LogReader, index: int, size: int) -> list[bytes]:
    """The hashes that show that entry ``index`` is in the log of ``size`` entries.

    Raises:
        IntegrityError: There is no such entry, or a node is missing.
    """
    return carry_out(inclusion_plan(index, size), lambda level, at: read_node(reader, level, at))


def prove_consistency(reader: LogReader, old: int, new: int) -> list[bytes]:
    """The hashes that show that the log of ``new`` entries only appended to the one of ``old``.

    Raises:
        IntegrityError: The sizes are not ``0 < old <= new``, or a node is missing.
    """
    return carry_out(consistency_plan(old, new), lambda level, index: read_node(reader, level, index))


def root_at(reader: LogReader, size: int) -> bytes:
    """The root over the first ``size`` entries, from the stored nodes.

    Raises:
        IntegrityError: A node is missing.
    """
    return root_of(size, lambda level, index: read_node(reader, level, index))


def begun(reader: LogReader) -> bool:
    """Whether the log has an entry, or one that waits to be numbered."""
    return bool(reader.tuples(_BEGUN)[0][0])
