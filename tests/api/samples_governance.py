"""Agents, stops, the audit log, rules, breakers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from remit.accounts.agents import Agent, register_agent
from remit.accounts.kills import KillScope, Target, kill
from remit.audit.export import Selection
from remit.audit.query import Filter, find
from remit.bootstrap import export_log
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Fetch
from remit.kernel.errors import RemitError
from remit.kernel.ids import new_id
from remit.serve.audit_reads import exports_of

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

AGENT = "/api/v1/agents/{agent}"


async def a_name(api: Api) -> Params:
    return {"new": api.name("worker")}


async def an_agent(api: Api) -> Params:
    name, who, runtime = api.name("worker"), api.runtime.owner, api.runtime
    agent = Agent("default", name, who.id, kind="worker", effects=frozenset({"model"}))
    await register_agent(runtime.store, agent, by=who, clock=runtime.clock)
    return {"agent": name}


async def a_stop(api: Api) -> Params:
    made = await an_agent(api)
    target = Target(KillScope.AGENT, made["agent"])
    who, runtime = api.runtime.owner, api.runtime
    await kill(runtime.store, target, workspace="default", reason="a test", by=who, clock=runtime.clock)
    return made


def an_order(made: Params) -> dict[str, str]:
    return {"scope": "agent", "name": made["agent"], "reason": "a test"}


async def an_export(api: Api) -> Params:
    runtime = api.runtime
    name = new_id()
    await asyncio.to_thread(
        export_log,
        runtime.store,
        exports_of(runtime.settings, "default") / name,
        wanted=Selection("default", action="audit.export"),
        form="jsonl",
        by=runtime.owner,
        allow=lambda _tx: None,
        made_at="2026-11-22T00:00:00Z",
    )
    return {"export": name, "file": "manifest.json"}


async def an_entry(api: Api) -> Params:
    """One of the workspace's own, under a signed checkpoint."""
    await asyncio.to_thread(api.runtime.store.seal)
    return {"seq": str((await api.runtime.store.read(lambda tx: find(tx, Filter("default", limit=1))))[0].seq)}


AUDIT = "/api/v1/audit"

POLICY = "/api/v1/policy"
MORE = """use: []
rules:
  - id: NAME
    on: [fetch]
    assert: fetch.depth < 9
    else: deny
    message: too deep
"""


def a_file(name: str) -> str:
    return MORE.replace("NAME", name.replace("-", "."))


async def a_revision(api: Api) -> Params:
    runtime = api.runtime
    number = 0
    for _ in range(2):
        made = await save(
            runtime.store, a_file(api.name("own.r")), workspace="default", name="r", reason="a test",
            by=runtime.owner, clock=runtime.clock,
        )  # fmt: skip
        number = made.number
    return {"number": str(number - 1), "text": a_file(api.name("own.n"))}


async def a_decision(api: Api) -> Params:
    runtime = api.runtime
    action = Action(
        id=new_id(),
        effect=Fetch("https://example.org/"),
        principal=Principal(ActorKind.AGENT, "laptop"),
        on_behalf_of=runtime.owner,
        workspace="default",
        effect_key=f"test/{new_id()}",
    )
    with suppress(RemitError):
        await runtime.guard.run(action)
    return {"action": action.id}


async def a_breaker(api: Api) -> Params:
    return {"operation": api.name("example.org")}


SAMPLES = {
    ("GET", POLICY): Sample(),
    ("GET", f"{POLICY}/revisions"): Sample(a_revision),
    ("POST", f"{POLICY}/revisions"): Sample(a_revision, lambda made: {"text": made["text"], "reason": "a test"}),
    ("GET", f"{POLICY}/revisions/{{number}}"): Sample(a_revision),
    ("POST", f"{POLICY}/revisions/{{number}}/restoration"): Sample(a_revision, lambda _made: {"reason": "a test"}),
    ("GET", f"{POLICY}/differences"): Sample(a_revision, query="?before={number}"),
    ("POST", f"{POLICY}/checks"): Sample(body=lambda _made: {"text": "use: []\n"}),
    ("POST", f"{POLICY}/shadow"): Sample(body=lambda _made: {"text": "use: []\n", "days": 1}),
    ("POST", f"{POLICY}/rehearsals"): Sample(
        body=lambda _made: {"action": "kind: fetch\npayload: {url: 'https://a.org/'}"}
    ),
    ("GET", f"{POLICY}/explanations/{{action}}"): Sample(a_decision, ok=frozenset({200, 404})),
    ("GET", f"{POLICY}/gateway"): Sample(),
    ("PATCH", f"{POLICY}/gateway"): Sample(body=lambda _made: {"switches": {"cache": "off"}}),
    ("GET", "/api/v1/breakers"): Sample(),
    ("POST", "/api/v1/breakers/moves"): Sample(
        a_breaker, lambda made: {"kind": "fetch", "operation": made["operation"], "to": "open", "reason": "a test"}
    ),
    ("GET", f"{AUDIT}/entries"): Sample(query="?limit=2"),
    ("GET", f"{AUDIT}/entries/{{seq}}"): Sample(an_entry),
    ("GET", f"{AUDIT}/entries/{{seq}}/proof"): Sample(an_entry),
    ("GET", f"{AUDIT}/checkpoint"): Sample(an_entry),
    ("POST", f"{AUDIT}/verifications"): Sample(),
    ("POST", f"{AUDIT}/exports"): Sample(body=lambda _made: {"action": "audit.export"}),
    ("GET", f"{AUDIT}/exports/{{export}}/{{file}}"): Sample(an_export),
    ("GET", "/api/v1/agents"): Sample(an_agent),
    ("POST", "/api/v1/agents"): Sample(a_name, lambda made: {"name": made["new"], "owner": "owner"}),
    ("GET", AGENT): Sample(an_agent),
    ("PATCH", AGENT): Sample(an_agent, lambda _made: {"effects": ["model", "fetch"]}),
    ("POST", f"{AGENT}/retirement"): Sample(an_agent, lambda _made: {"reason": "a test"}),
    ("GET", "/api/v1/stops"): Sample(a_stop),
    ("GET", "/api/v1/stops/reach"): Sample(an_agent, query="?scope=agent&name={agent}"),
    ("POST", "/api/v1/stops"): Sample(an_agent, an_order),
    ("POST", "/api/v1/stops/lift"): Sample(a_stop, an_order),
}
