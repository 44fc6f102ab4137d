"""Lists of teams and of who is in them, page by page: each page is a fixed number of queries, whatever there is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from remit.accounts.access import Permission, Resource, reading, require, rights_by_team, rights_of
from remit.accounts.roles import NONE, Role, may
from remit.accounts.tables import AGENT
from remit.accounts.team_tables import MEMBER, TEAM
from remit.accounts.teams import Member, find_team
from remit.kernel.action import ActorKind, Principal
from remit.kernel.ports import Journal, ReadTx, Row

_MINE = (
    select(MEMBER.c.role)
    .where(MEMBER.c.workspace == TEAM.c.workspace, MEMBER.c.team == TEAM.c.slug, MEMBER.c.person == bindparam("who"))
    .scalar_subquery()
)
_PEOPLE = (
    select(func.count())
    .select_from(MEMBER)
    .where(MEMBER.c.workspace == TEAM.c.workspace, MEMBER.c.team == TEAM.c.slug)
    .scalar_subquery()
)
_AGENTS = (
    select(func.count())
    .select_from(AGENT)
    .where(AGENT.c.workspace == TEAM.c.workspace, AGENT.c.team == TEAM.c.slug, AGENT.c.status != "retired")
    .scalar_subquery()
)
_PAGE = (
    select(TEAM, _MINE.label("mine"), _PEOPLE.label("people"), _AGENTS.label("agents"))
    .where(TEAM.c.workspace == bindparam("of"), TEAM.c.slug > bindparam("after"))
    .order_by(TEAM.c.slug)
    .limit(bindparam("most"))
)
_OWN_PAGE = _PAGE.where(_MINE.is_not(None))
_MEMBERS = (
    select(MEMBER)
    .where(
        MEMBER.c.workspace == bindparam("of"),
        MEMBER.c.team == bindparam("called"),
        MEMBER.c.person > bindparam("after"),
    )
    .order_by(MEMBER.c.person)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class TeamRow:
    """A team in a list. ``role`` is what whoever asks is in it; ``None``: no member."""

    slug: str
    name: str
    billing_email: str
    created_us: int
    people: int
    agents: int
    role: Role | None


async def teams_page(journal: Journal, *, workspace: str, by: Principal, after: str, limit: int) -> list[TeamRow]:
    """Up to ``limit`` teams that ``by`` may see, by slug, after ``after``.

    Whoever may read the workspace sees all of them, a team's own people see theirs.

    Raises:
        Refused: ``by`` may see none.
    """
    at: dict[str, object] = {"of": workspace, "who": by.id, "after": after, "most": limit}

    def op(tx: ReadTx) -> list[TeamRow]:
        person = by.kind is ActorKind.USER
        if person and may(rights_of(tx, by.id, workspace=workspace), Permission.READ, Resource.TEAM):
            return [_team(row) for row in tx.rows(_PAGE, at)]
        own = [_team(row) for row in tx.rows(_OWN_PAGE, at)] if person else []
        rights = rights_by_team(tx, by.id, workspace=workspace)
        own = [row for row in own if rights(row.slug) != NONE]
        if not own and not after:
            require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.TEAM)
        return own

    return await reading(journal, op)


async def members_page(
    journal: Journal, team: str, *, workspace: str, by: Principal, after: str, limit: int
) -> list[Member]:
    """Up to ``limit`` people of a team, by id, after ``after``.

    Raises:
        Refused: ``by`` may not read it.
        NotFound: There is no such team.
    """
    at: dict[str, object] = {"of": workspace, "called": team, "after": after, "most": limit}

    def op(tx: ReadTx) -> list[Member]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.TEAM, team=team)
        find_team(tx, workspace=workspace, slug=team)
        return [
            Member(row["team"], row["person"], Role(row["role"]), row["granted"], row["revoked"])
            for row in tx.rows(_MEMBERS, at)
        ]

    return await reading(journal, op)


def _team(row: Row) -> TeamRow:
    return TeamRow(
        slug=row["slug"],
        name=row["name"],
        billing_email=row["billing_email"],
        created_us=row["created_us"],
        people=row["people"],
        agents=row["agents"],
        role=Role(row["mine"]) if row["mine"] else None,
    )
