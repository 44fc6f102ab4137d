"""Secrets by their names: who used which when, statistics, what was out of the ordinary. Never a value."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.access import reading
from remit.accounts.roles import Permission, Resource
from remit.guard.secrets_log import LAST, Access, SecretsSeen, accesses, secrets_seen
from remit.guard.secrets_rules import Allows, SecretsInForce, read_in_force
from remit.guard.secrets_use import Anomaly
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access as Row
from remit.serve.api.answers import Shown, answer
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.audit_reads import allow_audit

ROUTES = APIRouter(prefix="/api/v1/secrets", tags=["secrets"])
ACCESS = (
    Row("GET", "/api/v1/secrets", Permission.READ, Resource.AUDIT),
    Row("GET", "/api/v1/secrets/rules", Permission.READ, Resource.AUDIT),
    Row("GET", "/api/v1/secrets/uses", Permission.READ, Resource.AUDIT),
)
_DAY_US = 86_400_000_000


class SecretItem(Shown):
    """A secret, by name."""

    name: str
    backend: str
    version: str
    status: str = Field(description="`active` or `deleted`.")
    set_by: str = Field(description="Empty: it was used and never set through Remit.")
    set_at: str | None


class SecretUses(Shown):
    """How often somebody used a secret."""

    secret: str
    principal: str
    mission: str
    uses: int
    denied: int
    first: str
    last: str


class OddityItem(Shown):
    """Something out of the ordinary."""

    secret: str
    principal: str
    what: Anomaly
    mission: str
    at: str
    seen: int
    usual: int = Field(description="Above so many in an hour it is unusual; 0: that was not the matter.")
    told: bool = Field(description="Whether people were told.")


class SecretsShown(Shown):
    """What is known of secrets."""

    secrets: list[SecretItem]
    statistics: list[SecretUses]
    anomalies: list[OddityItem] = Field(description="The last twenty.")


class RuleItem(Shown):
    """Who may, or may not, use which secrets. Every field but `effect` is a pattern; an empty one fits anything."""

    rule: str
    effect: Allows
    secret: str
    agent: str
    kind: str
    mission: str
    target: str
    set_by: str


class RulesShown(Shown):
    """The allow and deny lists; deny wins, and what no rule allows nobody may use."""

    items: list[RuleItem]


class UseItem(Shown):
    """One use, or a try that was denied."""

    entry: int = Field(description="The number of its audit entry.")
    at: str
    secret: str
    principal: str
    on_behalf_of: str
    mission: str
    step: str
    denied: bool
    reason: str


@ROUTES.get("", response_model=SecretsShown, summary="What is known of secrets")
async def overview(
    caller: Asking, runtime: Open, days: Annotated[int, Query(ge=1, le=365, description="Of statistics.")] = 30
) -> Response:
    """Names, statistics of uses, and what was out of the ordinary lately."""
    since_us = micros_of(runtime.clock.now()) - days * _DAY_US

    def op(tx: ReadTx) -> SecretsSeen:
        allow_audit(caller)(tx)
        return secrets_seen(tx, caller.workspace, since_us=since_us)

    found = await reading(runtime.store, op)
    shown = SecretsShown(
        secrets=[
            SecretItem(
                name=one.name,
                backend=one.backend,
                version=one.version,
                status=one.status,
                set_by=one.set_by,
                set_at=iso(one.set_us) if one.set_us else None,
            )
            for one in found.secrets
        ],
        statistics=[SecretUses.model_validate(one.as_json()) for one in found.statistics],
        anomalies=[
            OddityItem(
                secret=one.secret,
                principal=one.principal,
                what=one.what,
                mission=one.mission,
                at=iso(one.at_us),
                seen=one.seen,
                usual=one.usual,
                told=one.told,
            )
            for one in found.oddities
        ],
    )
    return answer(shown)


@ROUTES.get("/rules", response_model=RulesShown, summary="List rules of secrets")
async def rules(caller: Asking, runtime: Open) -> Response:
    """Who may use which secrets for what. They are set at the machine: `remit secrets allow`."""

    def op(tx: ReadTx) -> SecretsInForce:
        allow_audit(caller)(tx)
        return read_in_force(tx, caller.workspace)

    found = await reading(runtime.store, op)
    return answer(RulesShown(items=[RuleItem.model_validate(each.as_json()) for each in found.rules]))


@ROUTES.get("/uses", response_model=Page[UseItem], summary="List uses of secrets")
async def uses(caller: Asking, runtime: Open, paging: AskedPage, *, denied: bool | None = None) -> Response:
    """Who used which secret when, and who was kept from one, newest first."""
    before = paging.number(LAST)

    def op(tx: ReadTx) -> list[Access]:
        allow_audit(caller)(tx)
        return accesses(tx, caller.workspace, before=before, limit=paging.limit + 1, denied=denied)

    shown, following = cut(await reading(runtime.store, op), paging, lambda one: (one.seq,))
    return answer(Page[UseItem](items=[_use(one) for one in shown], next=following))


def _use(one: Access) -> UseItem:
    return UseItem(
        entry=one.seq,
        at=iso(one.at_us),
        secret=one.secret,
        principal=one.principal,
        on_behalf_of=one.on_behalf_of,
        mission=one.mission,
        step=one.step,
        denied=one.denied,
        reason=one.reason,
    )
