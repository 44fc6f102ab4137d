"""The people of a workspace: who they are, what they may do, and that one of them always owns it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import (
    ACTIVE,
    Permission,
    Resource,
    check_gift,
    lock,
    reading,
    refuse,
    require,
)
from remit.accounts.credentials import forget_credentials
from remit.accounts.plans import lifting, plan_of
from remit.accounts.roles import BITS, NONE, Role, effective, names_of
from remit.accounts.tables import USER
from remit.accounts.team_tables import MEMBER
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ports import Journal, ReadTx, Row, Tx

REMOVED = "removed"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,189}")
LONGEST_NAME = 200

_AT = (USER.c.workspace == bindparam("of"), USER.c.id == bindparam("who"))
_ONE = select(USER).where(*_AT)
_ALL = select(USER).where(USER.c.workspace == bindparam("of")).order_by(USER.c.id)
_TEAMS_OF = (
    select(MEMBER.c.team, MEMBER.c.person, MEMBER.c.role, MEMBER.c.granted, MEMBER.c.revoked)
    .where(MEMBER.c.workspace == bindparam("of"))
    .order_by(MEMBER.c.team)
)
_OWNED_ALONE = select(MEMBER.c.team, MEMBER.c.person).where(
    MEMBER.c.workspace == bindparam("of"), MEMBER.c.role == Role.OWNER.value
)
_INSERT = insert(USER)
_BACK = insert(USER).on_conflict_do_update(
    index_elements=["workspace", "id"],
    set_={name: bindparam(f"new_{name}") for name in ("name", "role", "email", "status", "granted", "revoked")},
)
_ROLE = update(USER).where(*_AT).values(role=bindparam("as"), granted=bindparam("plus"), revoked=bindparam("minus"))
_REMOVE = update(USER).where(*_AT).values(status=REMOVED, role="", granted=NONE, revoked=NONE)
_ACTIVE = (
    select(func.count().label("n"))
    .select_from(USER)
    .where(USER.c.workspace == bindparam("of"), USER.c.status == ACTIVE)
)
_OWNERS = (
    select(func.count().label("n"))
    .select_from(USER)
    .where(USER.c.workspace == bindparam("of"), USER.c.status == ACTIVE, USER.c.role == Role.OWNER.value)
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account in a workspace. ``teams`` maps each of theirs to what they may do in it."""

    workspace: str
    id: str
    name: str
    email: str = ""
    role: Role | None = None
    status: str = ACTIVE
    granted: int = NONE
    revoked: int = NONE
    teams: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def rights(self) -> int:
        """What they may do in the workspace by their role in it, as ``roles`` counts."""
        return effective(self.role, self.granted, self.revoked) if self.status == ACTIVE else NONE

    def as_json(self) -> dict[str, Json]:
        """For ``remit users --json``."""
        return {
            "user": self.id,
            "name": self.name,
            "email": self.email,
            "role": self.role.value if self.role else None,
            "status": self.status,
            "may": names_of(self.rights),
            "teams": {team: names_of(rights) for team, rights in self.teams.items()},
        }


def valid_email(text: str) -> bool:
    """Whether it has the form of an e-mail address; only a message to it tells whether it is one."""
    return _EMAIL.fullmatch(text) is not None


def check_person(person: Person) -> None:
    """Refuse details that no account can have. Accounts of older versions are read as they are.

    Raises:
        InvalidInput: Names everything that is wrong.
    """
    problems: list[str] = []
    user, name, email = person.id, person.name, person.email
    if not _ID.fullmatch(user):
        problems.append(
            f"the id {user[:60]!r} must be at most 64 letters, digits and . _ @ + -, first a letter or digit"
        )
    if len(name) > LONGEST_NAME or not name.isprintable():
        problems.append(f"the name must be at most {LONGEST_NAME} printable characters")
    if email and not valid_email(email):
        problems.append(f"{email[:80]!r} is no e-mail address")
    if problems:
        message = f"The person can't be added: {'; '.join(problems)}."
        raise InvalidInput(message, code="accounts.person", problems=tuple(problems))
    check_overrides(person.role, person.granted, person.revoked)


