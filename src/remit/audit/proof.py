"""Checking proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2), and the portable proof of one entry (C2SP tlog-proof)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from remit.audit.merkle import HASH_SIZE, leaf_hash, node_hash
from remit.audit.note import Verifier, open_note, parse_checkpoint
from remit.kernel.errors import IntegrityError

PROOF_MAGIC = "c2sp.org/tlog-proof@v1"


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at ``index`` of the tree with ``size`` leaves and this ``root``.

    Args:
        leaf_hash: SHA-256(0x00 || entry header), 32 bytes.
        index: Position, from 0.
        size: Number of leaves under ``root``.
        proof: Sibling hashes from the leaf up, 32 bytes each.
        root: The tree's root, 32 bytes.

    Raises:
        IntegrityError: The proof does not show it: wrong or missing or surplus hashes, or an index outside the tree.
    """
    _check_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size:
        raise _wrong(f"index {index} is not in a tree of {size} leaves")
    fn, sn, total = index, size - 1, leaf_hash
    for sibling in proof:
        if sn == 0:
            raise _wrong("the inclusion proof has surplus hashes")
        if fn & 1 or fn == sn:
            total = node_hash(sibling, total)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            total = node_hash(total, sibling)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise _wrong("the inclusion proof is too short")
    if total != root:
        raise _wrong(f"entry {index} is not under this root")


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the tree ``(size2, root2)`` only appended to the tree ``(size1, root1)``.

    Args:
        size1: Leaves of the older tree, at least 1 (everything is consistent with an empty tree, so it proves nothing).
        size2: Leaves of the newer tree.
        proof: The hashes of RFC 6962's PROOF(size1, D[size2]), 32 bytes each.
        root1: Root of the older tree.
        root2: Root of the newer tree.

    Raises:
        IntegrityError: The proof does not show it.
    """
    _check_hashes(root1, root2, *proof)
    if not 0 < size1 <= size2:
        raise _wrong(f"nothing can be shown from {size1} to {size2} entries")
    if size1 == size2:
        if proof:
            raise _wrong("the consistency proof has surplus hashes")
        if root1 != root2:
            raise _wrong(f"two different roots for {size1} entries: the log was forked")
        return
    path = list(proof)
    if size1 & (size1 - 1) == 0:
        path.insert(0, root1)
    _walk_consistency(size1, size2, path, (root1, root2))


def _walk_consistency(size1: int, size2: int, path: list[bytes], roots: tuple[bytes, bytes]) -> None:
    if not path:
        raise _wrong("the consistency proof is empty")
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise _wrong("the consistency proof has surplus hashes")
        if fn & 1 or fn == sn:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            new = node_hash(new, sibling)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise _wrong("the consistency proof is too short")
    if (old, new) != roots:
        raise _wrong(f"the log of {size2} entries does not continue the one of {size1}")


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That an entry is in the log: anybody with the public key can check it offline.

    ``header`` is the exact bytes that were hashed into the leaf; ``note`` is the signed checkpoint.
    """

    index: int
    header: bytes
    path: tuple[bytes, ...]
    note: str

    def export(self) -> str:
        """As ``c2sp.org/tlog-proof@v1`` text; the header travels as the extra data."""
        lines = [PROOF_MAGIC, f"extra {b64encode(self.header).decode()}", f"index {self.index}"]
        lines += [b64encode(node).decode() for node in self.path]
        return "\n".join(lines) + "\n\n" + self.note

    def verify(self, verifiers: Sequence[Verifier]) -> int:
        """Check signature and inclusion.

        Returns:
            The size of the log that the checkpoint speaks of.

        Raises:
            IntegrityError: The signature or the proof does not hold.
        """
        head = parse_checkpoint(open_note(self.note, verifiers))
        verify_inclusion(leaf_hash(self.header), self.index, head.size, self.path, head.root)
        return head.size


def parse_proof(text: str) -> EntryProof:
    """Read what ``EntryProof.export`` wrote (and any ``tlog-proof`` whose extra data is the entry).

    Raises:
        IntegrityError: It is not such a text.
    """
    body, _, note = text.partition("\n\n")
    lines = body.split("\n")
    if len(lines) < 3 or lines[0] != PROOF_MAGIC or not note:  # noqa: PLR2004 - magic, extra, index
        raise _wrong(f"this is no {PROOF_MAGIC} text")
    extra, index = lines[1].removeprefix("extra "), lines[2].removeprefix("index ")
    if extra == lines[1] or index == lines[2] or not index.isascii() or not index.isdecimal():
        raise _wrong("the proof lacks its 'extra' or 'index' line")
    try:
        header, *path = [b64decode(line, validate=True) for line in (extra, *lines[3:])]
    except binascii.Error as error:
        raise _wrong("the proof holds a line that is not base64") from error
    _check_hashes(*path)
    return EntryProof(int(index), header, tuple(path), note)


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise _wrong("a hash must be exactly 32 bytes")


def _wrong(message: str) -> IntegrityError:
    return IntegrityError(f"The proof does not hold: {message}.", code="audit.proof")
