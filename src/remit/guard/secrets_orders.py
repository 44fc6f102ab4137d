"""What people order about secrets: set, rotate, delete, look at, reveal; allow and deny. Each is audited with who.

A value goes to its backend and nowhere else. What it replaces is kept first, sealed under the home's key, so that it
stays masked and is looked for until its retention is over: in this process at once, in others when they start, or
when they first read the secret.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.reasons import Mask, given
from remit.audit.entry import Entry, Result
from remit.guard.secrets_provider import Secrets
from remit.guard.secrets_rules import LONGEST_PATTERN, SecretRule, rule_of
from remit.guard.secrets_sealing import Sealer
from remit.guard.secrets_tables import SECRET, SECRET_RETIRED, SECRET_RULE
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound, RemitError
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, SecretValue, Tx
from remit.kernel.references import NAME_RULE, Reference, check_name

LONGEST_VALUE = 64 << 10  # bytes: what AWS Secrets Manager takes
DAY_US = 86_400_000_000
ACTIVE, DELETED = "active", "deleted"

_PUT = upsert(SECRET)
_SET = _PUT.on_conflict_do_update(
    index_elements=["workspace", "name"],
    set_={
        "backend": _PUT.excluded.backend,
        "version": _PUT.excluded.version,
        "revision": SECRET.c.revision + 1,
        "status": _PUT.excluded.status,
        "set_by": _PUT.excluded.set_by,
        "set_us": _PUT.excluded.set_us,
    },
)
_GONE = (
    update(SECRET)
    .where(SECRET.c.workspace == bindparam("of"), SECRET.c.name == bindparam("called"))
    .values(status=DELETED, revision=SECRET.c.revision + 1, set_by=bindparam("by"), set_us=bindparam("at"))
)
_KNOWN = select(SECRET).where(SECRET.c.workspace == bindparam("of")).order_by(SECRET.c.name)
_RETIRE = insert(SECRET_RETIRED)
_FORGET = delete(SECRET_RETIRED).where(
    SECRET_RETIRED.c.workspace == bindparam("of"), SECRET_RETIRED.c.until_us <= bindparam("now")
)
_RETIRED = (
    select(SECRET_RETIRED)
    .where(SECRET_RETIRED.c.workspace == bindparam("of"), SECRET_RETIRED.c.until_us > bindparam("now"))
    .order_by(SECRET_RETIRED.c.retired_us)
)
_ADD_RULE = insert(SECRET_RULE)
_SAME_RULE = select(SECRET_RULE).where(
    SECRET_RULE.c.workspace == bindparam("of"),
    SECRET_RULE.c.effect == bindparam("does"),
    SECRET_RULE.c.secret == bindparam("called"),
    SECRET_RULE.c.agent == bindparam("by_agent"),
    SECRET_RULE.c.kind == bindparam("of_kind"),
    SECRET_RULE.c.mission == bindparam("in_mission"),
    SECRET_RULE.c.target == bindparam("at_target"),
)
_DROP_RULE = delete(SECRET_RULE).where(
    SECRET_RULE.c.workspace == bindparam("of"), SECRET_RULE.c.id == bindparam("which")
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a secret: where it is now, as which version; ``replaced`` the version that was retired."""

    name: str
    backend: str
    version: str
    replaced: str = ""

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {"secret": self.name, "backend": self.backend, "version": self.version, "replaced": self.replaced}


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A secret as the store knows it. ``set_by`` is empty for one that was used and never set through Remit."""

    name: str
    backend: str
    version: str
    revision: int
    status: str
    set_by: str
    set_us: int


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders, why, and with what."""

    journal: Journal
    secrets: Secrets
    sealer: Sealer
    by: Principal
    clock: Clock
    keep_days: int
    mask: Mask | None = None

    @property
    def workspace(self) -> str:
        """Where."""
        return self.secrets.workspace

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return micros_of(self.clock.now())

    def entry(self, action: str, subject: str, *, reason: str = "") -> Entry:
        """The audit entry of the order."""
        return Entry(
            actor=self.by,
            action=action,
            domain="secrets",
            result=Result.SUCCESS,
            workspace=self.workspace,
            subject=subject,
            reason=reason,
        )

    async def check(self, permission: Permission, resource: Resource = Resource.WORKSPACE) -> None:
        """Refuse whoever may not, before any backend is asked."""
        await reading(
            self.journal,
            lambda tx: require(tx, self.by, workspace=self.workspace, permission=permission, resource=resource),
        )


