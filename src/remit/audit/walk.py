"""The walk over entries, payloads and nodes.

Works in chunks of aligned leaves. A chunk is first compared as a whole, in C; only one that differs is walked row by
row, to name the place.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select

from remit.audit.datakey import DataKey, open_body
from remit.audit.entry import SALT_SIZE
from remit.audit.holds import check_holds
from remit.audit.merkle import HASH_SIZE, Edge, cover, fold, leaf_hash
from remit.audit.prune import Coverage
from remit.audit.report import Findings, LogReader
from remit.audit.tables import ENTRY, NODE, PAYLOAD
from remit.audit.told import TELLING, Told
from remit.kernel.errors import RemitError

CHUNK_LEVEL = 9
CHUNK = 1 << CHUNK_LEVEL

_DERIVED = ("seq", "workspace", "ts_us", "mission", "action", "actor")
_derived = itemgetter(*_DERIVED)
_payload_hash = itemgetter("pd")

type _Payloads = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]

_ROWS = (
    select(*(ENTRY.c[name] for name in _DERIVED), ENTRY.c.header, ENTRY.c.leaf_hash)
    .add_columns(PAYLOAD.c.workspace, PAYLOAD.c.salt, PAYLOAD.c.body, PAYLOAD.c.dek)
    .join_from(ENTRY, PAYLOAD, ENTRY.c.seq == PAYLOAD.c.seq, isouter=True)
    .where(ENTRY.c.seq >= bindparam("start"), ENTRY.c.seq < bindparam("stop"))
    .order_by(ENTRY.c.seq)
)
_ENTRY_ROW = select(ENTRY).where(ENTRY.c.seq == bindparam("at"))
_NODES = (
    select(NODE.c.idx, NODE.c.hash)
    .where(NODE.c.level == bindparam("at"), NODE.c.idx >= bindparam("start"), NODE.c.idx < bindparam("stop"))
    .order_by(NODE.c.idx)
)
_TOLD = (
    select(ENTRY.c.header)
    .where(ENTRY.c.action == bindparam("did"), ENTRY.c.seq < bindparam("stop"))
    .order_by(ENTRY.c.seq)
)
_STRAY_NODES = select(NODE.c.level, NODE.c.idx).where(NODE.c.level == bindparam("at"), NODE.c.idx >= bindparam("stop"))
_ODD_LEVELS = select(NODE.c.level, NODE.c.idx).where((NODE.c.level < 1) | (NODE.c.level > bindparam("top")))
_NEGATIVE_NODES = select(NODE.c.level, NODE.c.idx).where(NODE.c.idx < 0)
_PAYLOADS = select(func.count()).select_from(PAYLOAD)
_NODE_COUNT = select(func.count()).select_from(NODE)
_STRAY_PAYLOADS = (
    select(PAYLOAD.c.seq)
    .join_from(PAYLOAD, ENTRY, ENTRY.c.seq == PAYLOAD.c.seq, isouter=True)
    .where(ENTRY.c.seq.is_(None))
)


@dataclass(slots=True)
class Walk:
    """The state of one verification. ``signed`` is the largest size at which a signed root held.

    With ``first`` (a multiple of ``CHUNK``) the entries before it are taken as an earlier verification found them, by
    the nodes that are stored over them.
    """

    reader: LogReader
    size: int
    findings: Findings
    claims: dict[int, list[tuple[str, bytes]]]
    first: int = 0
    signed: int = 0
    pruned: int = 0
    upper: Edge = field(default_factory=Edge)
    upper_made: list[tuple[int, int, bytes]] = field(default_factory=list[tuple[int, int, bytes]])
    bad: list[int] = field(default_factory=list[int])
    unreadable: set[int] = field(default_factory=set[int])
    missing: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    payloads: int = 0
    erased: int = 0
    told: Told = field(default_factory=Told)
    ciphers: dict[str, DataKey | None] = field(default_factory=dict[str, "DataKey | None"])

    def begin(self) -> None:
        """Take in what stands before ``first``."""
        if not self.first:
            return
        nodes = [(level, index) for level, index in cover(0, self.first)]
        stack = [node for level, at in nodes for _, node in self.reader.tuples(_NODES, _one(level, at))]
        if len(stack) != len(nodes):
            self.findings.report("audit_node", f"nodes over the first {self.first} entries are missing", "missing")
            self.first = 0
            return
        self.upper = Edge(self.first >> CHUNK_LEVEL, stack)
        self.signed = self.first
        for action in sorted(TELLING):
            for (header,) in self.reader.tuples(_TOLD, {"did": action, "stop": self.first}):
                self._note([orjson.loads(header)])

    def chunk(self, start: int) -> None:
        """Verify one chunk: rows, payloads, the nodes over them, and the heads signed within it."""
        stop = min(start + CHUNK, self.size)
        rows = self._rows(start, stop)
        leaves = self._whole(rows, start, stop)
        if leaves is None:
            leaves = self._row_by_row(rows, start, stop)
        levels = [leaves]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)
            levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
        self._nodes(levels, start)
        self._heads_within(levels, start, stop)
        for level, index in cover(start, stop):
            # Only the last chunk is cut into several subtrees, and nothing is appended after it.
            node = levels[level][index - (start >> level)]
            if level == CHUNK_LEVEL:
                self.upper_made += self.upper.append(node)
            else:
                self.upper.stack.append(node)

    def _rows(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        try:
            return self.reader.tuples(_ROWS, {"start": start, "stop": stop})
        except RemitError:
            # A column that no longer holds text, say: name the row, and go on with the others.
            rows: list[tuple[Any, ...]] = []
            for seq in range(start, stop):
                try:
                    rows += self.reader.tuples(_ROWS, {"start": seq, "stop": seq + 1})
                except RemitError as error:
                    self.findings.report(f"{self._culprit(seq)} {seq}", f"the row cannot be read: {error.message}")
                    self.unreadable.add(seq)
            return rows

    def _culprit(self, seq: int) -> str:
        """Which of an entry's two rows cannot be read."""
        try:
            self.reader.tuples(_ENTRY_ROW, {"at": seq})
        except RemitError:
            return "audit_entry"
        return "audit_payload"

    def _whole(self, rows: list[tuple[Any, ...]], start: int, stop: int) -> list[bytes] | None:
        """The chunk's leaf hashes when all of it is sound, else ``None``."""
        if len(rows) != stop - start:
            return None
        columns = list(zip(*rows, strict=True))
        headers, stored = columns[6:8]
        try:
            documents = orjson.loads(b"[%b]" % b",".join(headers))
            leaves = [sha256(b"\x00" + header).digest() for header in headers]
            if (
                columns[0] != tuple(range(start, stop))
                or list(map(_derived, documents)) != list(zip(*columns[:6], strict=True))
                or tuple(leaves) != stored
            ):
                return None
            kept_in, salts, bodies, deks = columns[8:]
            if not self._payloads_hold(documents, columns[1], (kept_in, salts, bodies, deks)):
                return None
        except (orjson.JSONDecodeError, TypeError, KeyError):
            return None
        if not TELLING.isdisjoint(columns[4]):
            self._note(documents)
        return leaves

    def _payloads_hold(self, documents: list[Any], workspaces: tuple[Any, ...], payloads: _Payloads) -> bool:
        kept_in, salts, bodies, deks = payloads
        if None in salts:
            missing = [i for i, salt in enumerate(salts) if salt is None]
            if any(bodies[i] is not None or kept_in[i] is not None or deks[i] is not None for i in missing):
                return False
            present = [i for i, salt in enumerate(salts) if salt is not None]
            self.missing += [(documents[i]["seq"], workspaces[i], documents[i].get("dek", "")) for i in missing]
            documents, workspaces = [documents[i] for i in present], tuple(workspaces[i] for i in present)
            kept_in, salts, bodies, deks = (tuple(column[i] for i in present) for column in payloads)
            if not present:
                return True
        self.payloads += len(salts)
        expected = [document["pd"] for document in documents]
        if kept_in != workspaces or self._hashes(workspaces, expected, (salts, bodies, deks)) != expected:
            return self._undo(documents, len(salts))
        if list(deks) != [document.get("dek", "") for document in documents]:
            return self._undo(documents, len(salts))
        return True

    def _hashes(
        self, workspaces: tuple[Any, ...], expected: list[str], payloads: tuple[tuple[Any, ...], ...]
    ) -> list[str | None]:
        """What each payload hashes to, opened where it is encrypted; ``None`` where it is not of the right form."""
        hashes: list[str | None] = []
        for workspace, pd, salt, body, dek in zip(workspaces, expected, *payloads, strict=True):
            if not dek:
                hashes.append(sha256(salt + body).hexdigest() if len(salt) == SALT_SIZE else None)
                continue
            key = self.ciphers[dek] if dek in self.ciphers else self._key(dek)
            plain = None if key is None or salt else open_body(key, workspace, pd, body)
            hashes.append(None if plain is None else sha256(plain).hexdigest())
        return hashes

    def _key(self, dek: str) -> DataKey | None:
        """A data key, looked up once; a damaged one is named where the keys are checked."""
        found = None
        with suppress(RemitError):
            found = None if self.reader.keys is None else self.reader.keys.key(self.reader, dek)
        self.ciphers[dek] = found
        return found

    def _undo(self, documents: list[Any], count: int) -> bool:
        """Forget what a chunk that turned out unsound had counted; the walk by row counts again."""
        first = documents[0]["seq"] >> CHUNK_LEVEL << CHUNK_LEVEL
        self.missing = [each for each in self.missing if each[0] < first]
        self.payloads -= count
        return False

    def _note(self, documents: list[Any]) -> None:
        for document in documents:
            if document["action"] in TELLING:
                self.told.take(document)

    def _row_by_row(self, rows: list[tuple[Any, ...]], start: int, stop: int) -> list[bytes]:
        leaves: list[bytes] = []
        by_seq = {row[0]: row for row in rows}
        for seq in range(start, stop):
            row = by_seq.get(seq)
            if row is None:
                if seq not in self.unreadable:
                    self.findings.report(f"audit_entry {seq}", "the row is missing", "missing")
                self.bad.append(seq)
                leaves.append(bytes(HASH_SIZE))
                continue
            leaf, sound = self._row(seq, row)
            leaves.append(leaf)
            if not sound:
                self.bad.append(seq)
        return leaves

    def _row(self, seq: int, row: tuple[Any, ...]) -> tuple[bytes, bool]:
        """The leaf hash of a row's header, and whether its header is what was hashed."""
        place, header, stored = f"audit_entry {seq}", row[6], row[7]
        self.payloads += row[9] is not None
        if not isinstance(header, bytes):
            self.findings.report(place, "column header is no byte string")
            return bytes(HASH_SIZE), False
        leaf = leaf_hash(header)
        if leaf != stored:
            self.findings.report(place, "columns header and leaf_hash do not belong together")
            return leaf, False
        try:
            document = orjson.loads(header)
            derived = _derived(document)
            payload_hash = _payload_hash(document)
        except (orjson.JSONDecodeError, TypeError, KeyError):
            self.findings.report(place, "column header is no audit header")
            return leaf, False
        for name, value, hashed in zip(_DERIVED, row[:6], derived, strict=True):
            if value != hashed:
                self.findings.report(place, f"column {name} is not what the hashed header says")
        self._note([document])
        self._payload(seq, (document["workspace"], payload_hash, document.get("dek", "")), row[8:])
        return leaf, derived[0] == seq

    def _payload(self, seq: int, expected: tuple[str, str, str], row: tuple[Any, ...]) -> None:
        place, (workspace, salt, body, dek) = f"audit_payload {seq}", row
        of, pd, under = expected
        if workspace is None and salt is None and body is None:
            self.missing.append((seq, of, under))
        elif dek != under:
            self.findings.report(place, "column dek is not what the hashed header says")
        elif not isinstance(salt, bytes) or not isinstance(body, bytes) or len(salt) != (0 if dek else SALT_SIZE):
            self.findings.report(place, "column salt or body has the wrong form")
        elif workspace != of:
            self.findings.report(place, "column workspace is not the entry's")
        elif dek and self._key(dek) is None:
            self.findings.report(place, f"its key audit_dek {dek} is not there, so nothing shows what it held")
        elif self._hashes((of,), [pd], ((salt,), (body,), (dek,))) != [pd]:
            self.findings.report(place, "columns salt and body do not hash to what the entry recorded")

    # ---------------------------------------------------------------------------------------------------- the nodes

    def _explained(self, level: int, index: int) -> bool:
        """Whether a wrong node only follows from a leaf that is already reported."""
        position = bisect_left(self.bad, index << level)
        return position < len(self.bad) and self.bad[position] < (index + 1) << level

    def _compare(self, level: int, first: int, expected: list[bytes]) -> None:
        stop = first + len(expected)
        stored = self.reader.tuples(_NODES, {"at": level, "start": first, "stop": stop})
        wanted = list(zip(range(first, stop), expected, strict=True))
        if stored == wanted:
            return
        by_index = dict(stored)
        for index, node in wanted:
            if index not in by_index:
                self.findings.report(f"audit_node {level}/{index}", "the row is missing", "missing")
            elif by_index[index] != node and not self._explained(level, index):
                self.findings.report(f"audit_node {level}/{index}", "column hash is not that of the nodes below")

    def _nodes(self, levels: list[list[bytes]], start: int) -> None:
        for level, expected in enumerate(levels[1:], start=1):
            if expected:
                self._compare(level, start >> level, expected)

    def upper_nodes(self) -> None:
        """Nodes above the chunks, a level at a time."""
        by_level: dict[int, tuple[int, list[bytes]]] = {}
        for level, index, node in self.upper_made:
            by_level.setdefault(level + CHUNK_LEVEL, (index, []))[1].append(node)
        for level, (first, expected) in by_level.items():
            self._compare(level, first, expected)

    def _heads_within(self, levels: list[list[bytes]], start: int, stop: int) -> None:
        for size in sorted(size for size in self.claims if start < size <= stop):
            inner = [levels[level][index - (start >> level)] for level, index in cover(start, size)]
            root = fold([*self.upper.stack, *inner])
            for place, claimed in self.claims[size]:
                if claimed == root:
                    self.signed = max(self.signed, size)
                elif not (self.bad and self.bad[0] < size):
                    self.findings.report(
                        place,
                        f"the signed root over {size} entries is another: entries {self.signed} to {size - 1} "
                        "were rewritten",
                        "rewritten",
                    )

    # -------------------------------------------------------------------------------------------- what should not be

    def surplus(self) -> None:
        """Name nodes and payloads of no entry."""
        expected = sum(self.size >> level for level in range(1, self.size.bit_length()))
        if self.reader.tuples(_NODE_COUNT)[0][0] != expected:
            top = max(self.size.bit_length() - 1, 0)
            strays = self.reader.tuples(_ODD_LEVELS, {"top": top}) + self.reader.tuples(_NEGATIVE_NODES)
            for level in range(1, top + 1):
                strays += self.reader.tuples(_STRAY_NODES, {"at": level, "stop": self.size >> level})
            for level, index in dict.fromkeys(strays):
                self.findings.report(
                    f"audit_node {level}/{index}", "a node of no entries: entries were cut off", "surplus"
                )
        if self.first == 0 and self.reader.tuples(_PAYLOADS)[0][0] != self.payloads:
            for (seq,) in self.reader.tuples(_STRAY_PAYLOADS):
                self.findings.report(f"audit_payload {seq}", "a payload of no entry", "surplus")

    def missing_payloads(self) -> None:
        """Name missing payloads that neither a prune entry nor an erase entry accounts for."""
        coverage = Coverage(self.told.prunes)
        for seq, workspace, dek in self.missing:
            erasure = self.told.erased.get(dek) if dek else None
            if erasure is not None and erasure.workspace == workspace and seq < erasure.seq:
                self.erased += 1
            elif coverage.holds(seq, workspace):
                self.pruned += 1
            else:
                self.findings.report(
                    f"audit_payload {seq}",
                    "the row is missing and no audit.prune or audit.erase entry accounts for it",
                    "missing",
                )

    def keys_and_holds(self) -> None:
        """Hold the data keys and the legal holds against what the log says of them."""
        if self.reader.keys is not None:
            erased = {dek: erasure.workspace for dek, erasure in self.told.erased.items()}
            self.reader.keys.check(self.reader, erased, self.findings)
        check_holds(self.reader, self.told.holds, self.findings)


def _one(level: int, index: int) -> dict[str, int]:
    return {"at": level, "start": index, "stop": index + 1}
