"""API keys of people, for their own programs: shown once, kept as a hash, narrowed by scopes, and they always expire.

A key acts as its person and never as more: what it may is what they may, within its scopes, asked of each order at the
moment when it is given. (The gateway's keys are another kind: they act as an agent, see ``keys``.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import orjson
from sqlalchemy import bindparam, func, insert, select, update

from remit.accounts.access import Permission, Resource, check_gift, lock, reading, require, rights_of
from remit.accounts.entrance import Entrance
from remit.accounts.known import EVERY_SCOPE
from remit.accounts.people import find_person
from remit.accounts.sessions import session_entry
from remit.accounts.sign_in_tables import API_KEY
from remit.accounts.sign_in_tokens import api_prefix_of, digest_of, new_token
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ids import new_id
from remit.kernel.ports import ReadTx, Row, Tx

MOST_DAYS = 365
DAYS = 90
MOST_KEYS = 50  # in force at once, for each person
LONGEST_NAME = 60
_DAY_US = 86_400 * 1_000_000
_WORD = len("rmt_live_")

_INSERT = insert(API_KEY)
_OF = select(API_KEY).where(API_KEY.c.workspace == bindparam("of"), API_KEY.c.person == bindparam("who"))
_MINE = _OF.order_by(API_KEY.c.created_us.desc(), API_KEY.c.id.desc())
_ALL = (
    select(API_KEY)
    .where(API_KEY.c.workspace == bindparam("of"))
    .order_by(API_KEY.c.person, API_KEY.c.created_us.desc(), API_KEY.c.id.desc())
)
_OPEN = (
    select(func.count().label("n"))
    .select_from(API_KEY)
    .where(
        API_KEY.c.workspace == bindparam("of"),
        API_KEY.c.person == bindparam("who"),
        API_KEY.c.revoked_us.is_(None),
        API_KEY.c.expires_us > bindparam("at"),
    )
)
_ONE = select(API_KEY).where(API_KEY.c.workspace == bindparam("of"), API_KEY.c.id == bindparam("which"))
_REVOKE = (
    update(API_KEY)
    .where(API_KEY.c.workspace == bindparam("of"), API_KEY.c.id == bindparam("which"), API_KEY.c.revoked_us.is_(None))
    .values(revoked_us=bindparam("at"), revoked_by=bindparam("by"))
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is shown. ``begins`` are the digits by which people tell it; ``token`` is there once."""

    id: str
    person: str
    name: str
    begins: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int
    used_us: int | None = None
    revoked_us: int | None = None
    token: str = field(default="", repr=False)

    def status(self, now_us: int) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_us is not None:
            return "revoked"
        return "expired" if self.expires_us <= now_us else "active"

    def as_json(self, now_us: int) -> dict[str, Json]:
        """For programs; the token only where it is there."""
        told: dict[str, Json] = {
            "api_key": self.id,
            "user": self.person,
            "name": self.name,
            "begins": self.begins,
            "scopes": list(self.scopes),
            "status": self.status(now_us),
            "created_at": iso(self.created_us),
            "expires_at": iso(self.expires_us),
            "used_at": None if self.used_us is None else iso(self.used_us),
        }
        return {**told, "token": self.token} if self.token else told