async def add_user(journal: Journal, person: Person, *, by: Principal, clock: Clock) -> None:
    """Give somebody an account, or one who was removed a new one; audited.

    Raises:
        Refused: ``by`` may not administer members, has less than they would give, or the plan holds no more people.
        InvalidInput: Details that no account can have.
        Conflict: They have an account.
    """
    check_person(person)

    def op(tx: Tx) -> None:
        rights = _administer(tx, by, person.workspace)
        check_gift(by, rights=rights, gift=person.rights, workspace=person.workspace)
        known = tx.row(_ONE, {"of": person.workspace, "who": person.id})
        if known is not None and known["status"] == ACTIVE:
            message = f"There is a user {person.id!r} already."
            raise Conflict(message, code="accounts.taken", hint="remit users")
        admit(tx, person, by=by, clock=clock)
        told: dict[str, Json] = {"role": person.role.value if person.role else "", "may": names_of(person.rights)}
        tx.append(_entry("accounts.user.added", person.workspace, person.id, by), told, subject=person.id)

    await journal.commit("accounts.user", op)


def admit(tx: Tx, person: Person, *, by: Principal, clock: Clock) -> None:
    """Write a person's account, inside another operation whose own entry tells it.

    Raises:
        Refused: The plan holds no more people.
    """
    plan = plan_of(tx, person.workspace)
    there = int((tx.row(_ACTIVE, {"of": person.workspace}) or {"n": 0})["n"])
    if plan.members is not None and there >= plan.members:
        larger = lifting(plan, "members", there + 1)
        refuse(
            by,
            f"The plan {plan.name.value} holds {plan.members} people and there are {there}; "
            + (f"the plan {larger.value} holds more." if larger else "no plan holds more."),
            workspace=person.workspace,
            subject="write member",
            code="accounts.plan_members",
            hint=f"remit plan set {larger.value}" if larger else "remit users remove USER",
            limit=plan.members,
        )
    values: dict[str, object] = {
        "name": person.name,
        "role": person.role.value if person.role else "",
        "email": person.email,
        "status": ACTIVE,
        "granted": person.granted,
        "revoked": person.revoked,
    }
    keys = {"workspace": person.workspace, "id": person.id, "created_us": micros_of(clock.now())}
    tx.execute(_BACK, {**keys, **values, **{f"new_{name}": value for name, value in values.items()}})


async def set_user_role(
    journal: Journal,
    user: str,
    *,
    workspace: str,
    by: Principal,
    role: Role | None,
    granted: int = NONE,
    revoked: int = NONE,
) -> None:
    """Set a person's role in a workspace with their overrides (bits of ``roles.BITS``); at once, audited.

    Raises:
        Refused: ``by`` may not, or would give or take more than they have.
        InvalidInput: Overrides for an owner: an owner has every right.
        Conflict: They are the last owner.
        NotFound: There is no such person.
    """
    check_overrides(role, granted, revoked)

    def op(tx: Tx) -> None:
        rights = _administer(tx, by, workspace)
        person = find_person(tx, workspace=workspace, user=user)
        after = effective(role, granted, revoked)
        check_gift(by, rights=rights, gift=after | person.rights, workspace=workspace)
        if person.role is Role.OWNER and role is not Role.OWNER:
            _keep_an_owner(tx, person)
        values: dict[str, object] = {"as": role.value if role else "", "plus": granted, "minus": revoked}
        tx.execute(_ROLE, {"of": workspace, "who": user, **values})
        told: dict[str, Json] = {"before": names_of(person.rights), "may": names_of(after), "role": str(values["as"])}
        tx.append(_entry("accounts.user.role", workspace, user, by), told, subject=user)

    await journal.commit("accounts.user", op)


