"""Writing the log: entries with their nodes, and signed checkpoints. The same on both databases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select

from remit.adapters.store.heads import HeadsFile
from remit.adapters.store.keyfile import KeyFile
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import query
from remit.audit.entry import Draft, Sealed
from remit.audit.keyring import Keyring, seal_all
from remit.audit.merkle import Edge, edge_of, leaf_hash
from remit.audit.note import Checkpoint, Signer, open_note, parse_checkpoint, sign_note
from remit.audit.proof import verify_consistency
from remit.audit.tables import CHECKPOINT, ENTRY, NODE, PAYLOAD
from remit.kernel.errors import IntegrityError

_ADD_CHECKPOINT = insert(CHECKPOINT)
_NOTE_AT = select(CHECKPOINT.c.note).where(CHECKPOINT.c.size == bindparam("at"))


class LogWriter:
    """The one place that adds to the log's tables. Every call needs the store's write lock.

    The right edge is remembered between transactions and only moves when ``committed`` says so: a rollback, or another
    process that appended, makes the next ``write`` read it again.
    """

    def __init__(
        self,
        signers: Sequence[Signer],
        heads: HeadsFile,
        *,
        sole_file: bool,
        keys: Keyring | None = None,
        key_file: KeyFile | None = None,
    ) -> None:
        """``sole_file``: every head is in this file (SQLite); else each host keeps the heads it signed (Postgres).

        ``keys`` encrypt payloads in ``append``; without them payloads are stored as they are. ``key_file``: sign with
        what stands there at the time, in place of ``signers``: the key may be changed while this process runs.
        """
        self._key_file = key_file
        self.keys = keys
        self.signers = tuple(signers)
        self.verifiers = tuple(signer.verifier for signer in signers)
        self.heads = heads
        self._sole_file = sole_file
        self.read_keys()
        self._edge: Edge | None = None
        self._next: Edge | None = None
        self.signed_size = 0

    def read_keys(self) -> None:
        """Take the keys from their file, if it changed."""
        if self._key_file is not None:
            found = self._key_file.read()
            self.signers, self.verifiers = found.signers, found.verifiers

    @property
    def size(self) -> int:
        """Entries committed, as far as this process knows."""
        return self._edge.size if self._edge else 0

    def _current(self, tx: WriteTransaction) -> Edge:
        size = query.size(tx)
        if self._edge is None or self._edge.size != size:
            self._edge = edge_of(size, lambda level, index: query.read_node(tx, level, index))
            if self.keys is not None:
                self.keys.forget()  # whoever appended may have destroyed a key; that is logged in the same transaction
        return self._edge

    def append(self, tx: WriteTransaction, drafts: Sequence[Draft]) -> None:
        """Encrypt the drafts' payloads, and ``write``."""
        edge = self._current(tx)
        self._write(tx, seal_all(self.keys, tx, drafts), edge)

    def write(self, tx: WriteTransaction, drafts: Sequence[Sealed]) -> None:
        """Give the drafts their places and add their rows and nodes."""
        self._write(tx, drafts, self._current(tx))

    def _write(self, tx: WriteTransaction, drafts: Sequence[Sealed], known: Edge) -> None:
        edge = known.copy()
        entries: list[tuple[object, ...]] = []
        payloads: list[tuple[object, ...]] = []
        nodes: list[tuple[int, int, bytes]] = []
        for item in drafts:
            seq, fields = edge.size, item.fields
            header = item.header(seq)
            leaf = leaf_hash(header)
            entries.append(
                (
                    seq,
                    fields["workspace"],
                    item.ts_us,
                    fields["mission"],
                    fields["action"],
                    fields["actor"],
                    header,
                    leaf,
                )
            )
            payloads.append((seq, fields["workspace"], item.salt, item.body, item.dek))
            nodes += edge.append(leaf)
        tx.insert(ENTRY, entries)
        tx.insert(PAYLOAD, payloads)
        tx.insert(NODE, nodes)
        self._next = edge

    def committed(self) -> None:
        """What ``write`` added is committed."""
        if self._next is not None:
            self._edge, self._next = self._next, None
        if self.keys is not None:
            self.keys.committed()

    def rolled_back(self) -> None:
        """What ``write`` added is gone."""
        self._next = None
        if self.keys is not None:
            self.keys.rolled_back()

    def sign(self, tx: WriteTransaction) -> bool:
        """Sign a checkpoint over everything committed, if anything is unsigned: heads file first, then the row.

        The entries must have been committed before this transaction began.

        Returns:
            Whether a checkpoint was added.

        Raises:
            IntegrityError: The log does not continue the last head, or heads are missing. Nothing is signed then.
        """
        self.read_keys()
        edge = self._current(tx)
        head = self._last_head(tx)
        if head is not None:
            self._check_continues(tx, head, edge)
        self.signed_size = head.size if head else 0
        if edge.size == self.signed_size:
            return False
        text = Checkpoint(self.signers[0].name, edge.size, edge.root()).text()
        note = sign_note(text, self.signers)
        self.heads.append(note)
        tx.execute(_ADD_CHECKPOINT, {"size": edge.size, "note": note})
        self.signed_size = edge.size
        return True

    def _last_head(self, tx: WriteTransaction) -> Checkpoint | None:
        """The newest head of table and file, which must tell the same story."""
        stored, kept = query.latest_note(tx), self.heads.last()
        if kept is None and (self.heads.read() or (self._sole_file and stored is not None)):
            message = f"{self.heads.path} does not hold the last signed head; nothing is signed until it does."
            raise IntegrityError(message, code="audit.heads", hint="remit audit verify")
        newest = self._open(stored)
        head = self._open(kept)
        if kept is None or head is None:
            return newest
        rows = tx.tuples(_NOTE_AT, {"at": head.size})
        if not rows:
            # A crash between the file and the commit, or a deleted row: the file is the older witness, so it decides.
            tx.execute(_ADD_CHECKPOINT, {"size": head.size, "note": kept})
        elif rows[0][0] != kept:
            message = f"two different heads over {head.size} entries: audit_checkpoint and {self.heads.path} disagree."
            raise IntegrityError(message, code="audit.heads", hint="remit audit verify")
        if newest is None or newest.size <= head.size:
            return head
        if self._sole_file:
            message = f"{self.heads.path} was cut at {head.size} entries: a head over {newest.size} was signed."
            raise IntegrityError(message, code="audit.heads", hint="remit audit verify")
        return newest

    def _open(self, note: str | None) -> Checkpoint | None:
        return None if note is None else parse_checkpoint(open_note(note, self.verifiers))

    def _check_continues(self, tx: WriteTransaction, head: Checkpoint, edge: Edge) -> None:
        if head.size > edge.size:
            message = f"a head over {head.size} entries was signed, but the log ends after {edge.size}: it was cut."
            raise IntegrityError(message, code="audit.cut", hint="remit audit verify")
        if edge.size:
            proof = query.prove_consistency(tx, head.size, edge.size)
            verify_consistency(head.size, edge.size, proof, head.root, edge.root())