async def put(order: Order, name: str, text: str, *, reason: str, rotate: bool = False) -> Stored:
    """Keep a value as the newest version; the one before it is retired. ``rotate``: there must be one.

    Raises:
        Refused: Whoever orders does not administer the workspace.
        InvalidInput: The name or value is not fit: empty, too long, too short or too common to be masked.
        NotFound: ``rotate``, and there is none.
        Conflict: It is this value already, or its backend is read only.
        Failed, Unavailable, IntegrityError: The backend refuses or doesn't answer; nothing was changed.
    """
    check_name(name)
    check_value(text)
    order.secrets.learn(text)  # first: the reason, or an error, may hold it
    why = given(reason, mask=order.mask)
    await order.check(Permission.ADMIN)
    before = await _current(order, name)
    if before is None and rotate:
        message = f"There is no secret {name!r} to rotate."
        raise NotFound(message, code="secrets.unknown", hint=f"remit secrets set {name}")
    if before is not None and before.text == text:
        message = f"The secret {name!r} has this value already."
        raise Conflict(message, code="secrets.same", hint=f"remit secrets rotate {name} --generate")
    if before is not None:
        await _retire(order, before)
    version = await asyncio.to_thread(order.secrets.backend.set, name, text)
    backend = "" if before is None else before.backend
    with suppress(RemitError):  # it is there; where, the next look tells
        backend = (await asyncio.to_thread(order.secrets.read, Reference(name))).backend
    stored = Stored(name, backend, version, "" if before is None else before.version)
    now_us = order.now_us()
    row = {"backend": stored.backend, "version": version, "revision": 1, "status": ACTIVE}
    row |= {"workspace": order.workspace, "name": name, "set_by": str(order.by), "set_us": now_us}
    entry = order.entry("secret.set" if before is None else "secret.rotated", name)

    def op(tx: Tx) -> None:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        tx.execute(_SET, row)
        tx.append(entry, {**stored.as_json(), "reason": why})

    await order.journal.commit("secret.set", op)
    return stored


async def remove(order: Order, name: str, *, reason: str) -> Stored:
    """Delete a secret with all its versions; its value stays masked for its retention.

    Raises:
        Refused: Whoever orders does not administer the workspace.
        NotFound: There is none.
        Conflict, Failed, Unavailable, IntegrityError: The backend refuses or doesn't answer.
    """
    check_name(name)
    given(reason)
    await order.check(Permission.ADMIN)
    before = await _current(order, name)
    if before is None:
        message = f"There is no secret {name!r}."
        raise NotFound(message, code="secrets.unknown", hint="remit secrets list")
    why = given(reason, mask=order.mask)  # now that the value is known
    await _retire(order, before)
    await asyncio.to_thread(order.secrets.backend.delete, name)
    gone = Stored(name, before.backend, "", before.version)
    values = {"of": order.workspace, "called": name, "by": str(order.by), "at": order.now_us()}
    entry = order.entry("secret.deleted", name)

    def op(tx: Tx) -> None:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        tx.execute(_GONE, values)
        tx.append(entry, {**gone.as_json(), "reason": why})

    await order.journal.commit("secret.set", op)
    return gone


async def look(order: Order, reference: Reference, *, reveal: bool = False, reason: str = "") -> SecretValue:
    """Read a secret; on record before it is returned. ``reveal``: the caller is going to show it to a person.

    Raises:
        Refused: Whoever orders may not read here; to reveal takes an owner.
        InvalidInput: To reveal takes a reason.
        NotFound, Failed, Unavailable, IntegrityError: It can't be read.
    """
    check_name(reference.name)
    if reveal:
        given(reason)
    need = (Permission.ADMIN, Resource.INSTALL) if reveal else (Permission.READ, Resource.WORKSPACE)
    await order.check(*need)
    value = await asyncio.to_thread(order.secrets.read, reference)
    why = given(reason, mask=order.mask) if reveal else ""  # now that the value is known
    entry = order.entry("secret.revealed" if reveal else "secret.looked_up", reference.name)

    def op(tx: Tx) -> None:
        permission, resource = need
        require(tx, order.by, workspace=order.workspace, permission=permission, resource=resource)
        tx.append(entry, {"version": value.version, "backend": value.backend, "reason": why})

    await order.journal.commit("secret.seen", op)
    return value


async def note_check(order: Order, *, values: int, leaks: int, place: str) -> None:
    """Put on record that every value was read to look for it, and how many places were found.

    Raises:
        Refused: Whoever orders does not administer the workspace.
    """
    entry = order.entry("secret.checked", "", reason="leak" if leaks else "")

    def op(tx: Tx) -> None:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        tx.append(entry, {"values": values, "leaks": leaks, "place": (order.mask or str)(place)})

    await order.journal.commit("secret.seen", op)


