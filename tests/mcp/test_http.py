"""``/mcp`` of ``remit up``: the tools of ``remit mcp`` for the official client over a socket, with keys and tokens."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from remit.accounts.agents import Agent, register_agent
from remit.accounts.key_orders import create_key, revoke_key
from remit.accounts.keys import Key, KeyScope
from remit.accounts.kills import KillScope, Target, kill
from remit.serve.mcp.orders import ORDERS

from ..api.serving import WORKSPACE, Api, serving  # noqa: TID252 - tests are loaded by path
from .world import Client, text_of

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPTS = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home") / "home", engine=True) as made:
        yield made


@asynccontextmanager
async def connected(api: Api, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http,
        streamable_http_client(f"{api.url}/mcp", http_client=http) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        yield Client(session)


def agent_key(api: Api, *tools: str, owner: str = "", scopes: frozenset[KeyScope] = frozenset({KeyScope.TOOLS})) -> str:
    """A new agent that may call these tools; its key."""
    runtime, name = api.runtime, api.name("clerk")
    by, clock, store = runtime.owner, runtime.clock, runtime.store
    agent = Agent(WORKSPACE, name, owner or by.id, effects=frozenset({"tool"}), tools=frozenset(tools))
    api.do(lambda: register_agent(store, agent, by=by, clock=clock))
    key = Key(WORKSPACE, name, name, owner or by.id, scopes=scopes)
    return name + " " + api.do(lambda: create_key(store, key, by=by, clock=clock, rand=secrets.token_bytes))


async def told(client: Client, name: str, /, **arguments: Any) -> dict[str, Any]:
    return json.loads(text_of(await client.call(name, **arguments)))


async def code_of(client: Client, name: str, /, **arguments: Any) -> str:
    with pytest.raises(MCPError) as caught:
        await client.call(name, **arguments)
    return str(caught.value.error.data["code"])


async def until_refused(client: Client) -> None:
    """Asks until an order is refused, which is at most the 250 ms that a process believes what it knows."""
    for _ in range(50):
        await client.call("missions_list")
        await asyncio.sleep(0.05)


async def test_a_person_sees_and_runs_what_their_role_and_key_open(api: Api) -> None:
    async with connected(api, api.key("owner")) as client:
        assert await client.names() == list(ORDERS)
        assert (await told(client, "missions_list"))["missions"] == []
        entries = (await told(client, "audit_show", limit=5))["entries"]
        assert len(entries) == 5
        assert (await told(client, "approvals_list"))["approvals"] == []
        run = await told(client, "missions_run", pack=api.pack, intake="{}", name="x.json")
        assert (await told(client, "missions_show", mission=run["mission"]))["originator"] == "user:owner"
    async with connected(api, api.key("owner", frozenset({"read"}))) as client:
        assert len((await told(client, "missions_list"))["missions"]) == 1
        assert await code_of(client, "missions_cancel", mission=run["mission"]) == "api.scope"
    async with connected(api, api.key("stranger")) as client:  # of another team alone
        for name in ("missions_list", "audit_show", "approvals_list", "budget_left"):
            assert (await code_of(client, name)).startswith("accounts."), name
    async with connected(api, api.key("viewer")) as client:
        assert len((await told(client, "missions_list"))["missions"]) == 1
        assert (await code_of(client, "missions_cancel", mission=run["mission"])).startswith("accounts.")


async def test_an_agent_gives_the_orders_that_its_list_and_its_key_have(api: Api) -> None:
    name, token = agent_key(api, "remit/missions_list", "remit/approvals_list").split()
    async with connected(api, token) as client:
        assert await client.names() == ["missions_list", "approvals_list"]
        await told(client, "approvals_list")
        with pytest.raises(MCPError, match="may not call the tool"):
            await client.call("audit_show")
        runtime = api.runtime
        api.do(
            lambda: kill(
                runtime.store,
                Target(KillScope.AGENT, name),
                workspace=WORKSPACE,
                by=runtime.owner,
                reason="a test",
                clock=runtime.clock,
            )
        )
        with pytest.raises(MCPError, match="was stopped"):
            await until_refused(client)
    _, other = agent_key(api, "*", scopes=frozenset({KeyScope.MODELS})).split()
    async with connected(api, other) as client:
        assert await code_of(client, "missions_list") == "guard.scope"
    _, theirs = agent_key(api, "*", owner="viewer").split()
    async with connected(api, theirs) as client:  # no agent does what the person may not
        assert await code_of(client, "missions_run", pack=api.pack, intake="{}") == "guard.role"


async def test_a_key_that_is_revoked_ends_at_once(api: Api) -> None:
    name, token = agent_key(api, "remit/missions_list").split()
    async with connected(api, token) as client:
        await told(client, "missions_list")
        runtime = api.runtime
        api.do(
            lambda: revoke_key(
                runtime.store, name, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock, reason="a test"
            )
        )
        reply = api.open().post("/mcp", PING, **ACCEPTS, authorization=f"Bearer {token}")
        for _ in range(600):  # a process knows a key for 250 ms
            if reply.status == 401:
                break
            await asyncio.sleep(0.05)
            reply = api.open().post("/mcp", PING, **ACCEPTS, authorization=f"Bearer {token}")
        assert reply.status == 401
        with pytest.raises(MCPError):
            await client.call("missions_list")


def test_only_programs_with_a_key_ask_and_no_page_of_another_site(api: Api) -> None:
    token = {"authorization": f"Bearer {api.key('owner')}"}
    ok = api.open().post("/mcp", PING, **ACCEPTS, **token)
    assert (ok.status, ok.json["result"]) == (200, {})
    assert "mcp-session-id" not in ok.headers, "nothing to take over"
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer rmt_live_" + "0" * 49}, 401),
        ({"cookie": f"remit_session={api.session('owner')}", "origin": api.url}, 403),
        ({**token, "host": "evil.example:80"}, 421),
        ({**token, "host": "evil.example", "origin": "http://evil.example"}, 421),
        ({**token, "origin": "http://evil.example"}, 403),
        ({**token, "sec-fetch-site": "cross-site"}, 403),
        ({**token, "origin": "null"}, 403),
    ):
        reply = api.open().post("/mcp", PING, **{**ACCEPTS, **headers})
        assert reply.status == status, (headers, reply)
    assert api.open().get("/mcp", **ACCEPTS, **token).status == 405
    assert api.open().delete("/mcp", **token, mcp_session_id="0" * 32).status == 405
    assert api.open().ask("POST", "/mcp", body=b"{" * 5_000_000, **ACCEPTS, **token).status == 413
    assert api.open().ask("POST", "/mcp", body=b"{", content_type="application/json", **ACCEPTS, **token).status == 400