async def remove_user(journal: Journal, user: str, *, workspace: str, by: Principal) -> None:
    """End a person's account: their roles go at once, what they did stays on record. Audited.

    Raises:
        Refused: ``by`` may not, or has less than they.
        Conflict: They are the last owner of the workspace or of a team.
        NotFound: There is no such person.
    """

    def op(tx: Tx) -> None:
        rights = _administer(tx, by, workspace)
        person = find_person(tx, workspace=workspace, user=user)
        check_gift(by, rights=rights, gift=person.rights, workspace=workspace)
        if person.role is Role.OWNER:
            _keep_an_owner(tx, person)
        owners: dict[str, set[str]] = {}
        for row in tx.rows(_OWNED_ALONE, {"of": workspace}):
            owners.setdefault(row["team"], set()).add(row["person"])
        alone = sorted(team for team, people in owners.items() if people == {user})
        if alone:
            message = f"{user!r} is the last owner of {', '.join(alone)}: a team is never without one."
            raise Conflict(message, code="accounts.last_owner", hint=f"remit teams role {alone[0]} USER owner")
        tx.execute(_LEAVE_ALL, {"of": workspace, "who": user})
        tx.execute(_REMOVE, {"of": workspace, "who": user})
        forget_credentials(tx, workspace=workspace, person=user)
        told: dict[str, Json] = {"before": names_of(person.rights), "teams": sorted(person.teams)}
        tx.append(_entry("accounts.user.removed", workspace, user, by), told, subject=user)

    await journal.commit("accounts.user", op)


_LEAVE_ALL = MEMBER.delete().where(MEMBER.c.workspace == bindparam("of"), MEMBER.c.person == bindparam("who"))


async def list_users(journal: Journal, *, workspace: str, by: Principal) -> list[Person]:
    """Everybody with an account, by id, the removed ones included.

    Raises:
        Refused: ``by`` may not read.
    """

    def op(tx: ReadTx) -> list[Person]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MEMBER)
        return list(read_people(tx, workspace).values())

    return await reading(journal, op)


def read_people(tx: ReadTx, workspace: str) -> dict[str, Person]:
    """Everybody with an account, by id."""
    teams: dict[str, dict[str, int]] = {}
    for row in tx.rows(_TEAMS_OF, {"of": workspace}):
        teams.setdefault(row["person"], {})[row["team"]] = effective(Role(row["role"]), row["granted"], row["revoked"])
    return {row["id"]: _person(row, teams.get(row["id"], {})) for row in tx.rows(_ALL, {"of": workspace})}


def find_person(tx: ReadTx, *, workspace: str, user: str) -> Person:
    """The person with this id, while they have an account.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    people = read_people(tx, workspace)
    person = people.get(user)
    if person is not None and person.status == ACTIVE:
        return person
    near = difflib.get_close_matches(user, [known.id for known in people.values() if known.status == ACTIVE], 1)
    message = f"There is no user {user[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="accounts.user", hint="remit users")


def check_overrides(role: Role | None, granted: int, revoked: int) -> None:
    """Overrides are about the five permissions, and an owner has none.

    Raises:
        InvalidInput: They aren't.
    """
    both = [permission.value for permission, bit in BITS.items() if granted & revoked & bit]
    if both:
        message = f"A permission is either granted or taken, not both: {', '.join(both)}."
        raise InvalidInput(message, code="accounts.overrides")
    if role is Role.OWNER and (granted or revoked):
        message = "An owner has every permission, so there is nothing to grant or take: choose another role first."
        raise InvalidInput(message, code="accounts.overrides")


def _administer(tx: Tx, by: Principal, workspace: str) -> int:
    lock(tx, workspace)
    return require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)


def _keep_an_owner(tx: Tx, person: Person) -> None:
    left = int((tx.row(_OWNERS, {"of": person.workspace}) or {"n": 0})["n"])
    if left <= 1:
        message = f"{person.id!r} is the last owner of the workspace: it is never without one."
        raise Conflict(message, code="accounts.last_owner", hint="remit users role USER owner")


def _person(row: Row, teams: dict[str, int]) -> Person:
    return Person(
        workspace=row["workspace"],
        id=row["id"],
        name=row["name"],
        email=row["email"],
        role=Role(row["role"]) if row["role"] else None,
        status=row["status"],
        granted=row["granted"],
        revoked=row["revoked"],
        teams=teams,
    )


def _entry(action: str, workspace: str, user: str, by: Principal) -> Entry:
    return Entry(actor=by, action=action, domain="accounts", result=Result.SUCCESS, workspace=workspace, subject=user)
