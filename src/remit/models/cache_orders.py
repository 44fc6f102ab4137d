"""What administrators see of kept answers and order about them. Each look inside and each clearing is in the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from remit.accounts.access import Permission, reading, require
from remit.audit.entry import Entry, Result
from remit.guard.budget_rollup import By, Where, usage_by
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Model
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.models import cache_rows
from remit.models.cache_tables import ANSWER, ANSWER_SUM

PAGE = 50
LONGEST_REASON = 500
SHORTEST = 8  # characters of a hash that name an answer

_COLUMNS = tuple(column for column in ANSWER.c if column.name not in {"body", "dek"})
_NEWEST = (
    select(*_COLUMNS)
    .where(ANSWER.c.workspace == bindparam("of"), ANSWER.c.until_us > bindparam("now"))
    .order_by(ANSWER.c.used_us.desc(), ANSWER.c.hash)
    .limit(bindparam("most"))
)
_NAMED = (
    select(*_COLUMNS)
    .where(
        ANSWER.c.workspace == bindparam("of"),
        ANSWER.c.hash >= bindparam("low"),
        ANSWER.c.hash < bindparam("high"),
    )
    .limit(2)
)
_SUM = select(ANSWER_SUM.c.entries, ANSWER_SUM.c.bytes).where(ANSWER_SUM.c.workspace == bindparam("of"))
_TARGETS = (
    select(
        ANSWER.c.target,
        func.count().label("entries"),
        func.sum(ANSWER.c.size).label("bytes"),
        func.sum(ANSWER.c.hits).label("hits"),
    )
    .where(ANSWER.c.workspace == bindparam("of"))
    .group_by(ANSWER.c.target)
    .order_by(ANSWER.c.target)
)


@dataclass(frozen=True, slots=True)
class AnswerView:
    """A kept answer from outside. ``hits`` is noted every few seconds; ``remit usage`` has the exact count."""

    hash: str
    target: str
    wire: str
    kept_us: int
    until_us: int
    used_us: int
    hits: int
    size: int
    saves: Money

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "hash": self.hash,
            "target": self.target,
            "wire": self.wire,
            "kept_at": iso(self.kept_us),
            "until": iso(self.until_us),
            "used_at": iso(self.used_us),
            "hits": self.hits,
            "bytes": self.size,
            "saves_usd": str(self.saves.usd),
        }


@dataclass(frozen=True, slots=True)
class Stats:
    """What is kept, and what that has spared since: answers given again, and what they had cost."""

    entries: int
    size: int
    given: int
    calls: int
    saved: Money
    targets: Sequence[dict[str, Json]]

    def as_json(self) -> dict[str, Json]:
        """For ``--json``. ``hit_rate``: of all calls of models in that time; null when there was none."""
        return {
            "entries": self.entries,
            "bytes": self.size,
            "kept_answers": self.given,
            "model_calls": self.calls,
            "hit_rate": round(self.given / self.calls, 4) if self.calls else None,
            "saved_usd": str(self.saved.usd),
            "targets": list(self.targets),
        }


async def list_answers(
    journal: Journal, workspace: str, *, by: Principal, clock: Clock, limit: int = PAGE
) -> list[AnswerView]:
    """The answers that may be given now, the last given first. What they say is not read.

    Raises:
        Refused: ``by`` may not administer.
    """
    now_us = micros_of(clock.now())

    def op(tx: ReadTx) -> list[AnswerView]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        return [_view(row) for row in tx.rows(_NEWEST, {"of": workspace, "now": now_us, "most": limit})]

    return await reading(journal, op)


async def show(
    journal: Journal, workspace: str, hashed: str, *, by: Principal, mask: Callable[[str], str]
) -> tuple[AnswerView, str]:
    """An answer and what it says, masked with what is known to be secret today. The look is logged.

    Raises:
        Refused: ``by`` may not administer.
        NotFound: There is no such answer, or its subject was erased.
        InvalidInput: ``hashed`` names several, or is too short.
    """

    def op(tx: Tx) -> tuple[AnswerView, str]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        view = _named(tx, workspace, hashed)
        found = cache_rows.read(tx, workspace, view.hash)
        if found is None:
            raise _unknown(hashed)
        tx.append(_entry(by, workspace, "shown", view.hash), {"target": view.target})
        _, answer = found
        body = answer.value.get("body")
        return view, body if isinstance(body, str) else answer.text or canonical(answer.value).decode()

    view, text = await journal.commit("models.cache", op)
    return view, mask(text)


async def clear(
    journal: Journal, workspace: str, *, by: Principal, reason: str, target: str = "", hashed: str = ""
) -> int:
    """Give up every kept answer, those of one ``provider/model``, or one; how many. Every process obeys within 0.5 s.

    Raises:
        Refused: ``by`` may not administer.
        InvalidInput: No reason; or ``hashed`` names several, or is too short.
        NotFound: ``hashed`` names none.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"Kept answers are cleared with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="cache.reason", hint="add --reason TEXT")

    def op(tx: Tx) -> int:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        one = _named(tx, workspace, hashed).hash if hashed else ""
        gone = cache_rows.clear(tx, workspace, target=target, hashed=one)
        tx.append(_entry(by, workspace, "cleared", one), {"reason": reason, "target": target, "answers": gone})
        return gone

    return await journal.commit("models.cache", op)


