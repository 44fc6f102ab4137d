"""What people order about providers, models, names and prices. Each is audited with who; agents order nothing.

An order is one change or several: all of them or none. What comes out is checked as a whole before it is committed, so
that no name leads nowhere. A change that changes nothing is no fault and leaves no entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, require
from remit.accounts.reasons import Mask, given
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.ports import Journal, Row, Tx
from remit.models.catalogue import AUTO, Catalogue, Provider, ProviderStatus, read_catalogue, read_provider
from remit.models.checks import check_provider, provider_name
from remit.models.router import MODES
from remit.models.tables import DEPLOYMENT, PRICE, PROVIDER

MOST_PROVIDERS = 200
MOST_DEPLOYMENTS = 2000
MOST_NAMES = 2000

type Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a change works with: the transaction, where, who and when."""

    tx: Tx
    workspace: str
    by: Principal
    now_us: int

    def put(self, statement: object, values: Mapping[str, object]) -> None:
        """Write a row with who and when."""
        row = {"workspace": self.workspace, "set_by": str(self.by), "set_us": self.now_us, **values}
        self.tx.execute(statement, row)  # type: ignore[arg-type] - Executable, as built below


class Change(Protocol):
    """One change. ``verb`` is the audit entry's action after ``models.``, ``subject`` what it is about."""

    @property
    def verb(self) -> str: ...  # noqa: D102
    @property
    def subject(self) -> str: ...  # noqa: D102
    def make(self, bench: Bench) -> dict[str, Json] | None:
        """Make it; what the entry tells, or ``None`` when it stood so already."""
        ...


async def order(
    journal: Journal, changes: Sequence[Change], *, workspace: str, by: Principal, clock: Clock
) -> tuple[str, ...]:
    """Carry out changes, all or none; the subjects of those that changed something.

    Raises:
        Denied: ``by`` may not administer the workspace, or is an agent.
        InvalidInput, NotFound, Conflict: A change can't be made, or a name would lead nowhere.
    """

    def op(tx: Tx) -> tuple[str, ...]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        bench = Bench(tx, workspace, by, micros_of(clock.now()))
        changed: list[str] = []
        for change in changes:
            told = change.make(bench)
            if told is not None:
                tx.append(_entry(change, workspace, by), told)
                changed.append(change.subject)
        if changed:
            check_whole(read_catalogue(tx, workspace))
        return tuple(changed)

    return await journal.commit("models.set", op)


def _entry(change: Change, workspace: str, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action=f"models.{change.verb}",
        domain="models",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=change.subject,
    )


# ----------------------------------------------------------------------------------------------------------- providers

_PROVIDER = select(PROVIDER).where(PROVIDER.c.workspace == bindparam("of"), PROVIDER.c.name == bindparam("called"))
_PUT_PROVIDER = insert(PROVIDER)
_SET_PROVIDER = _PUT_PROVIDER.on_conflict_do_update(
    index_elements=["workspace", "name"],
    set_={
        name: _PUT_PROVIDER.excluded[name]
        for name in ("kind", "base_url", "key", "headers", "status", "set_by", "set_us")
    },
)
_DROP_PROVIDER = delete(PROVIDER).where(PROVIDER.c.workspace == bindparam("of"), PROVIDER.c.name == bindparam("called"))
_DROP_ITS_PRICES = delete(PRICE).where(PRICE.c.workspace == bindparam("of"), PRICE.c.provider == bindparam("called"))
_AT = select(DEPLOYMENT.c.name, DEPLOYMENT.c.model).where(
    DEPLOYMENT.c.workspace == bindparam("of"), DEPLOYMENT.c.provider == bindparam("called")
)


@dataclass(frozen=True, slots=True)
class SetProvider:
    """Add a provider, or change the one of its name; its status stays as it was.

    ``plain_key``: its key may cross a network unencrypted.
    """

    provider: Provider
    plain_key: bool = False
    verb = "provider.set"

    @property
    def subject(self) -> str:
        """The provider."""
        return self.provider.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        made = check_provider(replace(self.provider, workspace=bench.workspace), plain_key=self.plain_key)
        row = bench.tx.row(_PROVIDER, {"of": bench.workspace, "called": made.name})
        before = None if row is None else read_provider(row)
        if before is not None:
            made = replace(made, status=before.status)
        if made == before:
            return None
        bench.put(_SET_PROVIDER, _provider_row(made))
        return {**told_of(made), "new": before is None}