async def create_api_key(
    entrance: Entrance,
    name: str,
    *,
    workspace: str,
    by: Principal,
    scopes: Iterable[str],
    days: int = DAYS,
    key: str = "",
) -> ApiKey:
    """Make a key of one's own; its token is in the answer and nowhere else. Audited.

    Args:
        entrance: The store and what belongs to it.
        name: What its person calls it.
        workspace: Where.
        by: Whose it will be.
        scopes: Which of their permissions it may use (``roles.Permission``), now or later.
        days: For how long it holds, at most 365.
        key: The id of the key that it is made with, if one is: it holds no longer than that.

    Raises:
        Refused: ``by`` is no person of the workspace, or an agent.
        InvalidInput: No name, no or unknown scopes, too many days.
        Conflict: They have 50 already.
    """
    wanted = frozenset(scopes)
    problems: list[str] = []
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        problems.append(f"the name must have 1 to {LONGEST_NAME} printable characters")
    if not wanted or not wanted <= EVERY_SCOPE:
        problems.append(f"the scopes must be some of {', '.join(permission.value for permission in Permission)}")
    if not 1 <= days <= MOST_DAYS:
        problems.append(f"it must hold 1 to {MOST_DAYS} days")
    if problems:
        message = f"The API key can't be made: {'; '.join(problems)}."
        raise InvalidInput(message, code="api_keys.key", hint="remit apikeys create --help", problems=tuple(problems))
    token = new_token(entrance.api_word, entrance.rand)
    now = entrance.now_us()
    ordered = tuple(permission.value for permission in Permission if permission.value in wanted)
    whole = ApiKey(new_id(), by.id, name, api_prefix_of(token)[_WORD:], ordered, now, now + days * _DAY_US, token=token)

    def op(tx: Tx) -> ApiKey:
        lock(tx, workspace)
        if by.kind is not ActorKind.USER or not _belongs(tx, by.id, workspace):
            require(tx, by, workspace=workspace, permission=Permission.READ)
        there = int((tx.row(_OPEN, {"of": workspace, "who": by.id, "at": now}) or {"n": 0})["n"])
        if there >= MOST_KEYS:
            message = f"You have {there} API keys in force; {MOST_KEYS} are the most."
            raise Conflict(message, code="api_keys.many", hint="remit apikeys list")
        maker = tx.row(_ONE, {"of": workspace, "which": key}) if key else None
        made = whole if maker is None else replace(whole, expires_us=min(whole.expires_us, maker["expires_us"]))
        row: dict[str, object] = {
            "id": made.id,
            "workspace": workspace,
            "person": by.id,
            "name": name,
            "prefix": api_prefix_of(token),
            "digest": digest_of(token),
            "scopes": orjson.dumps(ordered).decode(),
            "created_us": now,
            "expires_us": made.expires_us,
            "used_us": None,
            "revoked_us": None,
            "revoked_by": "",
        }
        tx.execute(_INSERT, row)
        told: dict[str, Json] = {"scopes": list(ordered), "expires_us": made.expires_us, "begins": made.begins}
        tx.append(session_entry("accounts.api_key.created", workspace, made.id, by), told, subject=by.id)
        return made

    return await entrance.journal.commit("sign_in.api_key", op)


async def list_api_keys(entrance: Entrance, *, workspace: str, by: Principal, everybody: bool = False) -> list[ApiKey]:
    """The keys of ``by``, or (administering members) everybody's, newest first, revoked and expired ones too.

    Raises:
        Refused: Everybody's are asked for, and ``by`` may not administer members.
    """

    def op(tx: ReadTx) -> list[ApiKey]:
        if everybody:
            require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)
            return [_key(row) for row in tx.rows(_ALL, {"of": workspace})]
        return [_key(row) for row in tx.rows(_MINE, {"of": workspace, "who": by.id})]

    return await reading(entrance.journal, op)


async def revoke_api_key(entrance: Entrance, which: str, *, workspace: str, by: Principal) -> None:
    """End a key, one's own or (administering members) another's; at once here, within 250 ms elsewhere. Audited.

    Raises:
        Refused: It is somebody else's, and ``by`` may not.
        NotFound: There is no such key, or it is revoked.
    """

    def op(tx: Tx) -> None:
        row = tx.row(_ONE, {"of": workspace, "which": which})
        if row is None or row["person"] != by.id:
            rights = require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.MEMBER)
            held = 0 if row is None else rights_of(tx, row["person"], workspace=workspace)
            check_gift(by, rights=rights, gift=held, workspace=workspace)
        values: dict[str, object] = {"at": entrance.now_us(), "by": str(by)}
        if row is None or tx.execute(_REVOKE, {"of": workspace, "which": which, **values}) != 1:
            message = f"There is no API key {which[:60]!r} in force."
            raise NotFound(message, code="api_keys.key", hint="remit apikeys list")
        told: dict[str, Json] = {"user": row["person"], "begins": row["prefix"][_WORD:]}
        tx.append(session_entry("accounts.api_key.revoked", workspace, which, by), told, subject=row["person"])

    await entrance.journal.commit("sign_in.api_key", op)
    entrance.sign_in.forget()


def _belongs(tx: ReadTx, user: str, workspace: str) -> bool:
    try:
        find_person(tx, workspace=workspace, user=user)
    except NotFound:
        return False
    return True


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        person=row["person"],
        name=row["name"],
        begins=row["prefix"][_WORD:],
        scopes=tuple(orjson.loads(row["scopes"])),
        created_us=row["created_us"],
        expires_us=row["expires_us"],
        used_us=row["used_us"],
        revoked_us=row["revoked_us"],
    )
