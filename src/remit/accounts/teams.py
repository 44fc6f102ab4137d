"""Teams: made together with their owner, and never without one."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import bindparam, delete, func, insert, select, update

from remit.accounts.access import (
    Permission,
    Resource,
    check_gift,
    lock,
    reading,
    refuse,
    require,
    rights_by_team,
    rights_of,
)
from remit.accounts.people import check_overrides, find_person, valid_email
from remit.accounts.roles import NONE, Role, effective, names_of
from remit.accounts.tables import AGENT, CEDAR, WORKSPACE
from remit.accounts.team_tables import INVITATION, MEMBER, TEAM
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ports import Journal, ReadTx, Row, Tx

LONGEST_NAME = 200
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,63}")

_AT = (TEAM.c.workspace == bindparam("of"), TEAM.c.slug == bindparam("called"))
_ONE = select(TEAM).where(*_AT)
_ALL = select(TEAM).where(TEAM.c.workspace == bindparam("of")).order_by(TEAM.c.slug)
_INSERT = insert(TEAM)
_CHANGE = update(TEAM).where(*_AT).values(name=bindparam("new_name"), billing_email=bindparam("new_email"))
_DELETE = delete(TEAM).where(*_AT)

_IN = (MEMBER.c.workspace == bindparam("of"), MEMBER.c.team == bindparam("called"))
_MEMBERS = select(MEMBER).where(*_IN).order_by(MEMBER.c.person)
_MEMBER = select(MEMBER).where(*_IN, MEMBER.c.person == bindparam("who"))
_EVERY_MEMBER = select(MEMBER).where(MEMBER.c.workspace == bindparam("of")).order_by(MEMBER.c.person)
_JOIN = insert(MEMBER)
_ROLE = (
    update(MEMBER)
    .where(*_IN, MEMBER.c.person == bindparam("who"))
    .values(role=bindparam("as"), granted=bindparam("plus"), revoked=bindparam("minus"))
)
_LEAVE = delete(MEMBER).where(*_IN, MEMBER.c.person == bindparam("who"))
_EMPTY = delete(MEMBER).where(*_IN)
_OWNERS = select(func.count().label("n")).select_from(MEMBER).where(*_IN, MEMBER.c.role == Role.OWNER.value)
_CLOSE = (
    update(INVITATION)
    .where(
        INVITATION.c.workspace == bindparam("of"),
        INVITATION.c.team == bindparam("called"),
        INVITATION.c.status == "open",
    )
    .values(status="revoked", closed_by=bindparam("by"), closed_us=bindparam("at"))
)
_AGENTS = select(AGENT.c.name).where(
    AGENT.c.workspace == bindparam("of"), AGENT.c.team == bindparam("called"), AGENT.c.status != "retired"
)
_EVERY_AGENT = (
    select(AGENT.c.team, AGENT.c.name)
    .where(AGENT.c.workspace == bindparam("of"), AGENT.c.status != "retired")
    .order_by(AGENT.c.name)
)
_OWNS = select(WORKSPACE.c.team).where(WORKSPACE.c.workspace == bindparam("of"))
_POLICY = select(func.max(CEDAR.c.revision).label("n")).where(
    CEDAR.c.workspace == bindparam("of"), CEDAR.c.team == bindparam("called")
)
_NO_POLICY = insert(CEDAR)


@dataclass(frozen=True, slots=True)
class Team:
    """A team. ``slug`` is what orders call it, ``billing_email`` where its bills go (may be empty).

    Raises:
        InvalidInput: A slug that is no lower-case word, a name that is empty or too long, no e-mail address.
    """

    workspace: str
    slug: str
    name: str
    billing_email: str = ""

    def __post_init__(self) -> None:
        problems: list[str] = []
        if not _SLUG.fullmatch(self.slug):
            problems.append(
                f"the slug {self.slug[:60]!r} must be a lower-case word of at most 64 letters, digits, - and _"
            )
        if not 0 < len(self.name.strip()) <= LONGEST_NAME or not self.name.isprintable():
            problems.append(f"the name must have 1 to {LONGEST_NAME} printable characters")
        if self.billing_email and not valid_email(self.billing_email):
            problems.append(f"{self.billing_email[:80]!r} is no e-mail address")
        if problems:
            message = f"The team can't be made: {'; '.join(problems)}."
            raise InvalidInput(message, code="accounts.team", problems=tuple(problems))


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a team, with their role and overrides there."""

    team: str
    user: str
    role: Role
    granted: int = NONE
    revoked: int = NONE

    @property
    def rights(self) -> int:
        """What they may do in the team, as ``roles`` counts."""
        return effective(self.role, self.granted, self.revoked)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {"user": self.user, "role": self.role.value, "may": names_of(self.rights)}


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team with everybody in it."""

    team: Team
    members: tuple[Member, ...]
    agents: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "team": self.team.slug,
            "name": self.team.name,
            "billing_email": self.team.billing_email,
            "members": [member.as_json() for member in self.members],
            "agents": list(self.agents),
        }


async def create_team(journal: Journal, team: Team, *, by: Principal, clock: Clock, owner: str = "") -> None:
    """Make a team and its owner (whoever orders it, unless named) in one transaction; audited.

    Raises:
        Refused: ``by`` may not administer teams of the workspace.
        Conflict: There is one.
        NotFound: There is no such owner.
    """
    first = owner or by.id

    def op(tx: Tx) -> None:
        lock(tx, team.workspace)
        require(tx, by, workspace=team.workspace, permission=Permission.ADMIN, resource=Resource.TEAM)
        if tx.row(_ONE, {"of": team.workspace, "called": team.slug}) is not None:
            message = f"There is a team {team.slug!r} already."
            raise Conflict(message, code="accounts.taken", hint="remit teams list")
        add_team(tx, team, owner=first, by=by, clock=clock)

    await journal.commit("accounts.team", op)


def add_team(tx: Tx, team: Team, *, owner: str, by: Principal, clock: Clock) -> None:
    """Write a team with its owner and its entry, inside another operation.

    Raises:
        NotFound: There is no such owner.
    """
    find_person(tx, workspace=team.workspace, user=owner)
    at = micros_of(clock.now())
    row: dict[str, object] = {
        "workspace": team.workspace,
        "slug": team.slug,
        "name": team.name,
        "billing_email": team.billing_email,
        "created_by": by.id,
        "created_us": at,
    }
    tx.execute(_INSERT, row)
    join(tx, Member(team.slug, owner, Role.OWNER), workspace=team.workspace, at_us=at)
    tx.append(_entry("accounts.team.created", team.workspace, team.slug, by), {"name": team.name, "owner": owner})


def join(tx: Tx, member: Member, *, workspace: str, at_us: int) -> None:
    """Write a membership, inside another operation whose own entry tells it."""
    values: dict[str, object] = {
        "workspace": workspace,
        "team": member.team,
        "person": member.user,
        "role": member.role.value,
        "granted": member.granted,
        "revoked": member.revoked,
        "joined_us": at_us,
    }
    tx.execute(_JOIN, values)


async def change_team(
    journal: Journal, slug: str, *, workspace: str, by: Principal, name: str | None = None, billing: str | None = None
) -> None:
    """Change a team's name or billing address; audited.

    Raises:
        Refused: ``by`` may not administer the team.
        InvalidInput: An empty name, no e-mail address.
        NotFound: There is no such team.
    """

    def op(tx: Tx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.TEAM, team=slug)
        old = find_team(tx, workspace=workspace, slug=slug)
        new = Team(
            workspace,
            slug,
            old.name if name is None else name,
            old.billing_email if billing is None else billing,
        )
        tx.execute(_CHANGE, {"of": workspace, "called": slug, "new_name": new.name, "new_email": new.billing_email})
        told: dict[str, Json] = {"name": new.name, "before": old.name, "billing_changed": billing is not None}
        tx.append(_entry("accounts.team.changed", workspace, slug, by), told)

    await journal.commit("accounts.team", op)


async def delete_team(journal: Journal, slug: str, *, workspace: str, by: Principal, clock: Clock) -> None:
    """End a team: only an owner may. Its members leave it, its open invitations and policies end; audited.

    Raises:
        Refused: ``by`` owns neither the team nor the workspace.
        NotFound: There is no such team.
        Conflict: Agents belong to it, or the workspace does.
    """

    def op(tx: Tx) -> None:
        lock(tx, workspace)
        require(tx, by, workspace=workspace, permission=Permission.DELETE, resource=Resource.TEAM, team=slug)
        find_team(tx, workspace=workspace, slug=slug)
        at: dict[str, object] = {"of": workspace, "called": slug}
        agents = [row["name"] for row in tx.rows(_AGENTS, at)]
        if agents:
            message = f"The team {slug!r} has agents: {', '.join(agents[:10])}."
            raise Conflict(message, code="accounts.team_in_use", hint=f"remit agents retire {agents[0]} --reason TEXT")
        owning = tx.row(_OWNS, {"of": workspace})
        if owning is not None and owning["team"] == slug:
            message = f"The team {slug!r} owns the workspace {workspace!r}, which is never without its team."
            raise Conflict(message, code="accounts.team_in_use", hint="remit teams list")
        gone = [row["person"] for row in tx.rows(_MEMBERS, at)]
        tx.execute(_EMPTY, at)
        tx.execute(_CLOSE, {**at, "by": str(by), "at": micros_of(clock.now())})
        tx.execute(_DELETE, at)
        _end_policy(tx, workspace, slug, by=by, at_us=micros_of(clock.now()))
        tx.append(_entry("accounts.team.deleted", workspace, slug, by), {"members": gone})

    await journal.commit("accounts.team", op)


async def set_member(
    journal: Journal,
    user: str,
    *,
    team: str,
    workspace: str,
    by: Principal,
    role: Role,
    clock: Clock,
    granted: int = NONE,
    revoked: int = NONE,
) -> None:
    """Give somebody with an account a role in a team (they join it when they aren't in it), with overrides; audited.

    Raises:
        Refused: ``by`` may not administer members of the team, or would give or take more than they have.
        InvalidInput: Overrides for an owner.
        NotFound: There is no such team or person.
        Conflict: They are the last owner.
    """
    check_overrides(role, granted, revoked)
    wanted = Member(team, user, role, granted, revoked)

    def op(tx: Tx) -> None:
        rights = _administer(tx, by, workspace, team)
        find_person(tx, workspace=workspace, user=user)
        before = find_member(tx, workspace=workspace, team=team, user=user)
        gift = wanted.rights | (before.rights if before else NONE)
        check_gift(by, rights=rights, gift=gift, workspace=workspace, team=team)
        if before is None:
            join(tx, wanted, workspace=workspace, at_us=micros_of(clock.now()))
        else:
            if before.role is Role.OWNER and role is not Role.OWNER:
                _keep_an_owner(tx, before, workspace)
            values: dict[str, object] = {"as": role.value, "plus": granted, "minus": revoked}
            tx.execute(_ROLE, {"of": workspace, "called": team, "who": user, **values})
        told: dict[str, Json] = {
            "user": user,
            "role": role.value,
            "may": names_of(wanted.rights),
            "before": names_of(before.rights) if before else [],
        }
        tx.append(_entry("accounts.member.role", workspace, team, by), told)

    await journal.commit("accounts.team", op)


async def leave_team(journal: Journal, team: str, *, workspace: str, by: Principal, user: str = "") -> None:
    """Leave a team, or (``user`` named) take somebody out of it; audited.

    Raises:
        Refused: ``by`` may not take ``user`` out.
        NotFound: There is no such team, or they aren't in it.
        Conflict: They are the last owner.
    """
    leaver = user or by.id

    def op(tx: Tx) -> None:
        lock(tx, workspace)
        if leaver != by.id or by.kind is not ActorKind.USER:
            rights = _administer(tx, by, workspace, team)
        else:
            rights = rights_of(tx, by.id, workspace=workspace, team=team)
            if not rights:
                _no_member(by, workspace, team)
        find_team(tx, workspace=workspace, slug=team)
        member = find_member(tx, workspace=workspace, team=team, user=leaver)
        if member is None:
            message = f"{leaver[:60]!r} isn't in the team {team!r}."
            raise NotFound(message, code="accounts.member", hint=f"remit teams show {team}")
        if leaver != by.id:
            check_gift(by, rights=rights, gift=member.rights, workspace=workspace, team=team)
        if member.role is Role.OWNER:
            _keep_an_owner(tx, member, workspace)
        tx.execute(_LEAVE, {"of": workspace, "called": team, "who": leaver})
        tx.append(_entry("accounts.member.left", workspace, team, by), {"user": leaver})

    await journal.commit("accounts.team", op)


async def list_teams(journal: Journal, *, workspace: str, by: Principal) -> list[TeamView]:
    """Every team that ``by`` may see, by slug, with its members and agents.

    Whoever may read the workspace sees all of them, a team's own people see theirs.

    Raises:
        Refused: ``by`` may see none.
    """

    def op(tx: ReadTx) -> list[TeamView]:
        rights = rights_by_team(tx, by.id, workspace=workspace)
        people = by.kind is ActorKind.USER
        own = [team for team in map(_team, tx.rows(_ALL, {"of": workspace})) if people and rights(team.slug) != NONE]
        if not own:
            require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.TEAM)
        members: dict[str, list[Member]] = {}
        agents: dict[str, list[str]] = {}
        for row in tx.rows(_EVERY_MEMBER, {"of": workspace}):
            members.setdefault(row["team"], []).append(_member(row))
        for row in tx.rows(_EVERY_AGENT, {"of": workspace}):
            agents.setdefault(row["team"], []).append(row["name"])
        return [TeamView(each, tuple(members.get(each.slug, ())), tuple(agents.get(each.slug, ()))) for each in own]

    return await reading(journal, op)


async def show_team(journal: Journal, slug: str, *, workspace: str, by: Principal) -> TeamView:
    """One team.

    Raises:
        Refused: ``by`` may not read it.
        NotFound: There is none.
    """

    def op(tx: ReadTx) -> TeamView:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.TEAM, team=slug)
        return view_team(tx, find_team(tx, workspace=workspace, slug=slug))

    return await reading(journal, op)


def view_team(tx: ReadTx, team: Team) -> TeamView:
    """A team with its members and agents."""
    at = {"of": team.workspace, "called": team.slug}
    members = tuple(_member(row) for row in tx.rows(_MEMBERS, at))
    return TeamView(team, members, tuple(sorted(row["name"] for row in tx.rows(_AGENTS, at))))


def find_team(tx: ReadTx, *, workspace: str, slug: str) -> Team:
    """The team called ``slug``.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    row = tx.row(_ONE, {"of": workspace, "called": slug})
    if row is not None:
        return _team(row)
    near = difflib.get_close_matches(slug, [known["slug"] for known in tx.rows(_ALL, {"of": workspace})], 1)
    message = f"There is no team {slug[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="accounts.team", hint="remit teams list")


def find_member(tx: ReadTx, *, workspace: str, team: str, user: str) -> Member | None:
    """Somebody's membership in a team, if they have one."""
    row = tx.row(_MEMBER, {"of": workspace, "called": team, "who": user})
    return None if row is None else _member(row)


def _administer(tx: Tx, by: Principal, workspace: str, team: str) -> int:
    lock(tx, workspace)
    rights = require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER, team=team)
    find_team(tx, workspace=workspace, slug=team)
    return rights


