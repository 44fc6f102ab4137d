"""What was done about people, teams and agents: a feed for whoever may read the workspace, or a team of theirs.

It is read out of the audit log, where each order's entry stands in the order's own transaction. So nothing is written
for it: it can neither hold an order up, nor miss one, nor tell another story than the log. Sign-ins, keys and links of
single persons are not in it; those they see themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from sqlalchemy import bindparam, select, union_all

from remit.accounts.access import Permission, Resource, reading, require
from remit.audit.entry import read_header
from remit.audit.keyring import read_payload
from remit.audit.report import LogReader
from remit.audit.tables import ENTRY, PAYLOAD
from remit.kernel.action import Principal
from remit.kernel.ports import Journal, ReadTx

#: What is told, and how. ``{subject}`` is what it was about, ``{user}``, ``{role}``, ``{team}`` come of the payload.
TOLD: Mapping[str, str] = {
    "accounts.user.added": "gave {subject} an account",
    "accounts.user.role": "made {subject} {role} of the workspace",
    "accounts.user.removed": "ended {subject}'s account",
    "accounts.team.created": "made the team {subject}",
    "accounts.team.changed": "changed the team {subject}",
    "accounts.team.deleted": "ended the team {subject}",
    "accounts.member.role": "made {user} {role} of {subject}",
    "accounts.member.left": "took {user} out of {subject}",
    "accounts.invitation.made": "invited somebody into {team} as {role}",
    "accounts.invitation.accepted": "joined {team} as {role}",
    "accounts.invitation.revoked": "took an invitation into {team} back",
    "accounts.workspace.created": "made the workspace {subject}",
    "accounts.plan.set": "put the workspace on the plan {subject}",
    "accounts.policy.saved": "changed the policies of {team}",
    "accounts.agent.registered": "registered the agent {subject}",
    "accounts.agent.updated": "changed the agent {subject}",
    "accounts.agent.retired": "retired the agent {subject}",
    "accounts.agent.transferred": "gave the agent {subject} another owner",
    "accounts.kill.set": "stopped {subject}",
    "accounts.kill.lifted": "let {subject} act again",
    "accounts.pause.set": "paused {subject}",
    "accounts.pause.lifted": "ended the pause of {subject}",
    "accounts.refused": "was refused: {subject}",
}

#: Reads for one page at most, however few of the entries are a team's.
_ROUNDS = 5
_MOST = 200

_PARTS = [
    select(
        select(ENTRY.c.seq, ENTRY.c.header, PAYLOAD.c.body, PAYLOAD.c.dek)
        .join_from(ENTRY, PAYLOAD, ENTRY.c.seq == PAYLOAD.c.seq, isouter=True)
        .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == action, ENTRY.c.seq < bindparam("before"))
        .order_by(ENTRY.c.seq.desc())
        .limit(bindparam("most"))
        .subquery()
    )
    for action in TOLD
]
_NEWEST_OF_ALL = union_all(*_PARTS).subquery()
#: By the log's index on (workspace, action, seq): what it costs hangs on the page's length, not on the log's.
_NEWEST = select(_NEWEST_OF_ALL).order_by(_NEWEST_OF_ALL.c.seq.desc()).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was done. ``at_us`` is in microseconds since the epoch, ``team`` empty where none is concerned."""

    seq: int
    at_us: int
    who: str
    action: str
    subject: str
    team: str
    text: str


async def activity(
    journal: Journal, *, workspace: str, by: Principal, team: str = "", before: int = 1 << 62, limit: int = 50
) -> list[Happening]:
    """What was done, newest first.

    Args:
        journal: The store.
        workspace: Where.
        by: Who looks.
        team: Only what concerns this team; its members may look without a role in the workspace.
        before: Only entries before this one.
        limit: How many at most.

    Raises:
        Refused: ``by`` may not read the workspace (or the team).
    """

    def op(tx: ReadTx) -> list[Happening]:
        resource = Resource.TEAM if team else Resource.WORKSPACE
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=resource, team=team)
        reader = cast("LogReader", tx)  # what every store's read transaction is
        found: list[Happening] = []
        last = before
        for _ in range(_ROUNDS):
            rows = reader.tuples(_NEWEST, {"of": workspace, "before": last, "most": _MOST if team else limit})
            happened = [_happening(reader, row) for row in rows]
            found += [each for each in happened if not team or each.team == team]
            if len(found) >= limit or len(rows) < (_MOST if team else limit):
                break
            last = rows[-1][0]
        return found[:limit]

    return await reading(journal, op)


def _happening(reader: LogReader, row: tuple[Any, ...]) -> Happening:
    seq, header, body, dek = row
    fields = read_header(header)
    plain = None if body is None else read_payload(reader, fields, seq, body, dek or "")
    payload: Mapping[str, Any] = orjson.loads(plain) if plain else {}
    action, subject = str(fields["action"]), str(fields["subject"])
    about_team = action.startswith(("accounts.team.", "accounts.member."))
    team = subject if about_team else str(payload.get("team") or "")
    told = {"subject": subject, "user": payload.get("user", "somebody"), "role": payload.get("role") or "nothing"}
    text = TOLD[action].format(**told, team=team or "the workspace")
    return Happening(seq, int(fields["ts_us"]), str(fields["actor"]), action, subject, team, text)
