"""Legal holds: while one is in force, what it covers is neither pruned nor erased.

The table is only an index of the log: each row must hash to what the ``audit.hold`` entry's header says, and a row that
was removed without an ``audit.release`` entry is found by verification.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from remit.audit.entry import SALT_SIZE, Entry, Result
from remit.audit.report import Findings, LogReader
from remit.audit.tables import HOLD
from remit.audit.told import HOLD_ACTION, RELEASE_ACTION
from remit.kernel.action import Principal
from remit.kernel.canonical import canonical
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ports import ReadTx, Row, Tx

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ADD = insert(HOLD)
_DROP = delete(HOLD).where(HOLD.c.workspace == bindparam("of"), HOLD.c.name == bindparam("which"))
_ONE = select(HOLD).where(HOLD.c.workspace == bindparam("of"), HOLD.c.name == bindparam("which"))
_OF = select(HOLD).where(HOLD.c.workspace == bindparam("of")).order_by(HOLD.c.name)
_ALL = select(
    HOLD.c.workspace, HOLD.c.name, HOLD.c.salt, HOLD.c.subject, HOLD.c.mission, HOLD.c.since_us, HOLD.c.until_us
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold covers: what fits every part that is not empty. Times are microseconds; ``until_us`` 0: no end."""

    subject: str = ""
    mission: str = ""
    since_us: int = 0
    until_us: int = 0

    def covers(self, *, mission: str, ts_us: int, subject: str) -> bool:
        """Whether an entry's payload falls under it."""
        return (
            self.subject in ("", subject)
            and self.mission in ("", mission)
            and ts_us >= self.since_us
            and (not self.until_us or ts_us <= self.until_us)
        )

    def as_json(self) -> dict[str, Any]:
        """For the entry's payload and ``--json``."""
        return {
            "subject": self.subject,
            "mission": self.mission,
            "since_us": self.since_us,
            "until_us": self.until_us,
        }


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold in force."""

    workspace: str
    name: str
    scope: Scope

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"name": self.name, **self.scope.as_json()}


def place_hold(
    tx: Tx,
    hold: Hold,
    *,
    by: Principal,
    reason: str,
    allow: Callable[[ReadTx], None],
    rand: Callable[[int], bytes] = os.urandom,
) -> None:
    """Put a hold in force, logged in the same transaction.

    Args:
        tx: The transaction.
        hold: Name and scope; a name is small letters, digits, dots, dashes.
        by: Who orders it.
        reason: Why, for the entry's payload.
        allow: Raises when ``by`` may not.
        rand: Source of the salt under which the scope is hashed into the log.

    Raises:
        Conflict: A hold of that name is in force.
        InvalidInput: The name does not fit.
    """
    allow(tx)
    if not _NAME.fullmatch(hold.name):
        message = f"A hold can't be named {hold.name!r}: use up to 64 small letters, digits, dots and dashes."
        raise InvalidInput(message, code="audit.hold", hint="remit audit hold case-17 --reason WHY")
    if tx.row(_ONE, {"of": hold.workspace, "which": hold.name}) is not None:
        message = f"The legal hold {hold.name!r} is in force already."
        raise Conflict(message, code="audit.hold", hint="remit audit holds")
    salt = rand(SALT_SIZE)
    scope = hold.scope
    tx.execute(
        _ADD,
        {
            "workspace": hold.workspace,
            "name": hold.name,
            "salt": salt,
            "subject": scope.subject,
            "mission": scope.mission,
            "since_us": scope.since_us,
            "until_us": scope.until_us,
        },
    )
    tx.append(_entry(HOLD_ACTION, hold, salt, by=by), {"reason": reason, **scope.as_json()}, subject=scope.subject)


def release_hold(
    tx: Tx, name: str, *, workspace: str, by: Principal, reason: str, allow: Callable[[ReadTx], None]
) -> Hold:
    """End a hold, logged in the same transaction.

    Raises:
        NotFound: No hold of that name is in force.
    """
    allow(tx)
    row = tx.row(_ONE, {"of": workspace, "which": name})
    if row is None:
        message = f"No legal hold {name[:64]!r} is in force."
        raise NotFound(message, code="audit.hold", hint="remit audit holds")
    hold = _hold(row)
    tx.execute(_DROP, {"of": workspace, "which": name})
    tx.append(_entry(RELEASE_ACTION, hold, row["salt"], by=by), {"reason": reason}, subject=hold.scope.subject)
    return hold


def holds(tx: ReadTx, workspace: str) -> tuple[Hold, ...]:
    """The holds in force, by name."""
    return tuple(_hold(row) for row in tx.rows(_OF, {"of": workspace}))


def covering(found: Sequence[Hold], *, mission: str, ts_us: int, subject: str) -> tuple[str, ...]:
    """The names of the holds that an entry's payload falls under."""
    return tuple(hold.name for hold in found if hold.scope.covers(mission=mission, ts_us=ts_us, subject=subject))


def check_holds(reader: LogReader, told: dict[tuple[str, str], str], findings: Findings) -> None:
    """Name every hold whose row is not what the log says."""
    left = dict(told)
    for workspace, name, salt, *scope in reader.tuples(_ALL):
        place = f"audit_hold {name}"
        digest = left.pop((workspace, name), None)
        if digest is None:
            findings.report(place, "no audit.hold entry in force says so", "surplus")
        elif digest != _digest(salt, Scope(*scope)):
            findings.report(place, "its scope is not what the audit.hold entry hashed")
    for _, name in left:
        findings.report(f"audit_hold {name}", "the row is missing and no audit.release entry ended it", "missing")


def _hold(row: Row) -> Hold:
    return Hold(row["workspace"], row["name"], Scope(row["subject"], row["mission"], row["since_us"], row["until_us"]))


def _digest(salt: bytes, scope: Scope) -> str:
    return sha256(bytes(salt) + canonical(scope.as_json())).hexdigest()


def _entry(action: str, hold: Hold, salt: bytes, *, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action=action,
        domain="audit",
        result=Result.SUCCESS,
        workspace=hold.workspace,
        subject=f"{hold.name}:{_digest(salt, hold.scope)}",
    )