def _no_member(by: Principal, workspace: str, team: str) -> NoReturn:
    refuse(
        by,
        f"{by} has no part in the team {team[:60]!r}.",
        workspace=workspace,
        subject="write member",
        code="accounts.not_permitted",
        hint="remit teams list",
        team=team,
    )


def _keep_an_owner(tx: Tx, member: Member, workspace: str) -> None:
    row = tx.row(_OWNERS, {"of": workspace, "called": member.team})
    if row is None or row["n"] <= 1:
        message = f"{member.user!r} is the last owner of the team {member.team!r}: it is never without one."
        raise Conflict(message, code="accounts.last_owner", hint=f"remit teams role {member.team} USER owner")


def _end_policy(tx: Tx, workspace: str, team: str, *, by: Principal, at_us: int) -> None:
    """A later team of the same name doesn't come under this one's policies."""
    newest = tx.row(_POLICY, {"of": workspace, "called": team})
    if newest is None or newest["n"] is None:
        return
    row: dict[str, object] = {
        "workspace": workspace,
        "team": team,
        "revision": newest["n"] + 1,
        "text": "",
        "sha256": sha256_hex(b""),
        "saved_by": str(by),
        "saved_us": at_us,
    }
    tx.execute(_NO_POLICY, row)


def _team(row: Row) -> Team:
    return Team(row["workspace"], row["slug"], row["name"], row["billing_email"])


def _member(row: Row) -> Member:
    return Member(row["team"], row["person"], Role(row["role"]), row["granted"], row["revoked"])


def _entry(action: str, workspace: str, team: str, by: Principal) -> Entry:
    return Entry(actor=by, action=action, domain="accounts", result=Result.SUCCESS, workspace=workspace, subject=team)
