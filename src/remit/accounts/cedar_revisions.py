"""Custom Cedar policies as rows: one text for a workspace or team at a time, every earlier one kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, func, insert, select

from remit.accounts.access import Permission, Resource, lock, reading, require
from remit.accounts.tables import CEDAR
from remit.accounts.teams import find_team
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.clock import Clock, micros_of
from remit.kernel.ports import Journal, ReadTx, Row, Tx

_INSERT = insert(CEDAR)
_NEWEST = (
    select(CEDAR.c.team, func.max(CEDAR.c.revision).label("revision"))
    .where(CEDAR.c.workspace == bindparam("of"))
    .group_by(CEDAR.c.team)
    .subquery()
)
_IN_FORCE = (
    select(CEDAR)
    .join(_NEWEST, and_(CEDAR.c.team == _NEWEST.c.team, CEDAR.c.revision == _NEWEST.c.revision))
    .where(CEDAR.c.workspace == bindparam("of"), CEDAR.c.text != "")
    .order_by(CEDAR.c.team)
)
_LAST = select(func.max(CEDAR.c.revision).label("n")).where(
    CEDAR.c.workspace == bindparam("of"), CEDAR.c.team == bindparam("in_team")
)
_ALL = (
    select(CEDAR)
    .where(CEDAR.c.workspace == bindparam("of"), CEDAR.c.team == bindparam("in_team"))
    .order_by(CEDAR.c.revision.desc())
)


@dataclass(frozen=True, slots=True)
class CedarRevision:
    """A text of policies as saved. ``team`` is empty for the workspace's own; an empty ``text`` is no policy."""

    team: str
    revision: int
    text: str
    sha256: str
    saved_by: str
    saved_us: int

    def __str__(self) -> str:
        return f"{f'team {self.team}' if self.team else 'workspace'} revision {self.revision}"

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "team": self.team,
            "revision": self.revision,
            "sha256": self.sha256,
            "saved_by": self.saved_by,
            "saved_us": self.saved_us,
            "text": self.text,
        }


async def save_revision(
    journal: Journal, text: str, *, workspace: str, team: str, by: Principal, clock: Clock
) -> CedarRevision:
    """Put a text in force; ``guard.cedar.save_cedar`` is what checks it first. Audited with its hash.

    Raises:
        Refused: ``by`` may not administer policies there.
        NotFound: There is no such team.
    """
    at = micros_of(clock.now())
    digest = sha256_hex(text.encode())

    def op(tx: Tx) -> CedarRevision:
        lock(tx, workspace)
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.POLICY, team=team)
        if team:
            find_team(tx, workspace=workspace, slug=team)
        last = tx.row(_LAST, {"of": workspace, "in_team": team})
        revision = 1 + int((last["n"] or 0) if last is not None else 0)
        made = CedarRevision(team, revision, text, digest, str(by), at)
        row = {**made.as_json(), "workspace": workspace}
        tx.execute(_INSERT, row)
        entry = Entry(
            actor=by,
            action="accounts.policy.saved",
            domain="policy",
            result=Result.SUCCESS,
            workspace=workspace,
            subject=team,
            policy_rev=f"cedar-{team or 'workspace'}-{revision}",
        )
        tx.append(entry, {"team": team, "revision": revision, "sha256": digest, "empty": not text})
        return made

    return await journal.commit("accounts.policy", op)


async def list_revisions(journal: Journal, *, workspace: str, team: str, by: Principal) -> list[CedarRevision]:
    """Every revision of a team's policies (the workspace's, when empty), newest first.

    Raises:
        Refused: ``by`` may not read there.
    """

    def op(tx: ReadTx) -> list[CedarRevision]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.POLICY, team=team)
        return [_revision(row) for row in tx.rows(_ALL, {"of": workspace, "in_team": team})]

    return await reading(journal, op)


def read_policies(tx: ReadTx, workspace: str) -> tuple[CedarRevision, ...]:
    """The texts in force, the workspace's own first."""
    return tuple(_revision(row) for row in tx.rows(_IN_FORCE, {"of": workspace}))


def _revision(row: Row) -> CedarRevision:
    return CedarRevision(row["team"], row["revision"], row["text"], row["sha256"], row["saved_by"], row["saved_us"])
