"""The Merkle tree of RFC 6962, section 2.1: hashes, the right edge that grows, and which nodes a root or proof needs.

Nodes are named ``(level, index)``: level 0 are leaves, and node ``(k, i)`` covers leaves ``i * 2**k`` up to
``(i + 1) * 2**k``. Only complete subtrees have names; they are stored once and never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from remit.kernel.errors import IntegrityError

type Node = tuple[int, int]
type ReadNode = Callable[[int, int], bytes]

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), RFC 6962 section 2.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def cover(start: int, stop: int) -> list[Node]:
    """The complete subtrees that make up leaves ``start`` to ``stop``, from the left.

    ``start`` must be a multiple of the smallest power of two that is at least ``stop - start``, as in every range of
    RFC 6962.
    """
    nodes: list[Node] = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a range from those of its ``cover``."""
    if not hashes:
        return EMPTY_ROOT
    total = hashes[-1]
    for left in reversed(hashes[:-1]):
        total = node_hash(left, total)
    return total


class Edge:
    """The right edge of a tree: all that must be remembered to append and to tell the root."""

    __slots__ = ("size", "stack")

    def __init__(self, size: int = 0, stack: Iterable[bytes] = ()) -> None:
        """``stack`` holds the hashes of ``cover(0, size)``.

        Raises:
            IntegrityError: The stack does not fit the size, or holds something that is no hash.
        """
        self.size = size
        self.stack = list(stack)
        if len(self.stack) != size.bit_count() or any(len(h) != HASH_SIZE for h in self.stack):
            message = (
                f"a tree of {size} leaves has {size.bit_count()} nodes on its right edge; something else is stored"
            )
            raise IntegrityError(message, code="audit.edge")

    def copy(self) -> Edge:
        """An edge that grows by itself: the original stays what was last committed."""
        twin = Edge.__new__(Edge)
        twin.size = self.size
        twin.stack = self.stack[:]
        return twin

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf; the ``(level, index, hash)`` of every subtree that it completes."""
        made: list[tuple[int, int, bytes]] = []
        index, level, node = self.size, 0, leaf
        while index & 1:
            node = node_hash(self.stack.pop(), node)
            index >>= 1
            level += 1
            made.append((level, index, node))
        self.stack.append(node)
        self.size += 1
        return made

    def root(self) -> bytes:
        """The Merkle tree hash over every leaf so far."""
        return fold(self.stack)


def edge_of(size: int, read: ReadNode) -> Edge:
    """The right edge of a stored tree."""
    return Edge(size, [read(level, index) for level, index in cover(0, size)])


def root_of(size: int, read: ReadNode) -> bytes:
    """The root of the first ``size`` leaves of a stored tree."""
    return fold([read(level, index) for level, index in cover(0, size)])


def inclusion_plan(index: int, size: int) -> list[list[Node]]:
    """For each hash of PATH(index, D[size]) (RFC 6962 section 2.1.1), from the leaf up: the nodes to fold into it.

    Raises:
        IntegrityError: There is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        message = f"entry {index} is not in a log of {size} entries"
        raise IntegrityError(message, code="audit.range", hint="remit audit show")
    plan: list[list[Node]] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            plan.append(cover(middle, stop))
            stop = middle
        else:
            plan.append(cover(start, middle))
            start = middle
    plan.reverse()
    return plan


def consistency_plan(old: int, new: int) -> list[list[Node]]:
    """For each hash of PROOF(old, D[new]) (RFC 6962 section 2.1.2): the nodes to fold into it.

    Raises:
        IntegrityError: The sizes are not ``0 < old <= new``.
    """
    if not 0 < old <= new:
        message = f"there is no consistency proof from {old} to {new} entries"
        raise IntegrityError(message, code="audit.range")
    plan: list[list[Node]] = []
    start, stop, whole = 0, new, True
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            plan.append(cover(middle, stop))
            stop = middle
        else:
            plan.append(cover(start, middle))
            start = middle
            whole = False
    if not whole:
        plan.append(cover(start, stop))
    plan.reverse()
    return plan


def carry_out(plan: list[list[Node]], read: ReadNode) -> list[bytes]:
    """The hashes of a proof, its nodes read from where they are stored."""
    return [fold([read(level, index) for level, index in nodes]) for nodes in plan]


def _split(count: int) -> int:
    """The largest power of two below ``count`` (k in RFC 6962)."""
    return 1 << ((count - 1).bit_length() - 1)
