"""Orders that are sent again: with the same key the same order is carried out once, and its answer is given again.

A key is claimed before its order is carried out, marked in the order's own transaction, and answered after it. So
whatever a crash leaves behind is told apart: nothing was done (it may be done now), it was done and its answer is
known (it is given again), or it was done and its answer is lost (that is said). It is never done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.repeated_tables import REPEATED
from remit.accounts.sealing import Box
from remit.kernel.action import Principal
from remit.kernel.errors import Conflict, InvalidInput
from remit.kernel.ports import Row, Tx

KEPT_US = 24 * 3600 * 1_000_000
LONGEST_KEY = 200

_AT = (
    REPEATED.c.workspace == bindparam("of"),
    REPEATED.c.principal == bindparam("who"),
    REPEATED.c.key_hash == bindparam("called"),
)
_ONE = select(REPEATED).where(*_AT)
_NEW = insert(REPEATED).on_conflict_do_nothing()
_FORGET = delete(REPEATED).where(*_AT, REPEATED.c.carried == 0)
_OLD = delete(REPEATED).where(REPEATED.c.created_us < bindparam("before"))
_CARRIED = update(REPEATED).where(*_AT).values(carried=1)
_ANSWERED = update(REPEATED).where(*_AT).values(status=bindparam("came"), answer=bindparam("sealed"))
_TAKE_OVER = update(REPEATED).where(*_AT).values(owner=bindparam("by"), created_us=bindparam("at"))


@dataclass(frozen=True, slots=True)
class Order:
    """An order with a key. Only hashes of it are stored, and its answer is sealed under the key itself.

    Attributes:
        workspace: Whose.
        principal: Who gives it: keys of different people are different keys.
        key: The key that came with it; 1 to 200 visible ASCII characters.
        request: All that was asked, as bytes.
        owner: The process that carries it out.
        at_us: Now.

    Raises:
        InvalidInput: The key can't be one.
    """

    workspace: str
    principal: Principal
    key: str
    request: bytes
    owner: str
    at_us: int

    def __post_init__(self) -> None:
        if not (0 < len(self.key) <= LONGEST_KEY and self.key.isascii() and self.key.isprintable()):
            message = f"An idempotency key is 1 to {LONGEST_KEY} visible ASCII characters."
            raise InvalidInput(message, code="api.key", hint="send a new UUID with each order")

    @property
    def place(self) -> dict[str, object]:
        """Where its row is."""
        called = sha256(self.key.encode()).hexdigest()
        return {"of": self.workspace, "who": str(self.principal), "called": called}

    def box(self, home_key: bytes) -> Box:
        """What seals its answer: nobody opens it who does not send the key."""
        return Box(home_key, f"answer to the order {self.key}")


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given."""

    status: int
    sealed: bytes


def claim(tx: Tx, order: Order, *, alive: Callable[[str], bool]) -> Given | None:
    """Claim the key for this order, which is then to be carried out; or the answer that was given to it.

    Args:
        tx: The transaction.
        order: The order.
        alive: Whether a process that claimed a key still lives.

    Raises:
        InvalidInput: The key came with another order.
        Conflict: The same order is being carried out now; or it was, and its answer is lost.
    """
    tx.execute(_OLD, {"before": order.at_us - KEPT_US})
    made = tx.execute(_NEW, _row(order))
    if made:
        return None
    row = tx.row(_ONE, order.place)
    if row is None:  # let go of by another process in this moment; whoever asks again finds it free
        message = "The order with this key is being carried out."
        raise Conflict(message, code="api.in_flight", hint="ask again in a second")
    if row["request_hash"] != _hash(order):
        message = "The key came with another order before."
        raise InvalidInput(message, code="api.key_reused", hint="send a new UUID with each order")
    return _judge(tx, order, row, alive)


def _judge(tx: Tx, order: Order, row: Row, alive: Callable[[str], bool]) -> Given | None:
    if row["status"]:
        return Given(row["status"], bytes(row["answer"]))
    if alive(row["owner"]):
        message = "The order with this key is being carried out."
        raise Conflict(message, code="api.in_flight", hint="ask again in a second")
    if row["carried"]:
        message = "The order with this key was carried out, and its answer is lost: the server stopped before it."
        raise Conflict(message, code="api.answer_lost", hint="look at what it made; send no new key for the same order")
    tx.execute(_TAKE_OVER, {**order.place, "by": order.owner, "at": order.at_us})
    return None


def carried(tx: Tx, order: Order) -> None:
    """Mark that the order is carried out: in its own transaction."""
    tx.execute(_CARRIED, order.place)


def answered(tx: Tx, order: Order, given: Given) -> None:
    """Keep the answer."""
    tx.execute(_ANSWERED, {**order.place, "came": given.status, "sealed": given.sealed})


def release(tx: Tx, order: Order) -> None:
    """Let go of the key of an order that was not carried out."""
    tx.execute(_FORGET, order.place)


def _hash(order: Order) -> str:
    return sha256(order.request).hexdigest()


def _row(order: Order) -> dict[str, object]:
    place = order.place
    return {
        "workspace": place["of"],
        "principal": place["who"],
        "key_hash": place["called"],
        "request_hash": _hash(order),
        "owner": order.owner,
        "created_us": order.at_us,
        "carried": 0,
        "status": 0,
        "answer": b"",
    }
