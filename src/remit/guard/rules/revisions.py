"""The rules of a workspace in the store, in revisions: append-only, compiled before they are saved, named in decisions.

The highest number is in force. A workspace without any has the shipped sets as revision 1. Going back to an earlier
revision is a new revision with the earlier text.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.audit.entry import Entry, Result
from remit.guard.rule_tables import RULE_REVISION
from remit.guard.rules.book import Book, Uncompiled
from remit.guard.rules.document import resolved_from
from remit.guard.rules.resolving import SHIPPED, prepare, shipped
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.errors import Conflict, IntegrityError, InvalidInput, NotFound
from remit.kernel.ports import Journal, ReadTx, Row, Tx

LONGEST_REASON = 2000
MOST_SHOWN = 200
SYSTEM = Principal(ActorKind.SYSTEM, "remit")

_INSERT = insert(RULE_REVISION).on_conflict_do_nothing()
_OF = RULE_REVISION.c.workspace == bindparam("of")
_NEWEST = (
    select(RULE_REVISION.c.number, RULE_REVISION.c.sha256).where(_OF).order_by(RULE_REVISION.c.number.desc()).limit(1)
)
_ONE = select(RULE_REVISION).where(_OF, RULE_REVISION.c.number == bindparam("which"))
_ALL = select(RULE_REVISION).where(_OF).order_by(RULE_REVISION.c.number.desc()).limit(MOST_SHOWN)


class Origin(StrEnum):
    """Where a revision came from."""

    SHIPPED = "shipped"
    SAVED = "saved"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as stored."""

    number: int
    sha256: str
    written: str
    resolved: str
    origin: Origin
    saved_by: str
    reason: str
    saved_us: int

    def as_json(self) -> dict[str, Json]:
        """As shown, without its text."""
        return {
            "revision": self.number,
            "sha256": self.sha256,
            "origin": self.origin.value,
            "saved_by": self.saved_by,
            "saved_at": iso(self.saved_us) if self.saved_us else None,
            "reason": self.reason,
        }

    @property
    def book(self) -> Book:
        """The revision compiled, once for each text.

        Raises:
            IntegrityError: Its text is not what its hash says, or can't be compiled.
        """
        if sha256_hex(self.resolved.encode()) != self.sha256:
            message = f"Revision {self.number} of the rules is not what was saved: its text and its hash differ."
            raise IntegrityError(message, code="rules.changed", hint="remit policy save FILE --reason TEXT")
        return _KNOWN.get(self.sha256) or _compiled(self)


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules in force: number and book; ``revision`` is how decisions name them."""

    number: int
    book: Book
    revision: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "revision", self.book.revision(self.number))


def in_force(tx: ReadTx, workspace: str) -> InForce:
    """The rules in force in a workspace. One short row is read; the text only when it isn't known yet.

    Raises:
        IntegrityError: They can't be read, or are not what was saved: nothing may be allowed by them.
    """
    newest = tx.row(_NEWEST, {"of": workspace})
    if newest is None:
        return InForce(1, shipped().book)
    number, sha256 = newest["number"], newest["sha256"]
    known = _KNOWN.get(sha256)
    return InForce(number, known if known is not None else find_revision(tx, workspace, number).book)


def find_revision(tx: ReadTx, workspace: str, number: int) -> Revision:
    """The revision with this number.

    Raises:
        NotFound: There is none.
    """
    row = tx.row(_ONE, {"of": workspace, "which": number})
    if row is not None:
        return _revision(row)
    if number == 1:
        return _first()
    message = f"There is no revision {number} of the rules in the workspace {workspace!r}."
    raise NotFound(message, code="rules.revision", hint="remit policy show --history")


def newest_revision(tx: ReadTx, workspace: str) -> Revision:
    """The revision in force."""
    newest = tx.row(_NEWEST, {"of": workspace})
    return _first() if newest is None else find_revision(tx, workspace, newest["number"])


def history(tx: ReadTx, workspace: str) -> list[Revision]:
    """The newest 200 revisions, newest first."""
    return [_revision(row) for row in tx.rows(_ALL, {"of": workspace})] or [_first()]


async def install_shipped(journal: Journal, *, workspace: str, clock: Clock) -> None:
    """Write down the shipped sets as the first revision; and again when a newer Remit ships others.

    Rules that a person saved are left alone.
    """
    ready = shipped()

    def outdated(tx: ReadTx) -> int | None:
        """The number of the revision to follow, 0 where there is none."""
        row = tx.row(_NEWEST, {"of": workspace})
        if row is None:
            return 0
        newest = find_revision(tx, workspace, row["number"])
        return newest.number if newest.origin is Origin.SHIPPED and newest.sha256 != ready.book.sha256 else None

    def op(tx: Tx) -> None:
        last = outdated(tx)
        if last is not None:
            _append(
                *(tx, workspace, SHIPPED, ready.book),
                origin=Origin.SHIPPED, by=SYSTEM, reason="", clock=clock, after=last,
            )  # fmt: skip

    if await journal.read(outdated) is not None:
        with suppress(Conflict):  # another process does it at this moment
            await journal.commit("guard.rules", op)


async def save(
    journal: Journal,
    text: str,
    *,
    workspace: str,
    name: str,
    reason: str,
    by: Principal,
    clock: Clock,
) -> Revision:
    """Put a rule file in force as a new revision, and audit it.

    Raises:
        InvalidInput: The file can't be used (every fault with its place), or there is no reason.
        Denied: ``by`` is an agent, or may not administer.
        Conflict: It says what the revision in force says.
    """
    _check_reason(reason)
    ready = prepare(text, name=name)

    def op(tx: Tx) -> Revision:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        newest = newest_revision(tx, workspace)
        if newest.written == text and newest.sha256 == ready.book.sha256:
            message = f"Revision {newest.number}, which is in force, is this very file."
            raise Conflict(message, code="rules.same", hint="remit policy show")
        return _append(tx, workspace, text, ready.book, origin=Origin.SAVED, by=by, reason=reason, clock=clock)

    return await journal.commit("guard.rules", op)


async def restore(
    journal: Journal, number: int, *, workspace: str, reason: str, by: Principal, clock: Clock
) -> Revision:
    """Put an earlier revision in force again, as a new revision with exactly its rules, and audit it.

    Raises:
        InvalidInput: No reason.
        Denied: ``by`` is an agent, or may not administer.
        NotFound: There is no such revision.
        Conflict: It is in force.
    """
    _check_reason(reason)

    def op(tx: Tx) -> Revision:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        newest, earlier = newest_revision(tx, workspace), find_revision(tx, workspace, number)
        if newest.number == earlier.number:
            message = f"Revision {number} is in force."
            raise Conflict(message, code="rules.same", hint="remit policy show --history")
        return _append(
            tx, workspace, earlier.written, earlier.book, origin=Origin.RESTORED, by=by, reason=reason, clock=clock
        )

    return await journal.commit("guard.rules", op)


def _append(
    tx: Tx,
    workspace: str,
    written: str,
    book: Book,
    *,
    origin: Origin,
    by: Principal,
    reason: str,
    clock: Clock,
    after: int | None = None,
) -> Revision:
    """With ``after``, as the next of that revision or not at all: others may save between two reads of this one."""
    newest = tx.row(_NEWEST, {"of": workspace})
    if newest is None and origin is not Origin.SHIPPED:
        # What was in force so far becomes a row of its own, so that it can be told and restored.
        _append(tx, workspace, SHIPPED, shipped().book, origin=Origin.SHIPPED, by=SYSTEM, reason="", clock=clock)
        newest = tx.row(_NEWEST, {"of": workspace})
    number = 1 + (after if after is not None else newest["number"] if newest is not None else 0)
    made = Revision(
        number=number,
        sha256=book.sha256,
        written=written,
        resolved=book.resolved.text(),
        origin=origin,
        saved_by=str(by),
        reason=reason,
        saved_us=micros_of(clock.now()),
    )
    row: dict[str, object] = {
        "workspace": workspace,
        "number": number,
        "sha256": made.sha256,
        "written": made.written,
        "resolved": made.resolved,
        "origin": origin.value,
        "saved_by": made.saved_by,
        "reason": reason,
        "saved_us": made.saved_us,
    }
    if tx.execute(_INSERT, row) == 0:
        message = f"Somebody else saved revision {number} of the rules at the same moment."
        raise Conflict(message, code="rules.raced", hint="remit policy diff, then save again")
    entry = Entry(
        actor=by,
        action="policy.saved",
        domain="policy",
        result=Result.SUCCESS,
        workspace=workspace,
        reason=origin.value,
        subject=f"revision {number}",
        policy_rev=book.revision(number),
    )
    tx.append(entry, {"reason": reason, "sha256": made.sha256, "rules": len(book.resolved.rules)})
    return made


def _check_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"Rules are changed with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="rules.reason", hint="add --reason TEXT")


def _first() -> Revision:
    """The shipped sets, where no row says anything else."""
    book = shipped().book
    return Revision(1, book.sha256, SHIPPED, book.resolved.text(), Origin.SHIPPED, str(SYSTEM), "", 0)


def _revision(row: Row) -> Revision:
    return Revision(
        number=row["number"],
        sha256=row["sha256"],
        written=row["written"],
        resolved=row["resolved"],
        origin=Origin(row["origin"]),
        saved_by=row["saved_by"],
        reason=row["reason"],
        saved_us=row["saved_us"],
    )


#: Compiled books by the hash of their text: once for each revision, shared by everybody.
_KNOWN: dict[str, Book] = {}
_MOST_KNOWN = 64


def _compiled(revision: Revision) -> Book:
    try:
        book = Book(resolved_from(revision.resolved))
    except (Uncompiled, ValueError, KeyError, TypeError) as error:
        message = f"Revision {revision.number} of the rules can't be read: {error}."
        raise IntegrityError(message, code="rules.unreadable", hint="remit policy save FILE --reason TEXT") from error
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[revision.sha256] = book
    return book