async def add_rule(order: Order, rule: SecretRule, *, reason: str) -> SecretRule:
    """Put a rule into force; in every process within a quarter of a second. The same one again changes nothing.

    Raises:
        Refused: Whoever orders does not administer the workspace.
        InvalidInput: A pattern is not fit.
    """
    for pattern in (rule.secret, rule.agent, rule.kind, rule.mission, rule.target):
        if len(pattern) > LONGEST_PATTERN or not pattern.isprintable():
            message = f"The pattern {pattern[:40]!r} must be printable and at most {LONGEST_PATTERN} characters."
            raise InvalidInput(message, code="secrets.pattern", hint="remit secrets allow --help")
    if not rule.secret or "[" in rule.secret:
        message = f"A rule names secrets: {NAME_RULE}, with * and ?."
        raise InvalidInput(message, code="secrets.pattern", hint="remit secrets allow --help")
    why = given(reason, mask=order.mask)
    fields = {"agent": rule.agent, "kind": rule.kind, "mission": rule.mission, "target": rule.target}
    row = {"effect": rule.allows.value, "secret": rule.secret, **fields}
    row |= {"id": new_id(), "workspace": order.workspace, "set_by": str(order.by)}
    entry = order.entry(f"secret.rule.{rule.allows.value}", rule.secret)

    def op(tx: Tx) -> SecretRule:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        same = _same(tx, order.workspace, rule)
        if same is not None:
            return same
        tx.execute(_ADD_RULE, {**row, "set_us": order.now_us()})
        tx.append(entry, {**fields, "rule": row["id"], "reason": why})
        return rule_of(row)

    return await order.journal.commit("secret.policy", op)


async def lift_rule(order: Order, rule: SecretRule, *, reason: str) -> SecretRule:
    """Take the rule with exactly these patterns out of force.

    Raises:
        Refused: Whoever orders does not administer the workspace.
        NotFound: There is none.
    """
    why = given(reason, mask=order.mask)

    def op(tx: Tx) -> SecretRule:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        same = _same(tx, order.workspace, rule)
        if same is None:
            message = f"There is no such rule: {rule}."
            raise NotFound(message, code="secrets.rule", hint="remit secrets rules")
        tx.execute(_DROP_RULE, {"of": order.workspace, "which": same.id})
        tx.append(order.entry("secret.rule.lifted", rule.secret), {**same.as_json(), "reason": why})
        return same

    return await order.journal.commit("secret.policy", op)


def read_known(tx: ReadTx, workspace: str) -> list[SecretRow]:
    """Every secret that was set or used through Remit, by name."""
    fields = ("name", "backend", "version", "revision", "status", "set_by", "set_us")
    return [SecretRow(*(row[field] for field in fields)) for row in tx.rows(_KNOWN, {"of": workspace})]


@dataclass(frozen=True, slots=True)
class Retired:
    """A retired value, sealed."""

    name: str
    version: str
    sealed: bytes


def read_retired(tx: ReadTx, workspace: str, *, now_us: int) -> list[Retired]:
    """The values whose retention is not over, oldest first."""
    rows = tx.rows(_RETIRED, {"of": workspace, "now": now_us})
    return [Retired(row["name"], row["version"], bytes(row["sealed"])) for row in rows]


def check_value(text: str) -> None:
    """Refuse what can be no secret.

    Raises:
        InvalidInput: Empty, longer than 64 KiB, or with a NUL in it.
    """
    if not text.strip() or len(text.encode("utf-8", "surrogatepass")) > LONGEST_VALUE or "\0" in text:
        message = f"A secret is a text of 1 to {LONGEST_VALUE >> 10} KiB without NUL characters."
        raise InvalidInput(message, code="secrets.value", hint="remit secrets set --help")


async def _current(order: Order, name: str) -> SecretValue | None:
    """The value now, registered for masking as far as it can be; ``None`` when there is none."""
    try:
        value = await asyncio.to_thread(order.secrets.backend.get, name)
    except NotFound:
        return None
    try:
        order.secrets.learn(value.text)
    except RemitError:
        return value  # too short to be masked: then it was never used through Remit either
    return value


async def _retire(order: Order, value: SecretValue) -> None:
    """Keep a value, sealed, before it goes; those whose retention is over go for good."""
    now_us = order.now_us()
    row: dict[str, object] = {
        "id": new_id(),
        "workspace": order.workspace,
        "name": value.name,
        "version": value.version,
        "sealed": order.sealer.seal(order.workspace, value.name, value.text),
        "retired_us": now_us,
        "until_us": now_us + order.keep_days * DAY_US,
    }

    def retire(tx: Tx) -> None:
        require(tx, order.by, workspace=order.workspace, permission=Permission.ADMIN)
        tx.execute(_FORGET, {"of": order.workspace, "now": now_us})
        tx.execute(_RETIRE, row)
        tx.append(order.entry("secret.retired", value.name), {"version": value.version, "backend": value.backend})

    await order.journal.commit("secret.retire", retire)


def _same(tx: ReadTx, workspace: str, rule: SecretRule) -> SecretRule | None:
    values = {
        "of": workspace,
        "does": rule.allows.value,
        "called": rule.secret,
        "by_agent": rule.agent,
        "of_kind": rule.kind,
        "in_mission": rule.mission,
        "at_target": rule.target,
    }
    row = tx.row(_SAME_RULE, values)
    return None if row is None else rule_of(row)
