"""Requests for approval: an agent asks to fetch from a sensitive domain, anew for each try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from remit.accounts.agents import Agent, register_agent
from remit.guard import approval_decisions as orders
from remit.guard.approval_rows import read_request
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Fetch
from remit.kernel.errors import ApprovalPending, Conflict
from remit.kernel.ids import new_id

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

ONE = "/api/v1/approvals/{approval}"
UNTIL = datetime(2099, 1, 1, tzinfo=UTC)


async def a_request(api: Api) -> Params:
    runtime = api.runtime
    try:
        agent = Agent("default", "herald", runtime.owner.id, effects=frozenset({"fetch"}))
        await register_agent(runtime.store, agent, by=runtime.owner, clock=runtime.clock)
        who, clock = runtime.owner, runtime.clock
        text = "use: []\n"  # the rules that are shipped let nobody fetch from a host that is on no list
        await save(runtime.store, text, workspace="default", name="rules.yaml", reason="test", by=who, clock=clock)
        await runtime.guard.register.refresh("default")
    except Conflict:
        pass
    action = Action(
        id=new_id(),
        effect=Fetch(f"https://forms.gov/{api.name('page')}"),
        principal=Principal(ActorKind.AGENT, "herald"),
        on_behalf_of=Principal(ActorKind.USER, "member"),
        workspace="default",
        effect_key=f"test/{new_id()}",
    )
    try:
        await runtime.guard.run(action)
    except ApprovalPending as pending:
        which = pending.approval_id
    else:
        message = "nobody was asked"
        raise AssertionError(message)
    found = await runtime.store.read(lambda tx: read_request(tx, "default", which))
    return {"approval": which, "hash": found.subject_hash}


async def handed_on(api: Api) -> Params:
    """Everybody who has a right has handed it to `viewer`."""
    runtime = api.runtime
    for name in ("owner", "admin"):
        await orders.delegate(
            runtime.store,
            "viewer",
            workspace="default",
            by=Principal(ActorKind.USER, name),
            until=runtime.clock.now() + timedelta(seconds=30),
            reason="a test",
            clock=runtime.clock,
            redactor=runtime.redactor,
        )
    return {"user": "viewer"}


SAMPLES = {
    ("GET", "/api/v1/approvals"): Sample(a_request),
    ("GET", ONE): Sample(a_request),
    ("POST", f"{ONE}/approve"): Sample(a_request, lambda made: {"subject_hash": made["hash"], "reason": "read it"}),
    ("POST", f"{ONE}/deny"): Sample(a_request, lambda made: {"subject_hash": made["hash"], "reason": "no"}),
    ("GET", "/api/v1/delegations"): Sample(),
    ("POST", "/api/v1/delegations"): Sample(body=lambda _made: {"user": "stranger", "until": UNTIL.isoformat()}),
    ("DELETE", "/api/v1/delegations/{user}"): Sample(handed_on),
}
