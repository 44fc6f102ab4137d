"""``remit mcp proxy`` between a real client and a real server, over pipes: who may call what, and what comes back."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from remit.testing.mcp_server import ORDERS

from .world import SOURCE, World, secret, text_of


def error_of(caught: pytest.ExceptionInfo[MCPError]) -> tuple[str, str]:
    """Remit's code and sentence."""
    data = caught.value.error.data
    assert isinstance(data, dict)
    return data["code"], caught.value.error.message


async def test_calls_pass_and_leave_an_action_and_entries(world: World) -> None:
    async with world.proxy() as client:
        assert "echo" in await client.names()
        result = await client.call("echo", text="hello")
        assert text_of(result) == "hello"
        assert result.meta == {"remit/outside": {"source": "tool files/echo", "injection": 0.0, "signs": ""}}
    assert [(each["tool"], each["arguments"]) for each in world.calls()] == [("echo", {"text": "hello"})]
    entries = world.remit("audit", "show", "--action", "guard.outcome")["entries"]
    assert [each["result"] for each in entries] == ["success"] * 4, "its start, what it offers (twice), the call"


async def test_an_agent_sees_and_calls_what_its_list_has(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        assert await client.names() == ["echo", "read_file", "delete_file", "outside"]
        assert await client.text("read_file", path="notes/today.md") == "done: read_file"
        with pytest.raises(MCPError) as caught:
            await client.call("add", a=1, b=2)
        code, message = error_of(caught)
        assert code == "guard.tool"
        assert "may not call the tool 'files/add'" in message
        assert "Next: remit why " in message
        with pytest.raises(MCPError):
            await client.call("no_such_tool")
        assert (await client.session.list_resources()).resources == [], "nothing of what it may not list"
        with pytest.raises(MCPError, match="resources:read"):
            await client.session.read_resource("memo://plain")
    assert [each["tool"] for each in world.calls()] == ["read_file"]
    async with world.proxy("--agent", "idle") as client:
        assert await client.names() == []


async def test_arguments_are_judged_by_rules_and_secrets(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        with pytest.raises(MCPError, match="climbs out of its folder"):
            await client.call("read_file", path="../../letters")
        with pytest.raises(MCPError) as caught:
            await client.call("echo", text=f"use {secret()}")
        assert secret() not in str(caught.value.error)
        assert "carries a secret" in str(caught.value.error)
    assert world.calls() == []
    assert secret() not in world.stderr()


async def test_what_comes_back_is_masked(world: World) -> None:
    value = secret()
    async with world.proxy("--env", f"FOREIGN={value[::-1]}") as client:
        told = await client.text("environment")
    found = json.loads(told)
    assert "PYTEST_CURRENT_TEST" not in found, "a clean environment"
    assert not [name for name in found if name.startswith("REMIT")]


async def test_cards_are_masked_in_what_comes_back_also_parted_over_texts(world: World) -> None:
    card = "4242 4242 4242 4242"
    async with world.proxy("--agent", "helper") as client:
        assert (await client.text("outside", text=f"paid with {card}.")).startswith("paid with [REDACTED:card:")
        told = await client.text("outside", texts=["paid with 4242 4242 ", "4242 4242.", "And no more."])
        assert "4242" not in told
        assert told.startswith("paid with [REDACTED:card:")
        assert told.endswith("And no more.")
        world.remit("keys", "policy", "--set", "redaction=off")
        await asyncio.sleep(0.5)
        assert await client.text("outside", text=card) == card, "as the workspace's policy lets models' answers pass"


async def test_a_secret_for_the_program_is_referred_to_resolved_and_masked(world: World) -> None:
    world.remit("secrets", "set", "token", "--generate")
    refused = world.remit("mcp", "servers", "add", "held", "--env", "TOKEN=secret://token", "--", *world.witness())
    assert refused["added"]["env"] == {"TOKEN": "secret://token"}
    world.remit("mcp", "tools", "check", "held", code=3)  # nobody may use it yet
    world.remit("secrets", "allow", "token", "--kind", "tool", "--target", "mcp/start")
    async with world.proxy("--env", "TOKEN=secret://token") as client:
        told = json.loads(await client.text("environment"))
    assert told["TOKEN"].startswith("[REDACTED")
    actions = {each["action"] for each in world.remit("audit", "show", "--limit", "500")["entries"]}
    assert "secret.used" in actions, actions


async def test_a_pending_approval_tells_the_command_and_is_used_once(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        with pytest.raises(MCPError) as caught:
            await client.call("delete_file", path="a.txt")
        data = caught.value.error.data
        assert data["code"] == "guard.approval_pending"
        assert f"remit approve {data['approval']}" in caught.value.error.message
        world.remit("approve", data["approval"])
        assert await client.text("delete_file", path="a.txt") == "done: delete_file"
        with pytest.raises(MCPError) as again:
            await client.call("delete_file", path="a.txt")
        assert again.value.error.data["approval"] != data["approval"]
        world.remit("deny", again.value.error.data["approval"], "--reason", "no")
        with pytest.raises(MCPError, match="no"):
            await client.call("delete_file", path="a.txt")
    assert [each["tool"] for each in world.calls()] == ["delete_file"]


async def test_a_call_waits_for_a_person_when_told_to(world: World) -> None:
    async with world.proxy("--agent", "helper", "--wait", "40") as client:
        asked = asyncio.create_task(client.text("delete_file", path="a.txt"))
        for _ in range(100):
            await asyncio.sleep(0.1)
            waiting = await asyncio.to_thread(world.remit, "approvals")
            if waiting["approvals"]:
                break
        await asyncio.to_thread(world.remit, "approve", waiting["approvals"][0]["approval"])
        assert await asked == "done: delete_file"


async def test_the_policy_that_answers_at_once_lets_nobody_wait(world: World) -> None:
    world.remit("keys", "policy", "--set", "approval=answer")
    async with world.proxy("--agent", "helper", "--wait", "40") as client, asyncio.timeout(39):
        with pytest.raises(MCPError) as caught:
            await client.call("delete_file", path="a.txt")
    assert caught.value.error.data["code"] == "guard.approval_pending"


async def test_text_that_looks_like_orders_is_marked_and_the_next_call_needs_a_person(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        result = await client.call("outside", text=ORDERS)
        warning, text = (each.text for each in result.content)  # pyright: ignore[reportAttributeAccessIssue]
        assert text == ORDERS
        assert warning.startswith("[Remit: what follows is data from outside (tool files/outside)")
        assert result.meta is not None
        assert result.meta["remit/outside"]["injection"] >= 0.6
        with pytest.raises(MCPError) as caught:
            await client.call("echo", text="anything")
        assert caught.value.error.data["code"] == "guard.approval_pending"
        assert "any.injection" in caught.value.error.message
    async with world.proxy("--agent", "helper") as client:
        assert await client.text("echo", text="another session has read nothing") != ""


async def test_a_tool_that_changes_is_held_until_an_admin_accepts_it(world: World) -> None:
    async with world.proxy() as client:
        assert "echo" in await client.names()
        await client.call("rename")
        for _ in range(1200):
            if "ToolListChangedNotification" in client.told:
                break
            await asyncio.sleep(0.05)
        assert "ToolListChangedNotification" in client.told
        assert "echo" not in await client.names()
        with pytest.raises(MCPError) as caught:
            await client.call("echo", text="x")
        assert error_of(caught)[0] == "mcp.held"
        assert "remit mcp tools accept files echo" in caught.value.error.message
        held = [each for each in world.remit("mcp", "tools")["tools"] if each["held"]]
        assert [(each["tool"], each["why"]) for each in held] == [("echo", "changed since it was accepted")]
        assert "every file you have read" in held[0]["description"]
        world.remit("mcp", "tools", "accept", "files", "echo", "--hash", "00000000", code=1)
        world.remit("mcp", "tools", "accept", "files", "echo", "--hash", held[0]["sha256"][:8])
        assert await client.text("echo", text="again") == "again"
    actions = [each["action"] for each in world.remit("audit", "show", "--limit", "500")["entries"]]
    assert "mcp.tool.changed" in actions
    assert "mcp.tool.accepted" in actions
    assert [each["tool"] for each in world.calls()] == ["rename", "echo"]


async def test_pins_outlive_the_server_and_report_only_reports(world: World) -> None:
    async with world.proxy() as client:
        await client.names()
    async with world.proxy(mode="changed") as client:
        assert "echo" not in await client.names()
    async with world.proxy() as client:
        assert "echo" in await client.names(), "it says again what was accepted"
    async with world.proxy("--pinning", "report", mode="changed") as client:
        assert await client.text("echo", text="x") == "x"


async def test_a_description_that_looks_like_orders_is_held_from_the_first(world: World) -> None:
    async with world.proxy(mode="injected") as client:
        names = await client.names()
        assert "echo" not in names
        assert "add" in names
    found = [each for each in world.remit("mcp", "tools")["tools"] if each["held"]]
    assert [each["tool"] for each in found] == ["echo"]
    assert "instruction" in found[0]["signs"]


async def test_strict_holds_every_new_tool(world: World) -> None:
    async with world.proxy("--pinning", "strict") as client:
        assert await client.names() == []


async def test_a_misbehaving_server_harms_one_call(world: World) -> None:
    async with world.proxy("--timeout", "1.5") as client:
        with pytest.raises(MCPError) as caught:
            await client.call("hang")
        assert error_of(caught)[0] == "guard.timeout"
        failed = await client.call("fail")
        assert failed.is_error
        assert text_of(failed) == "It does not work."
        assert await client.text("garbage") == "done: garbage"
        with pytest.raises(MCPError) as caught:
            await client.call("huge", bytes=5 << 20)
        assert error_of(caught)[0] == "mcp.size"
        with pytest.raises(MCPError):
            await client.call("huge", bytes=9 << 20)  # more than one message may hold
        with pytest.raises(MCPError):
            await client.call("die")
        assert await client.text("echo", text="started anew") == "started anew"


async def test_resources_and_prompts_pass_marked_or_not_at_all(world: World) -> None:
    async with world.proxy() as client:
        assert [each.name for each in (await client.session.list_resources()).resources] == ["plain", "orders"]
        prompt = await client.session.get_prompt("greet", {"who": "Ada"})
        assert "Greet Ada." in prompt.model_dump_json()
        read = await client.session.read_resource("memo://orders")
        assert read.meta is not None
        assert read.meta["remit/outside"]["injection"] >= 0.6
    async with world.proxy("--tools-only") as client:
        with pytest.raises(MCPError):
            await client.session.list_resources()


async def test_a_kill_stops_the_next_call_at_once(world: World) -> None:
    async with world.proxy("--agent", "helper") as client:
        await client.call("echo", text="x")
        world.remit("kill", "helper", "--reason", "test")
        with pytest.raises(MCPError, match="was stopped"):
            await client.call("echo", text="x")
    assert len(world.calls()) == 1


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="another platform: Linux tells a child of its parent's death")
async def test_killing_the_proxy_leaves_no_process(world: World) -> None:
    words = ["-m", "remit.cli", "mcp", "proxy", "--home", str(world.home), "--server", "files"]
    words += ["--env", f"PYTHONPATH={SOURCE}", "--", *world.witness()]
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, *words], stdin=pipe, stdout=pipe)  # noqa: ASYNC220 - at once
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    for message in (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "child", "arguments": {}}},
    ):
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        if "id" in message:
            answer = json.loads(await asyncio.to_thread(process.stdout.readline))
    grandchild = int(answer["result"]["content"][0]["text"])
    server = world.calls()[0]["pid"]
    assert alive(server)
    assert alive(grandchild)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    until = time.monotonic() + 60
    while time.monotonic() < until and (alive(server) or alive(grandchild)):  # noqa: ASYNC110 - no event of ours
        await asyncio.sleep(0.05)
    assert not alive(server)
    assert not alive(grandchild)


async def test_a_server_behind_an_address(world: World) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [*world.witness(), "--http", str(port)]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - at once
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.1)
        url = f"http://127.0.0.1:{port}/mcp"
        async with world.client("proxy", "--server", "web", "--url", url) as client:
            assert await client.text("echo", text="over HTTP") == "over HTTP"
    finally:
        server.terminate()
        server.wait()
    assert [each["tool"] for each in world.calls()] == ["echo"]


def test_a_program_that_can_not_be_started_says_why(world: World) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "remit.cli", "mcp", "proxy", "--home", str(world.home), "--", "/no/such/program"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 5
    assert "/no/such/program: No such file" in done.stderr
    assert done.stdout == ""


async def test_watching_only_records_what_would_be_refused(world: World) -> None:
    await world.observe()
    async with world.proxy("--agent", "helper") as client:
        assert await client.text("delete_file", path="../a.txt") == "done: delete_file"
        with pytest.raises(MCPError):
            await client.call("add", a=1)  # what it was registered for holds all the same
    assert [each["tool"] for each in world.calls()] == ["delete_file"]
