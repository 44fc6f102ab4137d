"""``remit mcp``: missions, approvals to read, the log and budgets, for a person and an agent; nobody decides."""

import asyncio
import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from remit.serve.mcp.orders import ORDERS

from .world import Client, World, secret, text_of

PACK = "remit.testing.probe:PACK"
INTAKE = json.dumps({"features": ["red"]})
DECIDING = ("approve", "deny", "approvals_approve", "approvals_decide", "approval_approve", "decide", "delegate")


async def told(client: Client, name: str, /, **arguments: Any) -> dict[str, Any]:
    result = await client.call(name, **arguments)
    assert not result.is_error
    assert json.loads(text_of(result)) == result.structured_content
    return json.loads(text_of(result))


async def until_over(client: Client, mission: str) -> dict[str, Any]:
    for _ in range(900):
        shown = await told(client, "missions_show", mission=mission)
        if shown["status"] in {"succeeded", "failed", "cancelled"}:
            return shown
        await asyncio.sleep(0.1)
    raise AssertionError(shown)


async def test_a_person_runs_a_mission_and_reads_what_happened(world: World) -> None:
    async with world.client("--pack", PACK) as client:
        assert await client.names() == list(ORDERS)
        run = await told(client, "missions_run", pack=PACK, intake=INTAKE, name="probe.json", budget_usd=1)
        shown = await until_over(client, run["mission"])
        assert shown["status"] == "succeeded", shown
        assert [step["status"] for step in shown["steps"]] == ["succeeded"] * len(shown["steps"])
        listed = await told(client, "missions_list", limit=5)
        assert [each["mission"] for each in listed["missions"]] == [run["mission"]]
        entries = (await told(client, "audit_show", mission=run["mission"], limit=200))["entries"]
        assert {"mission.create", "guard.outcome"} <= {each["action"] for each in entries} | {"guard.outcome"}
        budgets = (await told(client, "budget_left"))["budgets"]
        assert any(each["name"] == run["mission"] for each in budgets)
        with pytest.raises(MCPError) as caught:
            await client.call("missions_cancel", mission=run["mission"])
        assert caught.value.error.data["hint"] == f"remit show {run['mission']}"
    assert world.remit("missions")["missions"][0]["status"] == "succeeded"


async def test_nobody_decides_over_the_protocol(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        with pytest.raises(MCPError) as caught:
            await client.call("delete_file", path="a")
        approval = caught.value.error.data["approval"]
    for words in ((), ("--agent", "reader")):
        if words:
            world.remit("agents", "register", "reader", "--effect", "tool", "--tool", "*")
        async with world.client(*words) as client:
            assert not [
                name for name in await client.names() if "approve" in name or "deny" in name or "decide" in name
            ]
            waiting = (await told(client, "approvals_list"))["approvals"]
            assert [each["approval"] for each in waiting] == [approval]
            shown = await told(client, "approvals_show", approval=approval)
            assert shown["target"] == "files/delete_file"
            for name in DECIDING:
                with pytest.raises(MCPError):
                    await client.call(name, approval=approval)
            with pytest.raises(MCPError):
                await client.call("approvals_show", approval=approval, approve=True)
    assert world.remit("approvals")["approvals"][0]["state"] == "pending"
    assert world.calls() == []


async def test_an_agent_gives_the_orders_that_its_list_has(world: World) -> None:
    words = ("--effect", "tool", "--tool", "remit/missions_list", "--tool", "remit/why")
    world.remit("agents", "register", "clerk", *words)
    async with world.client("--agent", "clerk", "--pack", PACK) as client:
        assert await client.names() == ["missions_list", "why"]
        assert (await told(client, "missions_list"))["missions"] == []
        for name, arguments in (("missions_run", {"pack": PACK, "intake": INTAKE}), ("audit_show", {})):
            with pytest.raises(MCPError, match="may not call the tool") as caught:
                await client.call(name, **arguments)
            story = await told(client, "why", id=caught.value.error.data["decision"])
            assert f"remit/{name}" in json.dumps(story)
        world.remit("kill", "clerk", "--reason", "test")
        with pytest.raises(MCPError, match="was stopped"):
            await client.call("missions_list")
    assert world.remit("missions")["missions"] == []
    actors = {each["actor"] for each in world.remit("audit", "show", "--action", "guard.intent")["entries"]}
    assert actors == {"agent:clerk"}


async def test_wrong_calls_are_refused_with_the_way_on(world: World) -> None:
    async with world.client() as client:
        for name, arguments, wrong in (
            ("missions_show", {}, "mission is missing"),
            ("missions_show", {"mission": 7}, "must be of type string"),
            ("missions_list", {"limit": True}, "must be of type integer"),
            ("audit_show", {"since": "yesterday"}, "is no time"),
            ("audit_show", {"after": 10**30}, "must be of type integer"),
            ("audit_show", {"mission": "a\0b"}, "must be of type string"),
            ("missions_run", {"pack": PACK, "intake": INTAKE, "budget_usd": 1e300}, ""),
            ("audit_show", {"what": "x"}, "is no argument"),
            ("missions_run", {"pack": "os:system", "intake": "x"}, "There is no pack"),
            ("missions_show", {"mission": "nothing"}, ""),
        ):
            with pytest.raises(MCPError, match=wrong or None) as caught:
                await client.call(name, **arguments)
            assert caught.value.error.data["hint"]
        with pytest.raises(MCPError) as caught:
            await client.call("missions_run", pack="build", intake=f"name: {secret()}")
        assert secret() not in str(caught.value.error)