@dataclass(frozen=True, slots=True)
class MoveProvider:
    """Pause a provider, or let it be asked again; ``reason`` for whoever reads the log."""

    name: str
    status: ProviderStatus
    reason: str
    mask: Mask | None = None

    @property
    def verb(self) -> str:
        """What happened."""
        return "provider.paused" if self.status is ProviderStatus.PAUSED else "provider.resumed"

    @property
    def subject(self) -> str:
        """The provider."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        why = given(self.reason, mask=self.mask)
        before = read_provider(known(bench, self.name))
        if before.status is self.status:
            return None
        bench.put(_SET_PROVIDER, _provider_row(replace(before, status=self.status)))
        return {"status": self.status.value, "reason": why}


@dataclass(frozen=True, slots=True)
class RemoveProvider:
    """Forget a provider and the prices of its models. Nothing may be listed at it any more."""

    name: str
    verb = "provider.removed"

    @property
    def subject(self) -> str:
        """The provider."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        known(bench, self.name)
        at = {"of": bench.workspace, "called": self.name}
        listed = bench.tx.rows(_AT, at)
        if listed:
            names = ", ".join(sorted({row["name"] for row in listed})[:5])
            message = f"{len(listed)} models are listed at the provider {self.name!r}: {names}."
            raise Conflict(message, code="models.in_use", hint=f"remit models remove {listed[0]['name']}")
        bench.tx.execute(_DROP_PROVIDER, at)
        bench.tx.execute(_DROP_ITS_PRICES, at)
        return {}


def told_of(provider: Provider) -> dict[str, Json]:
    """A provider for people and the log: names of headers, never their values; its key is a reference."""
    return {
        "provider": provider.name,
        "kind": provider.kind.value,
        "base_url": provider.base_url,
        "key": provider.key,
        "headers": [name for name, _ in provider.headers],
        "status": provider.status.value,
    }


def _provider_row(provider: Provider) -> Values:
    return {
        "name": provider.name,
        "kind": provider.kind.value,
        "base_url": provider.base_url,
        "key": provider.key,
        "headers": orjson.dumps(provider.headers).decode(),
        "status": provider.status.value,
    }


def known(bench: Bench, name: str) -> Row:
    """The row of a provider.

    Raises:
        NotFound: There is none.
    """
    row = bench.tx.row(_PROVIDER, {"of": bench.workspace, "called": provider_name(name)})
    if row is None:
        message = f"There is no provider {name!r} in the workspace {bench.workspace!r}."
        raise NotFound(message, code="models.provider", hint="remit providers list")
    return row


# --------------------------------------------------------------------------------------------------------- as a whole


def check_whole(catalogue: Catalogue) -> None:
    """Refuse a catalogue in which a name leads nowhere, means two things, or that is too large.

    Raises:
        Conflict: It is so; the message names the first.
    """
    listed = sum(len(group) for group in catalogue.deployments.values())
    names = len(catalogue.aliases) + len(catalogue.fallbacks)
    if len(catalogue.providers) > MOST_PROVIDERS or listed > MOST_DEPLOYMENTS or names > MOST_NAMES:
        message = f"A workspace has at most {MOST_PROVIDERS} providers, {MOST_DEPLOYMENTS} models, {MOST_NAMES} names."
        raise _conflict(message)
    for name in (*catalogue.deployments, *catalogue.aliases):
        if name.partition("/")[0] in catalogue.providers and "/" in name:
            raise _conflict(f"The name {name!r} would hide a model of the provider {name.partition('/')[0]!r}.")
    for name, target in catalogue.aliases.items():
        if name in catalogue.deployments:
            raise _conflict(f"The alias {name!r} is the name of a model already.")
        _leads(catalogue, name, target)
    for name, targets in catalogue.fallbacks.items():
        resolved = catalogue.resolve(name)
        if resolved is None or (not resolved.groups and not is_auto(resolved.asked)):
            raise _conflict(f"There is no model {name!r}, and it has fallbacks.")
        for target in targets:
            if target == name or is_auto(target):
                raise _conflict(f"{target!r} can't stand in for {name!r}.")
            _leads(catalogue, name, target)


def is_auto(name: str) -> bool:
    """Whether a name asks for a choice among all that is listed."""
    auto, _, mode = name.partition(":")
    return auto == AUTO and (mode or MODES[0]) in MODES


def _leads(catalogue: Catalogue, name: str, target: str) -> None:
    if is_auto(target):
        return
    resolved = catalogue.resolve(target)
    if resolved is None or not resolved.groups or target in catalogue.aliases:
        why = "an alias itself" if target in catalogue.aliases else "no model's name"
        raise _conflict(f"{name!r} would lead to {target!r}, which is {why}.")


def _conflict(message: str) -> Conflict:
    return Conflict(message, code="models.catalogue", hint="remit models list")
