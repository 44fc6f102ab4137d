"""What a command does, an endpoint does: every command has its row here, or stands among those of the machine."""

from __future__ import annotations

from pathlib import Path

import click

from remit.cli.root import root
from remit.serve.api.app import endpoints

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
V1 = "/api/v1/"
MISSION = "missions/{mission}"
HERE = {
    "run": "POST missions",
    "show": f"GET {MISSION}",
    "missions": "GET missions",
    "logs": f"GET {MISSION}/logs",
    "resume": f"POST {MISSION}/resume",
    "rollback": f"POST {MISSION}/rollback",
    "branch": f"POST {MISSION}/branches",
    "cancel": f"POST {MISSION}/cancel",
    "queue": "GET queue",
    "queue move": f"PUT {MISSION}/priority",
    "queue pause": "PUT queue/pause",
    "queue resume": "PUT queue/pause",
    "limits": "GET limits",
    "limits set": "PUT limits/{limit}",
    "approvals": "GET approvals",
    "approve": "POST approvals/{approval}/approve",
    "deny": "POST approvals/{approval}/deny",
    "delegate": "POST delegations",
    "why": "GET why",
    "agents": "GET agents",
    "agents pause": "POST stops",
    "agents register": "POST agents",
    "agents resume": "POST stops/lift",
    "agents retire": "POST agents/{agent}/retirement",
    "agents show": "GET agents/{agent}",
    "agents update": "PATCH agents/{agent}",
    "kill": "POST stops",
    "unkill": "POST stops/lift",
    "budget": "GET budgets",
    "budget remove": "DELETE budgets",
    "budget set": "PUT budgets",
    "usage": "GET usage",
    "usage true-up": "POST usage/true-up",
    "cache clear": "DELETE kept-answers",
    "cache show": "GET kept-answers",
    "cache stats": "GET kept-answers/statistics",
    "keys budget": "PUT budgets",
    "keys create": "POST keys",
    "keys limit": "PUT keys/{key}/rates",
    "keys list": "GET keys",
    "keys policy": "PATCH policy/gateway",
    "keys revoke": "DELETE keys/{key}",
    "keys rotate": "POST keys/{key}/rotate",
    "keys show": "GET keys/{key}",
    "policy attest": f"POST {MISSION}/attestations",
    "policy check": "POST policy/checks",
    "policy diff": "GET policy/differences",
    "policy evidence": "GET policy/evidence",
    "policy explain": "GET policy/explanations/{action}",
    "policy save": "POST policy/revisions",
    "policy shadow": "POST policy/shadow",
    "policy show": "GET policy",
    "policy switch": "POST policy/revisions/{number}/restoration",
    "mcp servers": "GET mcp/servers",
    "mcp tools": "GET mcp/tools",
    "mcp tools accept": "POST mcp/tools/accept",
    "objectives": "GET error-budgets",
    "deploy": f"POST {MISSION}/deployments",
    "presets": "GET presets",
    "providers list": "GET providers",
    "providers pause": "PUT providers/{provider}/status",
    "providers resume": "PUT providers/{provider}/status",
    "models add": "PUT models/listed",
    "models alias": "PUT models/aliases",
    "models fallback": "PUT models/fallbacks",
    "models health": "GET models/health",
    "models list": "GET models",
    "models price": "PUT models/prices",
    "models remove": "DELETE models/listed",
    "models reset": "POST models/reset",
    "models route": "GET models/route",
    "breakers": "GET breakers",
    "breakers open": "POST breakers/moves",
    "breakers reset": "POST breakers/moves",
    "secrets list": "GET secrets",
    "secrets rules": "GET secrets/rules",
    "secrets show": "GET secrets/uses",
    "secrets stats": "GET secrets",
    "breakglass close": "POST break-glass/{grant}/close",
    "breakglass confirm": "POST break-glass/{grant}/confirm",
    "breakglass list": "GET break-glass",
    "breakglass request": "POST break-glass",
    "teams accept": "POST invitations/accept",
    "teams change": "PATCH teams/{team}",
    "teams create": "POST teams",
    "teams delete": "DELETE teams/{team}",
    "teams invite": "POST teams/{team}/invitations",
    "teams leave": "DELETE teams/{team}/members/{user}",
    "teams list": "GET teams",
    "teams policy": "POST policy/cedar",
    "teams revoke": "DELETE invitations/{invitation}",
    "teams role": "PUT teams/{team}/members/{user}",
    "teams show": "GET teams/{team}",
    "users": "GET users",
    "users add": "POST users",
    "users link": "POST users/{user}/link",
    "users list": "GET users",
    "users remove": "DELETE users/{user}",
    "users role": "PUT users/{user}/role",
    "users sessions": "GET sessions",
    "users signout": "DELETE users/{user}/sessions",
    "apikeys create": "POST api-keys",
    "apikeys list": "GET api-keys",
    "apikeys revoke": "DELETE api-keys/{key}",
    "plan set": "PUT plan",
    "plan show": "GET plan",
    "audit export": "POST audit/exports",
    "audit hold": "POST audit/holds",
    "audit holds": "GET audit/holds",
    "audit prove": "GET audit/entries/{seq}/proof",
    "audit release": "DELETE audit/holds/{hold}",
    "audit show": "GET audit/entries",
    "audit verify": "POST audit/verifications",
    "settings": "GET settings",
    "telemetry": "GET telemetry",
    "telemetry events": "GET telemetry/events",
    "telemetry feedback": "POST telemetry/feedback",
    "telemetry forget": "DELETE telemetry/events",
    "telemetry turn": "PUT telemetry/switches/{switch}",
}
#: Commands of whoever has the machine; docs/api.md says why of each, and names them as they stand here.
AT_THE_MACHINE = frozenset(
    [
        "init",
        "up",
        "worker",
        "gateway",
        "mcp",
        "mcp proxy",
        "doctor",
        "upgrade",
        "backup",
        "restore",
        "demo",
        "drill",
        "bench",
        "metrics",
        "scan",
        "fetch",
        "queue clean",
        "keys check",
        "policy test",
        "secrets set",
        "secrets rotate",
        "secrets delete",
        "secrets import",
        "secrets get",
        "secrets allow",
        "secrets deny",
        "secrets check",
        "providers add",
        "providers remove",
        "providers test",
        "models import litellm",
        "mcp servers add",
        "mcp servers remove",
        "mcp tools check",
        "workspaces create",
        "audit key",
        "audit key rotate",
        "audit retain",
        "audit erase",
        "audit witness",
        "audit timestamp",
        "audit acknowledge",
    ]
)


def commands(command: click.Command, name: str, context: click.Context) -> set[str]:
    if not isinstance(command, click.Group):
        return {name}
    found = {name} if name and command.invoke_without_command else set[str]()
    for each in command.list_commands(context):
        below = command.get_command(context, each)
        assert below is not None
        found |= commands(below, f"{name} {each}".strip(), context)
    return found


def test_every_command_has_its_endpoint_or_is_one_of_the_machine() -> None:
    every = commands(root, "", click.Context(root))
    rows = HERE.keys() | AT_THE_MACHINE
    assert every - rows == set(), "give each an endpoint and a row, or say in docs/api.md why it has none"
    assert AT_THE_MACHINE - every == set()
    assert HERE.keys() & AT_THE_MACHINE == set()
    known = {f"{method} {path.removeprefix(V1)}" for method, path in endpoints()}
    assert {name: place for name, place in HERE.items() if place not in known} == {}


def test_the_docs_say_why_the_others_have_none() -> None:
    told = DOCS.read_text(encoding="utf-8").partition("## At the machine only")[2].partition("\n## ")[0]
    assert {name for name in AT_THE_MACHINE if f"`{name}`" not in told} == set()