async def stats(journal: Journal, workspace: str, *, by: Principal, since_us: int = 0) -> Stats:
    """What is kept, and what was spared since.

    Raises:
        Refused: ``by`` may not administer.
    """

    def op(tx: ReadTx) -> Stats:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        row = tx.row(_SUM, {"of": workspace}) or {"entries": 0, "bytes": 0}
        found = usage_by(tx, workspace, by=By.KIND, since_us=since_us, where=Where(kind=Model.trait.kind))
        used = found[0] if found else None
        targets: list[dict[str, Json]] = [
            {"target": each["target"], **{name: int(each[name]) for name in ("entries", "bytes", "hits")}}
            for each in tx.rows(_TARGETS, {"of": workspace})
        ]
        return Stats(
            int(row["entries"]),
            int(row["bytes"]),
            used.sums["kept"] if used else 0,
            used.attempts if used else 0,
            used.saved if used else ZERO,
            targets,
        )

    return await reading(journal, op)


def _named(tx: ReadTx, workspace: str, hashed: str) -> AnswerView:
    if len(hashed) < SHORTEST or not all(digit in "0123456789abcdef" for digit in hashed):
        message = f"An answer is named by its hash, or its first {SHORTEST} digits at least."
        raise InvalidInput(message, code="cache.hash", hint="remit cache show")
    rows = tx.rows(_NAMED, {"of": workspace, "low": hashed, "high": hashed + "g"})
    if len(rows) > 1:
        message = f"{hashed} is the beginning of more than one answer's hash."
        raise InvalidInput(message, code="cache.hash", hint="remit cache show --json")
    if not rows:
        raise _unknown(hashed)
    return _view(rows[0])


def _unknown(hashed: str) -> NotFound:
    return NotFound(f"No answer {hashed[:64]} is kept.", code="cache.unknown", hint="remit cache show")


def _view(row: Row) -> AnswerView:
    return AnswerView(
        hash=row["hash"],
        target=row["target"],
        wire=row["wire"],
        kept_us=row["kept_us"],
        until_us=row["until_us"],
        used_us=row["used_us"],
        hits=row["hits"],
        size=row["size"],
        saves=Money(row["saved_micros"]),
    )


def _entry(by: Principal, workspace: str, what: str, hashed: str) -> Entry:
    return Entry(
        actor=by,
        action=f"models.cache_{what}",
        domain="models",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=hashed,
    )
