"""Limits, the plan, break-glass, legal holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.accounts.access import require
from remit.accounts.break_glass import Lift, Lifts, confirm_glass, request_glass
from remit.accounts.kills import KillScope
from remit.accounts.roles import Permission
from remit.audit.holds import Hold, Scope, place_hold
from remit.guard.rate_limits import limit_of, set_limit
from remit.kernel.action import ActorKind, Principal

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

LIMIT = "/api/v1/limits/{limit}"
PLAN = "/api/v1/plan"
GLASS = "/api/v1/break-glass"
ONE = f"{GLASS}/{{grant}}"
HOLDS = "/api/v1/audit/holds"


async def a_limit(api: Api) -> Params:
    made, runtime = await a_name(api), api.runtime
    numbers = {"measure": "requests", "amount": 7, "period_s": 60, "per": "tool", "kind": "tool"}
    limit = limit_of({**numbers, "name": made["limit"], "target": made["limit"]})
    await set_limit(runtime.store, limit, workspace="default", by=runtime.owner, clock=runtime.clock)
    return made


async def a_name(api: Api) -> Params:
    return {"limit": api.name("own")}


async def asked(api: Api) -> Params:
    """By `member`, who does not confirm it: that takes somebody else."""
    runtime = api.runtime
    lift = Lift(Lifts.RULE, "deploy.hours", KillScope.AGENT, "laptop", 5)
    who = Principal(ActorKind.USER, "member")
    made = await request_glass(runtime.store, lift, workspace="default", reason="a test", by=who, clock=runtime.clock)
    return {"grant": made}


async def confirmed(api: Api) -> Params:
    made, runtime = await asked(api), api.runtime
    await confirm_glass(runtime.store, made["grant"], workspace="default", by=runtime.owner, clock=runtime.clock)
    return made


async def a_hold(api: Api) -> Params:
    name, who = api.name("case"), api.runtime.owner
    hold = Hold("default", name, Scope(subject="ann"))
    await api.runtime.store.commit(
        "audit.hold",
        lambda tx: place_hold(
            tx, hold, by=who, reason="a test",
            allow=lambda tx: require(tx, who, workspace="default", permission=Permission.ADMIN),
        ),
    )  # fmt: skip
    return {"hold": name}


async def a_case(api: Api) -> Params:
    return {"name": api.name("case")}


SAMPLES = {
    ("GET", "/api/v1/limits"): Sample(),
    ("GET", LIMIT): Sample(a_limit),
    ("PUT", LIMIT): Sample(
        a_name, lambda made: {"amount": 9, "period_s": 60, "per": "tool", "kind": "tool", "target": made["limit"]}
    ),
    ("POST", f"{LIMIT}/off"): Sample(a_limit),
    ("DELETE", LIMIT): Sample(a_limit),
    ("GET", PLAN): Sample(),
    ("PUT", PLAN): Sample(body=lambda _made: {"plan": "enterprise"}),
    ("GET", GLASS): Sample(asked),
    ("POST", GLASS): Sample(
        body=lambda _made: {"lifts": "rule", "what": "deploy.hours", "name": "laptop", "reason": "a test"}
    ),
    ("GET", ONE): Sample(asked),
    ("POST", f"{ONE}/confirm"): Sample(asked),
    ("POST", f"{ONE}/close"): Sample(confirmed, lambda _made: {"reason": "over"}),
    ("GET", HOLDS): Sample(a_hold),
    ("POST", HOLDS): Sample(a_case, lambda made: {"name": made["name"], "subject": "ann", "reason": "a test"}),
    ("DELETE", f"{HOLDS}/{{hold}}"): Sample(a_hold, query="?reason=over"),
}
